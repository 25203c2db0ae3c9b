/** Builds roots and proofs out of any store that can read complete nodes. */

import type { Digest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import { foldPeaks } from "./compact-range.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import type { MultiproofIndexFault } from "./multiproof.ts";
import { multiproofNodes } from "./multiproof.ts";
import type { NodeCoordinate } from "./node-coordinates.ts";
import { completeNodes, consistencyNodes, inclusionNodes, rootNodes } from "./node-coordinates.ts";

/** Reads the hash of a complete node; it throws where the store has lost it. */
export type NodeReader = (level: number, index: number) => Digest;

/** The root of the log's first `size` leaves. */
export function buildRoot(hasher: TreeHasher, readNode: NodeReader, size: number): Digest {
  const peaks = rootNodes(size).map(({ level, index }) => readNode(level, index));
  return foldPeaks(hasher, peaks);
}

/** The inclusion path of a leaf in the tree of the log's first `size` leaves (RFC 9162 §2.1.3.1). */
export function buildInclusion(
  hasher: TreeHasher,
  readNode: NodeReader,
  at: { readonly index: number; readonly size: number },
): Digest[] {
  return inclusionNodes(at.index, at.size).map((node) => hashOf(hasher, readNode, node, at.size));
}

/** The consistency path between two sizes of the log, size1 ≤ size2 (RFC 9162 §2.1.4.1). */
export function buildConsistency(
  hasher: TreeHasher,
  readNode: NodeReader,
  between: { readonly size1: number; readonly size2: number },
): Digest[] {
  const { size1, size2 } = between;
  return consistencyNodes(size1, size2).map((node) => hashOf(hasher, readNode, node, size2));
}

/** The hashes of a multiproof for ascending, distinct leaf indices. Faults: those of the indices. */
export function buildMultiproof(
  hasher: TreeHasher,
  readNode: NodeReader,
  of: { readonly indices: readonly number[]; readonly size: number },
): Result<Digest[], MultiproofIndexFault> {
  const nodes = multiproofNodes(of.indices, of.size);
  if (!nodes.ok) return nodes;
  return ok(nodes.value.map((node) => hashOf(hasher, readNode, node, of.size)));
}

/** The hash of any node of a tree, also an incomplete one. */
function hashOf(
  hasher: TreeHasher,
  readNode: NodeReader,
  node: NodeCoordinate,
  size: number,
): Digest {
  const parts = completeNodes(node, size).map(({ level, index }) => readNode(level, index));
  return foldPeaks(hasher, parts);
}
