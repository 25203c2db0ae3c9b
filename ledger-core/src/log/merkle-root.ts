/** The root and the paths of a tree whose leaves are all in memory: a bundle (RFC 9162 §2.1.1). */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { TreeHasher } from "./leaf-hash.ts";

/**
 * Every level of a tree, leaves first, the root alone last; the empty tree has one level: its root.
 * A node without a right neighbour moves up as it is, which gives the RFC's tree.
 */
export type MerkleLevels = readonly (readonly Digest[])[];

/** The root over leaf hashes (already hashed with the leaf prefix). n−1 hashes, one array. */
export function rootOf(hasher: TreeHasher, leaves: readonly Digest[]): Digest {
  if (leaves.length === 0) return hasher.empty;
  const nodes = leaves.slice();
  let count = nodes.length;
  while (count > 1) {
    count = foldLevel(hasher, nodes, count);
  }
  return present(nodes[0], "root");
}

/** The inclusion path of one leaf, from its sibling up (RFC 9162 §2.1.3.1). */
export function pathOf(hasher: TreeHasher, leaves: readonly Digest[], index: number): Digest[] {
  return pathFrom(levelsOf(hasher, leaves), index);
}

/** All levels, for the one who needs many paths of one tree: n−1 hashes for all of them. */
export function levelsOf(hasher: TreeHasher, leaves: readonly Digest[]): MerkleLevels {
  let level: Digest[] = leaves.length === 0 ? [hasher.empty] : leaves.slice();
  const levels = [level];
  while (level.length > 1) {
    const above = level.slice();
    above.length = foldLevel(hasher, above, above.length);
    levels.push(above);
    level = above;
  }
  return levels;
}

/** The inclusion path of leaf `index` out of its tree's levels. */
export function pathFrom(levels: MerkleLevels, index: number): Digest[] {
  assert(
    Number.isInteger(index) && index >= 0 && index < (levels[0]?.length ?? 0),
    "leaf index inside the tree",
  );
  const path: Digest[] = [];
  let at = index;
  for (const level of levels) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) path.push(sibling);
    at >>= 1;
  }
  return path;
}

/** Replaces the first `count` nodes by their parents, in place; returns how many those are. */
function foldLevel(hasher: TreeHasher, nodes: Digest[], count: number): number {
  const pairs = count >> 1;
  for (let i = 0; i < pairs; i++) {
    nodes[i] = hasher.node(present(nodes[2 * i], "left"), present(nodes[2 * i + 1], "right"));
  }
  if (count % 2 === 0) return pairs;
  nodes[pairs] = present(nodes[count - 1], "odd node");
  return pairs + 1;
}
