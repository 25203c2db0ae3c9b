/** Tests of consistency proofs: every small pair, published ones, every flipped bit, 2^64−1. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/rfc9162-log.json" with { type: "json" };
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { fromHex, parseDigest } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { verifyConsistency } from "./consistency-proof.ts";
import { treeHasher } from "./leaf-hash.ts";
import { consistencyPathLengthMax } from "./limits.ts";
import { naiveLeaf, naiveNode, naiveProof, naiveRoot, numberedLeaves } from "./naive-tree.ts";
import { treeSizeMax } from "./tree-size.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const leaves = numberedLeaves(70);
const roots = Array.from({ length: 71 }, (_, size) => naiveRoot(leaves.slice(0, size)));

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

function proofOf(size1: number, size2: number) {
  return {
    size1: BigInt(size1),
    size2: BigInt(size2),
    root1: present(roots[size1], "root 1"),
    root2: present(roots[size2], "root 2"),
    path: size1 === 0 ? [] : naiveProof(leaves.slice(0, size2), size1),
  };
}

describe("verifyConsistency", () => {
  it("accepts every pair of sizes up to 70", () => {
    for (let size2 = 0; size2 <= 70; size2++) {
      for (let size1 = 0; size1 <= size2; size1++) {
        const proof = proofOf(size1, size2);
        const { path: _, ...value } = proof;
        expect(verifyConsistency(hasher, proof)).toEqual({ ok: true, value });
      }
    }
  });

  it("accepts the published paths", () => {
    for (const { size1, size2, path } of vectors.consistency) {
      const proof = {
        size1: BigInt(size1),
        size2: BigInt(size2),
        root1: digest(vectors.roots[size1 - 1]),
        root2: digest(vectors.roots[size2 - 1]),
        path: path.map(digest),
      };
      expect(verifyConsistency(hasher, proof).ok).toBe(true);
    }
  });

  it("refuses every single flipped bit of both roots and of the path", () => {
    for (const [size1, size2] of [
      [0, 0],
      [5, 5],
      [1, 2],
      [4, 7],
      [6, 8],
      [33, 70],
    ] as const) {
      const proof = proofOf(size1, size2);
      for (let bit = 0; bit < 256; bit++) {
        const root1 = flip(proof.root1, bit);
        expect(verifyConsistency(hasher, { ...proof, root1 }).ok).toBe(false);
        const root2 = flip(proof.root2, bit);
        expect(verifyConsistency(hasher, { ...proof, root2 }).ok).toBe(false);
        for (let i = 0; i < proof.path.length; i++) {
          const path = proof.path.map((hash, k) => (k === i ? flip(hash, bit) : hash));
          expect(verifyConsistency(hasher, { ...proof, path }).ok).toBe(false);
        }
      }
    }
  });

  it("refuses the proof of another pair of sizes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size2, a, b) => {
        const [size1, other] = [1 + (a % (size2 - 1)), 1 + (b % (size2 - 1))];
        fc.pre(size1 !== other);
        const proof = proofOf(size1, size2);
        const otherSize = { ...proof, size1: BigInt(other) };
        expect(verifyConsistency(hasher, otherSize).ok).toBe(false);
        const otherRoot = { ...proof, root1: present(roots[other], "root") };
        expect(verifyConsistency(hasher, otherRoot).ok).toBe(false);
      }),
    );
  });

  it("refuses shorter and longer paths", () => {
    for (const [size1, size2] of [
      [4, 8],
      [3, 7],
      [1, 70],
      [69, 70],
    ] as const) {
      const proof = proofOf(size1, size2);
      const longer = [...proof.path, proof.root2];
      expect(verifyConsistency(hasher, { ...proof, path: longer })).toEqual({
        ok: false,
        fault: { code: "CONSISTENCY_PATH_TOO_LONG", length: longer.length },
      });
      const shorter = proof.path.slice(0, -1);
      expect(verifyConsistency(hasher, { ...proof, path: shorter })).toEqual({
        ok: false,
        fault: { code: "CONSISTENCY_PATH_TOO_SHORT", length: shorter.length },
      });
      expect(verifyConsistency(hasher, { ...proof, path: [] })).toMatchObject({
        fault: { code: "CONSISTENCY_PATH_TOO_SHORT" },
      });
    }
  });

  it("judges the sizes that have nothing to prove", () => {
    const [one, two] = [present(roots[1], "root"), present(roots[2], "root")];
    const judge = (size1: bigint, size2: bigint, root1: Digest, root2: Digest, path: Digest[]) =>
      verifyConsistency(hasher, { size1, size2, root1, root2, path });
    expect(judge(0n, 2n, hasher.empty, two, [])).toMatchObject({ ok: true });
    expect(judge(0n, 2n, one, two, [])).toMatchObject({
      fault: { code: "CONSISTENCY_ROOT1_MISMATCH" },
    });
    expect(judge(0n, 2n, hasher.empty, two, [one])).toMatchObject({
      fault: { code: "CONSISTENCY_PATH_TOO_LONG" },
    });
    expect(judge(0n, 0n, hasher.empty, one, [])).toMatchObject({
      fault: { code: "CONSISTENCY_ROOT2_MISMATCH" },
    });
    expect(judge(0n, 0n, one, one, [])).toMatchObject({
      fault: { code: "CONSISTENCY_ROOT1_MISMATCH" },
    });
    expect(judge(2n, 2n, one, two, [])).toMatchObject({
      fault: { code: "CONSISTENCY_ROOT2_MISMATCH" },
    });
    expect(judge(2n, 2n, two, two, [one])).toMatchObject({
      fault: { code: "CONSISTENCY_PATH_TOO_LONG" },
    });
    expect(judge(2n, 1n, two, one, [])).toMatchObject({
      fault: { code: "CONSISTENCY_SIZE_DECREASED" },
    });
    expect(judge(-1n, 1n, one, one, [])).toMatchObject({
      fault: { code: "CONSISTENCY_SIZE_OUT_OF_RANGE" },
    });
    expect(judge(1n, treeSizeMax + 1n, one, two, [one])).toMatchObject({
      fault: { code: "CONSISTENCY_SIZE_OUT_OF_RANGE" },
    });
  });

  it("works between trees of up to 2^64−1 leaves, with the longest path there is", () => {
    const hashes = Array.from({ length: 65 }, (_, i) => naiveLeaf(Uint8Array.of(i)));
    const start = present(hashes[0], "hash");
    // 2^63 leaves are one node, with one sibling in the larger tree.
    const half = naiveNode(start, present(hashes[1], "hash"));
    const grown = { size1: 2n ** 63n, size2: treeSizeMax, root1: start, root2: half };
    expect(verifyConsistency(hasher, { ...grown, path: hashes.slice(1, 2) }).ok).toBe(true);
    // 2^64−2 leaves end with a node of level 1; the leaf after it is the tree's last and lone one.
    const [end, leaf] = [present(hashes[1], "hash"), present(hashes[2], "hash")];
    const above = hashes.slice(3, 65);
    const joined = (from: Digest) => above.reduce((node, hash) => naiveNode(hash, node), from);
    const proof = {
      size1: treeSizeMax - 1n,
      size2: treeSizeMax,
      root1: joined(end),
      root2: joined(naiveNode(end, leaf)),
      path: [end, leaf, ...above],
    };
    expect(verifyConsistency(hasher, proof).ok).toBe(true);
    const tooLong = Array.from({ length: consistencyPathLengthMax + 1 }, () => start);
    expect(verifyConsistency(hasher, { ...grown, path: tooLong })).toEqual({
      ok: false,
      fault: { code: "CONSISTENCY_PATH_TOO_LONG", length: 66 },
    });
  });
});
