/** The ordered validators of an epoch: who leads a view, how many must agree. */

import { assert, present } from "../base/assert.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import { faultsTolerated, quorumOf } from "../base/quorum.ts";
import { validatorsPerEpochMax } from "./limits.ts";

/** A view of an epoch: below 2^53; u64 on the wire. View 0 is what the epoch starts from, final. */
export type View = number;

/** One validator; its place in the set is its index in votes and bitmaps. */
export type ValidatorEntry = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
};

/** Immutable. Indices are 0 … n − 1. */
export class ValidatorSet {
  readonly epoch: number;
  readonly entries: readonly ValidatorEntry[];
  /** Validators that may lie, ⌊(n−1)/3⌋. */
  readonly faults: number;
  /** ⌊(n+f)/2⌋+1: any two quorums share an honest validator. */
  readonly quorum: number;
  readonly #keys: readonly PublicKey[];

  constructor(epoch: number, entries: readonly ValidatorEntry[]) {
    assert(
      entries.length > 0 && entries.length <= validatorsPerEpochMax,
      "size of a validator set",
    );
    this.epoch = epoch;
    this.entries = entries;
    this.faults = faultsTolerated(entries.length);
    this.quorum = quorumOf(entries.length);
    this.#keys = entries.map(({ publicKey }) => ({ algorithm: "EdDSA", point: publicKey }));
  }

  get size(): number {
    return this.entries.length;
  }

  /** Whose turn a view is: each in order, beginning elsewhere in each epoch. */
  leaderOf(view: View): number {
    return (view + this.epoch) % this.entries.length;
  }

  has(index: number): boolean {
    return Number.isInteger(index) && index >= 0 && index < this.entries.length;
  }

  keyOf(index: number): PublicKey {
    return present(this.#keys[index], "validator of the set");
  }

  entryOf(index: number): ValidatorEntry {
    return present(this.entries[index], "validator of the set");
  }
}
