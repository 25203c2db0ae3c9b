/**
 * One proof for many leaves of one tree: the hashes that the leaves themselves do not give.
 *
 * Levels are walked from the leaves up. At each level the known nodes are paired from left to
 * right; where a node's sibling is neither known nor missing from the tree, its hash is the next of
 * the proof. No hash of the proof can be computed from the others, so their number is the least.
 */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import { multiproofLeavesMax } from "./limits.ts";
import type { NodeCoordinate } from "./node-coordinates.ts";

export type MultiproofIndexFault =
  | { readonly code: "MULTIPROOF_EMPTY" }
  | { readonly code: "MULTIPROOF_TOO_MANY_LEAVES"; readonly limit: number }
  | { readonly code: "MULTIPROOF_SIZE_OUT_OF_RANGE" }
  | { readonly code: "MULTIPROOF_INDEX_OUT_OF_RANGE"; readonly index: number }
  | { readonly code: "MULTIPROOF_NOT_ASCENDING"; readonly index: number };

export type MultiproofFault =
  | MultiproofIndexFault
  | { readonly code: "MULTIPROOF_LEAVES_MISCOUNTED" }
  | { readonly code: "MULTIPROOF_HASHES_MISSING"; readonly count: number }
  | { readonly code: "MULTIPROOF_HASHES_EXCESS"; readonly count: number };

export type Multiproof = {
  /** Ascending and distinct. */
  readonly indices: readonly number[];
  /** Leaves of the tree, below 2^53. */
  readonly size: number;
  /** One for each index, in the same order. */
  readonly leafHashes: readonly Digest[];
  /** The hashes of {@link multiproofNodes}, in that order. */
  readonly hashes: readonly Digest[];
};

/**
 * The nodes whose hashes a multiproof carries, lowest level first, left to right in a level. At
 * most one is incomplete (`completeNodes` splits it). Faults: those of the indices.
 */
export function multiproofNodes(
  indices: readonly number[],
  size: number,
): Result<NodeCoordinate[], MultiproofIndexFault> {
  const fault = judgeIndices(indices, size);
  if (fault !== undefined) return err(fault);
  const needed: NodeCoordinate[] = [];
  walk(indices, size, { sibling: (node) => needed.push(node) });
  return ok(needed);
}

/**
 * The root that the leaves and hashes lead to; whoever holds the trusted root compares.
 *
 * Faults: MULTIPROOF_EMPTY, MULTIPROOF_TOO_MANY_LEAVES, MULTIPROOF_SIZE_OUT_OF_RANGE,
 *   MULTIPROOF_INDEX_OUT_OF_RANGE, MULTIPROOF_NOT_ASCENDING (also a repeated index),
 *   MULTIPROOF_LEAVES_MISCOUNTED, MULTIPROOF_HASHES_MISSING, MULTIPROOF_HASHES_EXCESS.
 */
export function rootFromMultiproof(
  hasher: TreeHasher,
  proof: Multiproof,
): Result<Digest, MultiproofFault> {
  const { indices, size, leafHashes, hashes } = proof;
  const needed = multiproofNodes(indices, size);
  if (!needed.ok) return needed;
  if (leafHashes.length !== indices.length) return err({ code: "MULTIPROOF_LEAVES_MISCOUNTED" });
  const difference = hashes.length - needed.value.length;
  if (difference < 0) return err({ code: "MULTIPROOF_HASHES_MISSING", count: -difference });
  if (difference > 0) return err({ code: "MULTIPROOF_HASHES_EXCESS", count: difference });

  // Parents are written over the front of their children: a parent never stands behind a child.
  const known = leafHashes.slice();
  let nextHash = 0;
  let written = 0;
  let read = 0;
  const take = () => present(known[read++], "known node");
  const takeProof = () => present(hashes[nextHash++], "proof hash");
  const put = (hash: Digest) => {
    known[written++] = hash;
  };
  walk(indices, size, {
    pair() {
      const left = take();
      put(hasher.node(left, take()));
    },
    sibling(node) {
      const hash = take();
      put(node.index % 2 === 0 ? hasher.node(takeProof(), hash) : hasher.node(hash, takeProof()));
    },
    promote: () => put(take()),
    levelDone() {
      read = 0;
      written = 0;
    },
  });
  return ok(present(known[0], "root"));
}

/** What happens to each known node of a level, left to right; `sibling` is the node to be given. */
type Visitor = {
  readonly sibling: (node: NodeCoordinate) => void;
  readonly pair?: () => void;
  readonly promote?: () => void;
  readonly levelDone?: () => void;
};

function walk(indices: readonly number[], size: number, visitor: Visitor): void {
  let known: readonly number[] = indices;
  let last = size - 1;
  for (let level = 0; last > 0; level++) {
    const parents: number[] = [];
    for (let i = 0; i < known.length; i++) {
      const index = present(known[i], "known index");
      parents.push(Math.floor(index / 2));
      if (index % 2 === 1) {
        visitor.sibling({ level, index: index - 1 });
      } else if (index === last) {
        visitor.promote?.();
      } else if (known[i + 1] === index + 1) {
        visitor.pair?.();
        i++;
      } else {
        visitor.sibling({ level, index: index + 1 });
      }
    }
    visitor.levelDone?.();
    known = parents;
    last = Math.floor(last / 2);
  }
}

function judgeIndices(indices: readonly number[], size: number): MultiproofIndexFault | undefined {
  if (indices.length === 0) return { code: "MULTIPROOF_EMPTY" };
  if (indices.length > multiproofLeavesMax)
    return { code: "MULTIPROOF_TOO_MANY_LEAVES", limit: multiproofLeavesMax };
  if (!Number.isSafeInteger(size) || size < 1) return { code: "MULTIPROOF_SIZE_OUT_OF_RANGE" };
  let previous = -1;
  for (const index of indices) {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size)
      return { code: "MULTIPROOF_INDEX_OUT_OF_RANGE", index };
    if (index <= previous) return { code: "MULTIPROOF_NOT_ASCENDING", index };
    previous = index;
  }
  return undefined;
}
