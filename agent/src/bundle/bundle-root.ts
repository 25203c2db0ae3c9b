/** The root of a bundle over its salted readings (WIRE.md §6.1). */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";

/** @param seed 32 fresh random bytes: no two bundles may share one. */
export function bundleRoot(
  sha256: CryptoPort["sha256"],
  { seed, readings }: { readonly seed: Uint8Array; readonly readings: readonly Uint8Array[] },
): Digest {
  return rootOf(treeHasher(sha256), saltedLeaves(sha256, seed, readings));
}
