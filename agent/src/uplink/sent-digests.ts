/** Statements that went out, by the digests by which a gateway refuses what it could not place. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import { sentDigestsMax } from "./limits.ts";

export type SentStatement = {
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
  readonly identity: Digest;
  /** Exact bytes. */
  readonly bytes: Uint8Array;
};

/** Where a statement stands in its stream. */
export type SentPlace = { readonly incarnation: Uint8Array; readonly first: bigint };

/**
 * The last `sentDigestsMax` digests, two a statement: its identity, and SHA-256 of its bytes, which is all that a
 * gateway can say of a kind that it does not know (WIRE.md §7). What was forgotten is known again when it is sent
 * again.
 */
export class SentDigests {
  readonly #sha256: CryptoPort["sha256"];
  readonly #places = new Map<string, SentPlace>();

  constructor(sha256: CryptoPort["sha256"]) {
    this.#sha256 = sha256;
  }

  add({ incarnation, range, identity, bytes }: SentStatement): void {
    for (const digest of [identity, this.#sha256(bytes)]) {
      const key = toHex(digest);
      this.#places.delete(key);
      this.#places.set(key, { incarnation, first: range.first });
    }
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= sentDigestsMax) break;
      this.#places.delete(oldest);
    }
  }

  find(refused: Digest): SentPlace | undefined {
    return this.#places.get(toHex(refused));
  }
}
