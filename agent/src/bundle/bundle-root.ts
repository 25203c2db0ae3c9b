/** The root of a bundle over its salted readings (WIRE.md §6.1). */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";

/**
 * @param hash SHA-256, or for an SM3 bundle SM3.
 * @param seed 32 fresh random bytes: no two bundles may share one.
 */
export function bundleRoot(
  hash: (bytes: Uint8Array) => Digest,
  { seed, readings }: { readonly seed: Uint8Array; readonly readings: readonly Uint8Array[] },
): Digest {
  return rootOf(treeHasher(hash), saltedLeaves(hash, seed, readings));
}
