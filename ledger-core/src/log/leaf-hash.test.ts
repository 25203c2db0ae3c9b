/** Tests of the tree hashes against the published roots and the plain definition. */

import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/rfc9162-log.json" with { type: "json" };
import { present } from "../base/assert.ts";
import { concat, fromHex, toHex } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { treeHasher } from "./leaf-hash.ts";
import { rootOf } from "./merkle-root.ts";
import { naiveLeaf, naiveNode } from "./naive-tree.ts";

const hasher = treeHasher(nobleCrypto.sha256);

describe("treeHasher", () => {
  it("gives the published roots of the reference tree", () => {
    expect(toHex(hasher.empty)).toBe(vectors.emptyRoot);
    const leaves = vectors.leaves.map((hex) => hasher.leaf(present(fromHex(hex), "hex")));
    const roots = leaves.map((_, i) => toHex(rootOf(hasher, leaves.slice(0, i + 1))));
    expect(roots).toEqual(vectors.roots);
  });

  it("hashes every length alike, below and above its buffer", () => {
    for (const length of [0, 1, 63, 64, 16_382, 16_383, 16_384, 65_535]) {
      const entry = new Uint8Array(length).fill(length & 255);
      expect(hasher.leaf(entry)).toEqual(naiveLeaf(entry));
      const cut = length >> 1;
      expect(hasher.leafOfTwo(entry.subarray(0, cut), entry.subarray(cut))).toEqual(
        naiveLeaf(entry),
      );
    }
  });

  it("leaves no trace of one call in the next", () => {
    const long = hasher.leaf(new Uint8Array(100).fill(7));
    const short = hasher.leaf(Uint8Array.of(1));
    expect(short).toEqual(naiveLeaf(Uint8Array.of(1)));
    expect(hasher.node(long, short)).toEqual(naiveNode(long, short));
    expect(hasher.node(short, long)).toEqual(naiveNode(short, long));
  });

  it("keeps leaves and nodes apart", () => {
    const [left, right] = [hasher.leaf(Uint8Array.of(1)), hasher.leaf(Uint8Array.of(2))];
    expect(hasher.node(left, right)).not.toEqual(hasher.leaf(concat(left, right)));
  });
});
