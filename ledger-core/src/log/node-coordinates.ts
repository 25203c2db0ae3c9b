/**
 * Which stored nodes a root or a proof is made of: arithmetic only, for logs below 2^53 leaves.
 *
 * A node (level, index) covers the leaves index·2^level … (index+1)·2^level − 1. It is *complete*
 * when the tree has all of them: it then never changes again and can be stored. On the right edge
 * of a tree a node may be incomplete; it is hashed from the complete ones below it.
 */

import { assert } from "../base/assert.ts";

export type NodeCoordinate = { readonly level: number; readonly index: number };

/**
 * The complete nodes that make up a tree of `size` leaves, left to right, largest first: none for
 * the empty tree, else one for each bit of the size.
 */
export function rootNodes(size: number): NodeCoordinate[] {
  assertSize(size);
  return rangeNodes(0, size);
}

/** The complete nodes under a node of a tree of `size` leaves: itself, if it is complete. */
export function completeNodes(node: NodeCoordinate, size: number): NodeCoordinate[] {
  const width = 2 ** node.level;
  const begin = node.index * width;
  assert(begin < size, "node inside the tree");
  return rangeNodes(begin, Math.min(size, begin + width));
}

/**
 * The nodes of an inclusion path, from the leaf's sibling up (RFC 9162 §2.1.3.1); at most one is
 * incomplete.
 */
export function inclusionNodes(index: number, size: number): NodeCoordinate[] {
  assertSize(size);
  assert(Number.isInteger(index) && index >= 0 && index < size, "leaf index inside the tree");
  return siblings({ level: 0, index }, size);
}

/**
 * The nodes of a consistency path from `size1` to `size2` (RFC 9162 §2.1.4.1); none where there is
 * nothing to prove: `size1` is 0 or equals `size2`.
 */
export function consistencyNodes(size1: number, size2: number): NodeCoordinate[] {
  assertSize(size1);
  assertSize(size2);
  assert(size1 <= size2, "a log only grows");
  if (size1 === 0 || size1 === size2) return [];
  // The last complete node of tree 1 that ends exactly where tree 1 ends.
  let level = 0;
  let index = size1 - 1;
  while (index % 2 === 1) {
    index = (index - 1) / 2;
    level++;
  }
  const start = { level, index };
  // When that node is all of tree 1, the verifier has its hash: it is root 1.
  return index === 0 ? siblings(start, size2) : [start, ...siblings(start, size2)];
}

/** The index of the last node at a level of a non-empty tree. */
export function lastAtLevel(level: number, size: number): number {
  return Math.floor((size - 1) / 2 ** level);
}

/** What a node is hashed with on its way up to the root of a tree of `size` leaves. */
function siblings(node: NodeCoordinate, size: number): NodeCoordinate[] {
  const path: NodeCoordinate[] = [];
  let { level, index } = node;
  let last = lastAtLevel(level, size);
  while (last > 0) {
    if (index % 2 === 1) path.push({ level, index: index - 1 });
    else if (index < last) path.push({ level, index: index + 1 });
    level++;
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return path;
}

/** Splits leaves begin … end−1 into complete nodes; `begin` is aligned as the RFC's splits are. */
function rangeNodes(begin: number, end: number): NodeCoordinate[] {
  const nodes: NodeCoordinate[] = [];
  let at = begin;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (2 * width <= end - at) {
      width *= 2;
      level++;
    }
    assert(at % width === 0, "range aligned to its largest node");
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

function assertSize(size: number): void {
  assert(Number.isSafeInteger(size) && size >= 0, "tree size is a safe integer");
}
