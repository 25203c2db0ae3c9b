/** Approvals: what a validator of the next epoch signs to say that it is ready to order there (WIRE.md §18.1). */

import type { Digest } from "../base/bytes.ts";
import { concat, u64, utf8 } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { faultsTolerated } from "../base/quorum.ts";
import type { ValidatorEntry } from "./validator-set.ts";

const label = utf8("tamga/ready/1");

/** CBOR `[[name, organisation, key] …]`: a set of validators in its order. */
export function validatorsValue(validators: readonly ValidatorEntry[]): CborValue {
  return validators.map(({ name, organisation, publicKey }) => [name, organisation, publicKey]);
}

/**
 * `label ‖ c ‖ epoch(u64) ‖ SHA-256(CBOR of the set)`, 85 bytes.
 *
 * @param next the epoch that the set is for, and the set whole: whoever approves knows its peers.
 */
export function approvalBytes(
  crypto: Pick<CryptoPort, "sha256">,
  channel: Digest,
  next: { readonly epoch: number; readonly validators: readonly ValidatorEntry[] },
): Uint8Array {
  const set = crypto.sha256(encodeCbor(validatorsValue(next.validators)));
  return concat(label, channel, u64(BigInt(next.epoch)), set);
}

/** How many of a new set's `n` validators must be ready before it takes over: n − f. */
export function approvalsNeeded(n: number): number {
  return n - faultsTolerated(n);
}
