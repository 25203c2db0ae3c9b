/** Tests of the growing edge of a tree. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { present } from "../base/assert.ts";
import { concat, u64 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { CompactRange } from "./compact-range.ts";
import { treeHasher } from "./leaf-hash.ts";
import { naiveRoot, numberedLeaves } from "./naive-tree.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const leaves = numberedLeaves(300);

function rangeOf(size: number): CompactRange {
  const range = CompactRange.empty(hasher);
  range.appendAll(leaves.slice(0, size));
  return range;
}

describe("CompactRange", () => {
  it("has the RFC's root after every leaf, and survives being written down", () => {
    const range = CompactRange.empty(hasher);
    for (let size = 0; size <= 130; size++) {
      expect(range.size).toBe(size);
      const root = naiveRoot(leaves.slice(0, size));
      expect(range.root()).toEqual(root);
      const again = CompactRange.parse(hasher, range.encode());
      expect(again.ok && again.value.root()).toEqual(root);
      range.append(present(leaves[size], "leaf"));
    }
  });

  it("names every node it completes, once, children first, with the RFC's hash", () => {
    fc.assert(
      fc.property(fc.nat(150), fc.nat(150), (size, more) => {
        const range = rangeOf(size);
        const nodes = range.appendAll(leaves.slice(size, size + more));
        const ends = nodes.map(({ level, index }) => (index + 1) * 2 ** level);
        expect(ends).toEqual(ends.toSorted((a, b) => a - b));
        expect(ends.every((end) => end > size && end <= size + more)).toBe(true);
        let expected = 0;
        for (let width = 1; width <= size + more; width *= 2)
          expected += Math.floor((size + more) / width) - Math.floor(size / width);
        expect(nodes.length).toBe(expected);
        for (const { level, index, hash } of nodes) {
          const below = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
          expect(hash).toEqual(naiveRoot(below));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is taken up again from stored nodes", () => {
    const nodes = CompactRange.empty(hasher).appendAll(leaves.slice(0, 77));
    const byPlace = new Map(nodes.map((node) => [`${node.level}/${node.index}`, node.hash]));
    const read = (level: number, index: number) =>
      present(byPlace.get(`${level}/${index}`), "stored node");
    const range = CompactRange.fromNodes(hasher, 77, read);
    expect(range.root()).toEqual(rangeOf(77).root());
    range.appendAll(leaves.slice(77, 90));
    expect(range.root()).toEqual(naiveRoot(leaves.slice(0, 90)));
  });

  it("copies without a tie", () => {
    const range = rangeOf(7);
    const copy = range.copy();
    copy.appendAll(leaves.slice(7, 9));
    expect(range.root()).toEqual(naiveRoot(leaves.slice(0, 7)));
    expect(copy.root()).toEqual(naiveRoot(leaves.slice(0, 9)));
  });

  it("refuses bytes of another length, and sizes of 2^53 or more", () => {
    const bytes = rangeOf(5).encode();
    expect(bytes.length).toBe(8 + 2 * 32);
    for (const length of [0, 7, 8, bytes.length - 1, bytes.length - 32])
      expect(CompactRange.parse(hasher, bytes.subarray(0, length))).toMatchObject({
        fault: { code: "COMPACT_RANGE_BAD_LENGTH" },
      });
    expect(CompactRange.parse(hasher, concat(bytes, new Uint8Array(32)))).toMatchObject({
      fault: { code: "COMPACT_RANGE_BAD_LENGTH" },
    });
    for (const size of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n])
      expect(CompactRange.parse(hasher, concat(u64(size), new Uint8Array(32)))).toMatchObject({
        fault: { code: "COMPACT_RANGE_SIZE_OUT_OF_RANGE" },
      });
  });

  it("counts on past 2^32 leaves", () => {
    const peak = present(leaves[0], "leaf");
    const full = CompactRange.parse(hasher, concat(u64(2n ** 40n - 1n), ...Array(40).fill(peak)));
    if (!full.ok) throw new Error(full.fault.code);
    const nodes = full.value.appendAll([peak]);
    expect(nodes.at(-1)).toMatchObject({ level: 40, index: 0 });
    expect(full.value.size).toBe(2 ** 40);
    expect(full.value.peaks.length).toBe(1);
  });
});
