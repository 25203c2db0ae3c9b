/** Tests of in-memory roots and paths against the RFC's recursive definitions. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../base/assert.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { treeHasher } from "./leaf-hash.ts";
import { levelsOf, pathFrom, pathOf, rootOf } from "./merkle-root.ts";
import { naivePath, naiveRoot, numberedLeaves } from "./naive-tree.ts";

const hasher = treeHasher(nobleCrypto.sha256);

describe("rootOf and pathOf", () => {
  it("agree with the RFC's definitions for all sizes to 70 and all leaves", () => {
    const all = numberedLeaves(70);
    for (let size = 0; size <= 70; size++) {
      const leaves = all.slice(0, size);
      expect(rootOf(hasher, leaves)).toEqual(naiveRoot(leaves));
      const levels = levelsOf(hasher, leaves);
      expect(levels.at(-1)).toEqual([naiveRoot(leaves)]);
      for (let i = 0; i < size; i++) expect(pathFrom(levels, i)).toEqual(naivePath(leaves, i));
    }
  });

  it("agree with them for larger trees", () => {
    const all = numberedLeaves(4_096);
    fc.assert(
      fc.property(fc.integer({ min: 71, max: 4_096 }), fc.nat(), (size, seed) => {
        const leaves = all.slice(0, size);
        expect(rootOf(hasher, leaves)).toEqual(naiveRoot(leaves));
        expect(pathOf(hasher, leaves, seed % size)).toEqual(naivePath(leaves, seed % size));
      }),
      { numRuns: 10 },
    );
  });

  it("leave the caller's leaves alone", () => {
    const leaves = numberedLeaves(5);
    rootOf(hasher, leaves);
    levelsOf(hasher, leaves);
    expect(leaves).toEqual(numberedLeaves(5));
  });

  it("have no path outside the tree", () => {
    for (const index of [-1, 3, 0.5])
      expect(() => pathOf(hasher, numberedLeaves(3), index)).toThrow(InvariantError);
  });
});
