/** Tests of proofs of many leaves against single ones. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { parseDigest, toHex } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { CompactRange } from "./compact-range.ts";
import { treeHasher } from "./leaf-hash.ts";
import { multiproofLeavesMax } from "./limits.ts";
import type { Multiproof } from "./multiproof.ts";
import { multiproofNodes, rootFromMultiproof } from "./multiproof.ts";
import { naivePath, naiveRoot, numberedLeaves } from "./naive-tree.ts";
import type { NodeReader } from "./proof-builder.ts";
import { buildMultiproof } from "./proof-builder.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const leaves = numberedLeaves(5_000);
const byPlace = new Map(
  CompactRange.empty(hasher)
    .appendAll(leaves)
    .map((node) => [`${node.level}/${node.index}`, node.hash]),
);
const readNode: NodeReader = (level, index) =>
  present(byPlace.get(`${level}/${index}`), `node ${level}/${index}`);

function proofOf(indices: readonly number[], size: number): Multiproof {
  const hashes = buildMultiproof(hasher, readNode, { indices, size });
  if (!hashes.ok) throw new Error(hashes.fault.code);
  const leafHashes = indices.map((index) => present(leaves[index], "leaf"));
  return { indices, size, leafHashes, hashes: hashes.value };
}

function flip(hash: Digest, bit: number): Digest {
  const copy = parseDigest(hash.slice());
  if (!copy.ok) throw new Error("not a digest");
  copy.value[bit >> 3] = (copy.value[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy.value;
}

const sizeAndIndices = fc.integer({ min: 1, max: 70 }).chain((size) =>
  fc.tuple(
    fc.constant(size),
    fc.uniqueArray(fc.nat(size - 1), { minLength: 1 }).map((all) => all.sort((a, b) => a - b)),
  ),
);

describe("multiproof", () => {
  it("leads to the RFC's root, for one leaf with the hashes of its inclusion path", () => {
    for (let size = 1; size <= 70; size++) {
      const tree = leaves.slice(0, size);
      for (let index = 0; index < size; index++) {
        const proof = proofOf([index], size);
        expect(proof.hashes).toEqual(naivePath(tree, index));
        expect(rootFromMultiproof(hasher, proof)).toEqual({ ok: true, value: naiveRoot(tree) });
      }
    }
  });

  it("carries exactly the path hashes that its own leaves do not give", () => {
    fc.assert(
      fc.property(sizeAndIndices, ([size, indices]) => {
        const tree = leaves.slice(0, size);
        const proof = proofOf(indices, size);
        expect(rootFromMultiproof(hasher, proof)).toEqual({ ok: true, value: naiveRoot(tree) });
        const onPaths = new Set(indices.flatMap((i) => naivePath(tree, i).map(toHex)));
        const given = proof.hashes.map(toHex);
        expect(new Set(given).size).toBe(given.length);
        expect(given.every((hash) => onPaths.has(hash))).toBe(true);
        // Least: a subtree without any of the leaves, whose parent has one, must be given.
        const nodes = multiproofNodes(indices, size);
        const covers = (level: number, index: number) =>
          indices.some((i) => Math.floor(i / 2 ** level) === index);
        for (const { level, index } of nodes.ok ? nodes.value : []) {
          expect(covers(level, index)).toBe(false);
          expect(covers(level, index ^ 1)).toBe(true);
        }
      }),
    );
  });

  it("needs no hash for a whole tree, and few for a device's run of statements", () => {
    const all = Array.from({ length: 4_096 }, (_, i) => i);
    expect(proofOf(all, 4_096).hashes).toEqual([]);
    const run = all.slice(1_000, 1_064);
    expect(proofOf(run, 5_000).hashes.length).toBeLessThanOrEqual(20);
    expect(rootFromMultiproof(hasher, proofOf(run, 5_000))).toEqual({
      ok: true,
      value: naiveRoot(leaves),
    });
  });

  it("changes its root with every flipped bit", () => {
    const proof = proofOf([0, 3, 4, 10], 13);
    const root = naiveRoot(leaves.slice(0, 13));
    for (let bit = 0; bit < 256; bit++) {
      for (let i = 0; i < proof.hashes.length; i++) {
        const hashes = proof.hashes.map((hash, k) => (k === i ? flip(hash, bit) : hash));
        const judged = rootFromMultiproof(hasher, { ...proof, hashes });
        expect(judged.ok && toHex(judged.value)).not.toBe(toHex(root));
      }
      for (let i = 0; i < proof.leafHashes.length; i++) {
        const leafHashes = proof.leafHashes.map((hash, k) => (k === i ? flip(hash, bit) : hash));
        const judged = rootFromMultiproof(hasher, { ...proof, leafHashes });
        expect(judged.ok && toHex(judged.value)).not.toBe(toHex(root));
      }
    }
  });

  it("never gives the tree's root for other indices", () => {
    fc.assert(
      fc.property(sizeAndIndices, fc.nat(), fc.nat(), ([size, indices], which, where) => {
        const other = where % size;
        fc.pre(!indices.includes(other));
        const changed = indices.map((index, i) => (i === which % indices.length ? other : index));
        const proof = { ...proofOf(indices, size), indices: changed };
        const judged = rootFromMultiproof(hasher, proof);
        const root = naiveRoot(leaves.slice(0, size));
        expect(judged.ok && toHex(judged.value)).not.toBe(toHex(root));
      }),
    );
  });

  it("refuses missing, excess and miscounted hashes", () => {
    const proof = proofOf([2, 5], 9);
    const code = (changed: Partial<Multiproof>) => {
      const judged = rootFromMultiproof(hasher, { ...proof, ...changed });
      return judged.ok ? "ok" : judged.fault.code;
    };
    const extra = present(leaves[0], "leaf");
    expect(code({})).toBe("ok");
    expect(code({ hashes: proof.hashes.slice(1) })).toBe("MULTIPROOF_HASHES_MISSING");
    expect(code({ hashes: [...proof.hashes, extra] })).toBe("MULTIPROOF_HASHES_EXCESS");
    expect(code({ leafHashes: [extra] })).toBe("MULTIPROOF_LEAVES_MISCOUNTED");
    expect(code({ leafHashes: [extra, extra, extra] })).toBe("MULTIPROOF_LEAVES_MISCOUNTED");
  });

  it.each([
    [[], 9, "MULTIPROOF_EMPTY"],
    [[0], 0, "MULTIPROOF_SIZE_OUT_OF_RANGE"],
    [[0], 2 ** 53, "MULTIPROOF_SIZE_OUT_OF_RANGE"],
    [[0], Number.NaN, "MULTIPROOF_SIZE_OUT_OF_RANGE"],
    [[9], 9, "MULTIPROOF_INDEX_OUT_OF_RANGE"],
    [[-1], 9, "MULTIPROOF_INDEX_OUT_OF_RANGE"],
    [[0.5], 9, "MULTIPROOF_INDEX_OUT_OF_RANGE"],
    [[3, 3], 9, "MULTIPROOF_NOT_ASCENDING"],
    [[3, 2], 9, "MULTIPROOF_NOT_ASCENDING"],
  ])("refuses indices %j in a tree of %d", (indices, size, code) => {
    expect(multiproofNodes(indices, size)).toMatchObject({ fault: { code } });
  });

  it("proves as many leaves as its limit, and not one more", () => {
    const most = Array.from({ length: multiproofLeavesMax }, (_, i) => 2 * i);
    expect(multiproofNodes(most, 2 ** 40).ok).toBe(true);
    expect(multiproofNodes([...most, 2 ** 20], 2 ** 40)).toEqual({
      ok: false,
      fault: { code: "MULTIPROOF_TOO_MANY_LEAVES", limit: multiproofLeavesMax },
    });
  });
});
