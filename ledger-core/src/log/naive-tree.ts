/** The tests' oracle: the recursive definitions of RFC 9162 §2.1, slow and word for word. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { concat } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";

const { sha256 } = nobleCrypto;

/** MTH(D[n]), §2.1.1, over leaf hashes. */
export function naiveRoot(leaves: readonly Digest[]): Digest {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return present(leaves[0], "leaf");
  const k = split(leaves.length);
  return naiveNode(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** PATH(m, D[n]), §2.1.3.1. */
export function naivePath(leaves: readonly Digest[], m: number): Digest[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k
    ? [...naivePath(left, m), naiveRoot(right)]
    : [...naivePath(right, m - k), naiveRoot(left)];
}

/** PROOF(m, D[n]), §2.1.4.1, for 0 < m < n. */
export function naiveProof(leaves: readonly Digest[], m: number): Digest[] {
  return subproof(leaves, m, true);
}

/** The hash of an inner node. */
export function naiveNode(left: Digest, right: Digest): Digest {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The hash of a leaf. */
export function naiveLeaf(entry: Uint8Array): Digest {
  return sha256(concat(Uint8Array.of(0), entry));
}

/** Distinct leaf hashes for a log of `count` numbered entries. */
export function numberedLeaves(count: number): Digest[] {
  return Array.from({ length: count }, (_, i) =>
    naiveLeaf(Uint8Array.of(i >> 24, i >> 16, i >> 8, i)),
  );
}

function subproof(leaves: readonly Digest[], m: number, known: boolean): Digest[] {
  const n = leaves.length;
  if (m === n) return known ? [] : [naiveRoot(leaves)];
  const k = split(n);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k
    ? [...subproof(left, m, known), naiveRoot(right)]
    : [...subproof(right, m - k, false), naiveRoot(left)];
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}
