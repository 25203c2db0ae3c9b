/** Tests of inclusion proofs: every small tree, published ones, every flipped bit, 2^64−1 leaves. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/rfc9162-log.json" with { type: "json" };
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { fromHex, parseDigest } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { rootFromInclusion, verifyInclusion } from "./inclusion-proof.ts";
import { treeHasher } from "./leaf-hash.ts";
import { inclusionPathLengthMax } from "./limits.ts";
import { naiveLeaf, naiveNode, naivePath, naiveRoot, numberedLeaves } from "./naive-tree.ts";
import { treeSizeMax } from "./tree-size.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const leaves = numberedLeaves(70);

function digest(hex: string | undefined): Digest {
  const parsed = parseDigest(present(fromHex(hex ?? ""), "hex"));
  if (!parsed.ok) throw new Error("vector is not a digest");
  return parsed.value;
}

function flip(hash: Digest, bit: number): Digest {
  const copy = parseDigest(hash.slice());
  if (!copy.ok) throw new Error("not a digest");
  copy.value[bit >> 3] = (copy.value[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy.value;
}

function proofOf(index: number, size: number) {
  const tree = leaves.slice(0, size);
  return {
    leafIndex: BigInt(index),
    treeSize: BigInt(size),
    leafHash: present(leaves[index], "leaf"),
    path: naivePath(tree, index),
    root: naiveRoot(tree),
  };
}

describe("verifyInclusion", () => {
  it("accepts every leaf of every tree up to 70 leaves", () => {
    for (let size = 1; size <= 70; size++) {
      for (let index = 0; index < size; index++) {
        const proof = proofOf(index, size);
        const { leafIndex, treeSize, leafHash, root } = proof;
        const value = { leafIndex, treeSize, leafHash, root };
        expect(verifyInclusion(hasher, proof)).toEqual({ ok: true, value });
      }
    }
  });

  it("accepts the published paths", () => {
    for (const { index, size, path } of vectors.inclusion) {
      const proof = {
        leafIndex: BigInt(index),
        treeSize: BigInt(size),
        leafHash: naiveLeaf(present(fromHex(vectors.leaves[index] ?? ""), "hex")),
        path: path.map(digest),
        root: digest(vectors.roots[size - 1]),
      };
      expect(verifyInclusion(hasher, proof).ok).toBe(true);
    }
  });

  it("refuses every single flipped bit of leaf, path and root", () => {
    const mismatch = { ok: false, fault: { code: "INCLUSION_ROOT_MISMATCH" } };
    for (const [index, size] of [
      [0, 1],
      [6, 7],
      [3, 11],
      [64, 70],
    ] as const) {
      const proof = proofOf(index, size);
      for (let bit = 0; bit < 256; bit++) {
        const leafHash = flip(proof.leafHash, bit);
        expect(verifyInclusion(hasher, { ...proof, leafHash })).toEqual(mismatch);
        const root = flip(proof.root, bit);
        expect(verifyInclusion(hasher, { ...proof, root })).toEqual(mismatch);
        for (let i = 0; i < proof.path.length; i++) {
          const path = proof.path.map((hash, k) => (k === i ? flip(hash, bit) : hash));
          expect(verifyInclusion(hasher, { ...proof, path })).toEqual(mismatch);
        }
      }
    }
  });

  it("refuses every other index", () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const proof = proofOf(index, size);
        for (let other = 0; other <= size + 1; other++) {
          if (other === index) continue;
          expect(verifyInclusion(hasher, { ...proof, leafIndex: BigInt(other) }).ok).toBe(false);
        }
      }
    }
  });

  it("accepts another size only where the RFC's walk is the same", () => {
    // The walk sees a size only through the path's shape: a root must come with its size.
    const proof = proofOf(4, 5);
    expect(verifyInclusion(hasher, { ...proof, leafIndex: 1n, treeSize: 2n }).ok).toBe(true);
    expect(verifyInclusion(hasher, { ...proof, treeSize: 6n }).ok).toBe(false);
    expect(verifyInclusion(hasher, { ...proof, treeSize: 9n }).ok).toBe(false);
  });

  it("refuses shorter and longer paths", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), (size, seed) => {
        const proof = proofOf(seed % size, size);
        const longer = [...proof.path, proof.root];
        expect(verifyInclusion(hasher, { ...proof, path: longer })).toEqual({
          ok: false,
          fault: { code: "INCLUSION_PATH_TOO_LONG", length: longer.length },
        });
        const shorter = proof.path.slice(0, -1);
        expect(verifyInclusion(hasher, { ...proof, path: shorter })).toEqual({
          ok: false,
          fault: { code: "INCLUSION_PATH_TOO_SHORT", length: shorter.length },
        });
      }),
    );
  });

  it("refuses indices and sizes out of range", () => {
    const proof = proofOf(0, 1);
    const judge = (leafIndex: bigint, treeSize: bigint) =>
      verifyInclusion(hasher, { ...proof, leafIndex, treeSize });
    const index = { fault: { code: "INCLUSION_INDEX_OUT_OF_RANGE" } };
    expect(judge(0n, 0n)).toMatchObject(index);
    expect(judge(1n, 1n)).toMatchObject(index);
    expect(judge(-1n, 1n)).toMatchObject(index);
    const size = { fault: { code: "INCLUSION_SIZE_OUT_OF_RANGE" } };
    expect(judge(0n, -1n)).toMatchObject(size);
    expect(judge(0n, treeSizeMax + 1n)).toMatchObject(size);
  });

  it("works in a tree of 2^64−1 leaves, with the longest path there is", () => {
    const siblings = Array.from({ length: inclusionPathLengthMax }, (_, i) =>
      naiveLeaf(Uint8Array.of(i)),
    );
    const leafHash = naiveLeaf(Uint8Array.of(255));
    // Leaf 0 is always a left child; the last leaf of 2^64−1 is one at level 0 without a sibling.
    const first = siblings.reduce((node, hash) => naiveNode(node, hash), leafHash);
    const ofFirst = { leafIndex: 0n, treeSize: treeSizeMax, leafHash, path: siblings, root: first };
    expect(verifyInclusion(hasher, ofFirst).ok).toBe(true);
    const path = siblings.slice(1);
    const last = path.reduce((node, hash) => naiveNode(hash, node), leafHash);
    const leafIndex = treeSizeMax - 1n;
    const ofLast = { leafIndex, treeSize: treeSizeMax, leafHash, path, root: last };
    expect(verifyInclusion(hasher, ofLast).ok).toBe(true);
    expect(rootFromInclusion(hasher, { ...ofLast, path: siblings })).toMatchObject({
      fault: { code: "INCLUSION_PATH_TOO_LONG" },
    });
    const tooLong = [...siblings, leafHash];
    expect(rootFromInclusion(hasher, { ...ofFirst, path: tooLong })).toEqual({
      ok: false,
      fault: { code: "INCLUSION_PATH_TOO_LONG", length: 65 },
    });
  });
});
