/** Verifies that a leaf is in a tree (RFC 9162 §2.1.3.2), for trees of up to 2^64−1 leaves. */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import { inclusionPathLengthMax } from "./limits.ts";
import type { LeafIndex, TreeSize } from "./tree-size.ts";
import { treeSizeMax } from "./tree-size.ts";

/** What a prover claims of one leaf; `path` runs from the leaf's sibling up. */
export type InclusionClaim = {
  readonly leafIndex: bigint;
  readonly treeSize: bigint;
  readonly leafHash: Digest;
  readonly path: readonly Digest[];
};

/** A leaf that is in the tree with this root and size; only {@link verifyInclusion} makes it. */
export type VerifiedInclusion = Brand<
  {
    readonly leafIndex: LeafIndex;
    readonly treeSize: TreeSize;
    readonly leafHash: Digest;
    readonly root: Digest;
  },
  "VerifiedInclusion"
>;

export type InclusionPathFault =
  | { readonly code: "INCLUSION_SIZE_OUT_OF_RANGE" }
  | { readonly code: "INCLUSION_INDEX_OUT_OF_RANGE" }
  | { readonly code: "INCLUSION_PATH_TOO_SHORT"; readonly length: number }
  | { readonly code: "INCLUSION_PATH_TOO_LONG"; readonly length: number };

export type InclusionFault = InclusionPathFault | { readonly code: "INCLUSION_ROOT_MISMATCH" };

/**
 * Checks one inclusion proof against a root that is already trusted.
 *
 * Faults: INCLUSION_SIZE_OUT_OF_RANGE (over 2^64−1), INCLUSION_INDEX_OUT_OF_RANGE (not less than
 *   the size; an empty tree holds nothing), INCLUSION_PATH_TOO_SHORT, INCLUSION_PATH_TOO_LONG,
 *   INCLUSION_ROOT_MISMATCH.
 */
export function verifyInclusion(
  hasher: TreeHasher,
  proof: InclusionClaim & { readonly root: Digest },
): Result<VerifiedInclusion, InclusionFault> {
  const computed = rootFromInclusion(hasher, proof);
  if (!computed.ok) return computed;
  if (!equal(computed.value, proof.root)) return err({ code: "INCLUSION_ROOT_MISMATCH" });
  const { leafIndex, treeSize, leafHash, root } = proof;
  return ok(mint<VerifiedInclusion>({ leafIndex, treeSize, leafHash, root }));
}

/**
 * The root that a path leads to: for a root that is signed but not sent (RFC 9942 receipts).
 * The path's length must be exactly what index and size ask for. Faults as above, but for the last.
 */
export function rootFromInclusion(
  hasher: TreeHasher,
  claim: InclusionClaim,
): Result<Digest, InclusionPathFault> {
  const { leafIndex, treeSize, path } = claim;
  if (treeSize < 0n || treeSize > treeSizeMax) return err({ code: "INCLUSION_SIZE_OUT_OF_RANGE" });
  if (leafIndex < 0n || leafIndex >= treeSize) return err({ code: "INCLUSION_INDEX_OUT_OF_RANGE" });
  const tooLong = { code: "INCLUSION_PATH_TOO_LONG", length: path.length } as const;
  if (path.length > inclusionPathLengthMax) return err(tooLong);
  let position = leafIndex;
  let last = treeSize - 1n;
  let root = claim.leafHash;
  for (const sibling of path) {
    if (last === 0n) return err(tooLong);
    if (position % 2n === 1n || position === last) {
      root = hasher.node(sibling, root);
      // Without a right neighbour a node moves up unhashed, until it is a right child.
      while (position % 2n === 0n && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      root = hasher.node(root, sibling);
    }
    position >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) return err({ code: "INCLUSION_PATH_TOO_SHORT", length: path.length });
  return ok(root);
}
