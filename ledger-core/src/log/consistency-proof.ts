/** Verifies that one tree grew out of another (RFC 9162 §2.1.4.2), for up to 2^64−1 leaves. */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import { consistencyPathLengthMax } from "./limits.ts";
import type { TreeSize } from "./tree-size.ts";
import { treeSizeMax } from "./tree-size.ts";

export type ConsistencyClaim = {
  readonly size1: bigint;
  readonly size2: bigint;
  readonly root1: Digest;
  readonly root2: Digest;
  readonly path: readonly Digest[];
};

/** Tree 1 is a prefix of tree 2; only {@link verifyConsistency} makes it. */
export type VerifiedConsistency = Brand<
  {
    readonly size1: TreeSize;
    readonly size2: TreeSize;
    readonly root1: Digest;
    readonly root2: Digest;
  },
  "VerifiedConsistency"
>;

export type ConsistencyFault =
  | { readonly code: "CONSISTENCY_SIZE_OUT_OF_RANGE" }
  | { readonly code: "CONSISTENCY_SIZE_DECREASED" }
  | { readonly code: "CONSISTENCY_PATH_TOO_SHORT"; readonly length: number }
  | { readonly code: "CONSISTENCY_PATH_TOO_LONG"; readonly length: number }
  | { readonly code: "CONSISTENCY_ROOT1_MISMATCH" }
  | { readonly code: "CONSISTENCY_ROOT2_MISMATCH" };

/**
 * Checks one consistency proof between two roots.
 *
 * The RFC defines proofs for 0 < size1 < size2. Two cases beside it have nothing to prove and take
 * an empty path, as C2SP tlog-witness rules: equal sizes need equal roots, and the empty tree is a
 * prefix of every tree, if root1 is the empty tree's root. A root2 of size 0 must be that root too.
 *
 * Faults: CONSISTENCY_SIZE_OUT_OF_RANGE (over 2^64−1), CONSISTENCY_SIZE_DECREASED,
 *   CONSISTENCY_PATH_TOO_SHORT, CONSISTENCY_PATH_TOO_LONG, CONSISTENCY_ROOT1_MISMATCH,
 *   CONSISTENCY_ROOT2_MISMATCH (also for equal sizes with unequal roots).
 */
export function verifyConsistency(
  hasher: TreeHasher,
  claim: ConsistencyClaim,
): Result<VerifiedConsistency, ConsistencyFault> {
  const { size1, size2, root1, root2 } = claim;
  if (size1 < 0n || size2 < 0n || size1 > treeSizeMax || size2 > treeSizeMax)
    return err({ code: "CONSISTENCY_SIZE_OUT_OF_RANGE" });
  if (size1 > size2) return err({ code: "CONSISTENCY_SIZE_DECREASED" });
  const fault =
    size1 === 0n || size1 === size2 ? judgeTrivial(hasher, claim) : judge(hasher, claim);
  if (fault !== undefined) return err(fault);
  return ok(mint<VerifiedConsistency>({ size1, size2, root1, root2 }));
}

function judgeTrivial(hasher: TreeHasher, claim: ConsistencyClaim): ConsistencyFault | undefined {
  const { size1, size2, root1, root2, path } = claim;
  if (path.length !== 0) return { code: "CONSISTENCY_PATH_TOO_LONG", length: path.length };
  if (size1 === 0n && !equal(root1, hasher.empty)) return { code: "CONSISTENCY_ROOT1_MISMATCH" };
  if (size1 === size2 && !equal(root1, root2)) return { code: "CONSISTENCY_ROOT2_MISMATCH" };
  return undefined;
}

/** The RFC's steps, numbered as there. */
function judge(hasher: TreeHasher, claim: ConsistencyClaim): ConsistencyFault | undefined {
  const { size1, size2, path } = claim;
  const tooShort = { code: "CONSISTENCY_PATH_TOO_SHORT", length: path.length } as const;
  const tooLong = { code: "CONSISTENCY_PATH_TOO_LONG", length: path.length } as const;
  if (path.length > consistencyPathLengthMax) return tooLong;
  // Steps 1 and 2: a first tree of a power of two is itself the node to start from.
  const isPowerOfTwo = (size1 & (size1 - 1n)) === 0n;
  const start = isPowerOfTwo ? claim.root1 : path[0];
  if (path.length === 0 || start === undefined) return tooShort;
  // Steps 3 and 4.
  let position = size1 - 1n;
  let last = size2 - 1n;
  while (position % 2n === 1n) {
    position >>= 1n;
    last >>= 1n;
  }
  // Steps 5 and 6.
  let first = start;
  let second = start;
  for (const hash of isPowerOfTwo ? path : path.slice(1)) {
    if (last === 0n) return tooLong;
    if (position % 2n === 1n || position === last) {
      first = hasher.node(hash, first);
      second = hasher.node(hash, second);
      while (position % 2n === 0n && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      second = hasher.node(second, hash);
    }
    position >>= 1n;
    last >>= 1n;
  }
  // Step 7.
  if (last !== 0n) return tooShort;
  if (!equal(first, claim.root1)) return { code: "CONSISTENCY_ROOT1_MISMATCH" };
  if (!equal(second, claim.root2)) return { code: "CONSISTENCY_ROOT2_MISMATCH" };
  return undefined;
}
