/** Tests that proofs out of a store are the RFC's. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError, present } from "../base/assert.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { CompactRange } from "./compact-range.ts";
import { verifyConsistency } from "./consistency-proof.ts";
import { verifyInclusion } from "./inclusion-proof.ts";
import { treeHasher } from "./leaf-hash.ts";
import { naivePath, naiveProof, naiveRoot, numberedLeaves } from "./naive-tree.ts";
import { consistencyNodes, inclusionNodes, rootNodes } from "./node-coordinates.ts";
import type { NodeReader } from "./proof-builder.ts";
import { buildConsistency, buildInclusion, buildRoot } from "./proof-builder.ts";

const hasher = treeHasher(nobleCrypto.sha256);

/** A store of all complete nodes of a log, which reads like one that holds `leaves` and no more. */
function storeOf(count: number) {
  const leaves = numberedLeaves(count);
  const nodes = CompactRange.empty(hasher).appendAll(leaves);
  const byPlace = new Map(nodes.map((node) => [`${node.level}/${node.index}`, node.hash]));
  const readNode: NodeReader = (level, index) =>
    present(byPlace.get(`${level}/${index}`), `node ${level}/${index}`);
  return { leaves, readNode };
}

describe("proofs out of a store of complete nodes", () => {
  it("are the RFC's for all sizes to 70", () => {
    const { leaves, readNode } = storeOf(70);
    for (let size = 0; size <= 70; size++) {
      const tree = leaves.slice(0, size);
      expect(buildRoot(hasher, readNode, size)).toEqual(naiveRoot(tree));
      for (let index = 0; index < size; index++)
        expect(buildInclusion(hasher, readNode, { index, size })).toEqual(naivePath(tree, index));
      expect(buildConsistency(hasher, readNode, { size1: 0, size2: size })).toEqual([]);
      for (let size1 = 1; size1 <= size; size1++)
        expect(buildConsistency(hasher, readNode, { size1, size2: size })).toEqual(
          naiveProof(tree, size1),
        );
    }
  });

  it("verify in larger logs, at every older size too", () => {
    const { readNode } = storeOf(20_000);
    const root = (size: number) => buildRoot(hasher, readNode, size);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(), fc.nat(), (size, a, b) => {
        const index = a % size;
        const inclusion = {
          leafIndex: BigInt(index),
          treeSize: BigInt(size),
          leafHash: readNode(0, index),
          path: buildInclusion(hasher, readNode, { index, size }),
          root: root(size),
        };
        expect(verifyInclusion(hasher, inclusion).ok).toBe(true);
        const size1 = b % (size + 1);
        const consistency = {
          size1: BigInt(size1),
          size2: BigInt(size),
          root1: root(size1),
          root2: root(size),
          path: buildConsistency(hasher, readNode, { size1, size2: size }),
        };
        expect(verifyConsistency(hasher, consistency).ok).toBe(true);
      }),
    );
  });
});

describe("node coordinates", () => {
  it("reach past 32 bits", () => {
    const size = 2 ** 52 + 2 ** 33 + 1;
    expect(rootNodes(size)).toEqual([
      { level: 52, index: 0 },
      { level: 33, index: 2 ** 19 },
      { level: 0, index: size - 1 },
    ]);
    expect(inclusionNodes(size - 1, size)).toEqual([
      { level: 33, index: 2 ** 19 },
      { level: 52, index: 0 },
    ]);
    expect(consistencyNodes(size - 1, size)).toEqual([
      { level: 33, index: 2 ** 19 },
      // Incomplete: the last leaf, alone under it.
      { level: 33, index: 2 ** 19 + 1 },
      { level: 52, index: 0 },
    ]);
  });

  it("refuse what is no place in the log", () => {
    expect(() => rootNodes(-1)).toThrow(InvariantError);
    expect(() => rootNodes(2 ** 53)).toThrow(InvariantError);
    expect(() => inclusionNodes(3, 3)).toThrow(InvariantError);
    expect(() => inclusionNodes(0.5, 3)).toThrow(InvariantError);
    expect(() => consistencyNodes(4, 3)).toThrow(InvariantError);
  });
});
