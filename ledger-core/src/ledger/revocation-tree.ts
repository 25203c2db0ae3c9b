/** The channel's revoked keys in order of kid, their RFC 9162 root, and proofs of absence (WIRE.md §8.2). */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { compare } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import type { MerkleLevels } from "../log/merkle-root.ts";
import { levelsOf, pathFrom } from "../log/merkle-root.ts";
import type { RevocationEvidence, RevokedNeighbour } from "../receipt/receipt.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import { encodeRevokedKey } from "../wire/revocation-list.ts";

/** A key stands in the list: nobody can prove that it does not. */
export type KeyRevokedFault = { readonly code: "KEY_REVOKED"; readonly revoked: RevokedKey };

/** The list at one moment. */
export interface RevocationList {
  /** Sorted by kid, one a kid. */
  readonly entries: readonly RevokedKey[];
  /** How many keys, and the root over them; the root of the empty tree where there is none. */
  readonly head: TreeHead;
  /** The entry of a key. */
  find(kid: Digest): RevokedKey | undefined;
  /** The two neighbours between which the key would stand. Faults: KEY_REVOKED. */
  evidence(kid: Digest): Result<RevocationEvidence, KeyRevokedFault>;
}

/** An immutable {@link RevocationList}; its tree is hashed when first asked for. */
export class RevocationTree implements RevocationList {
  readonly entries: readonly RevokedKey[];
  readonly #hasher: TreeHasher;
  #levels: MerkleLevels | undefined;

  private constructor(hasher: TreeHasher, entries: readonly RevokedKey[]) {
    this.#hasher = hasher;
    this.entries = entries;
  }

  /** Takes entries in any order; a later one of the same kid replaces the earlier. */
  static of(hasher: TreeHasher, entries: Iterable<RevokedKey>): RevocationTree {
    const sorted: RevokedKey[] = [];
    for (const entry of [...entries].sort((a, b) => compare(a.kid, b.kid))) {
      const last = sorted.at(-1);
      if (last !== undefined && compare(last.kid, entry.kid) === 0) sorted.pop();
      sorted.push(entry);
    }
    return new RevocationTree(hasher, sorted);
  }

  get head(): TreeHead {
    const root = present(this.#tree().at(-1)?.[0], "root of the revocation list");
    return { size: BigInt(this.entries.length), root };
  }

  find(kid: Digest): RevokedKey | undefined {
    const entry = this.entries[this.#positionOf(kid)];
    return entry !== undefined && compare(entry.kid, kid) === 0 ? entry : undefined;
  }

  evidence(kid: Digest): Result<RevocationEvidence, KeyRevokedFault> {
    const position = this.#positionOf(kid);
    const revoked = this.find(kid);
    if (revoked !== undefined) return err({ code: "KEY_REVOKED", revoked });
    const below = this.#neighbour(position - 1);
    const above = this.#neighbour(position);
    return ok({
      ...(below === undefined ? {} : { below }),
      ...(above === undefined ? {} : { above }),
    });
  }

  /** The list with this entry, in place of the one of the same kid if there is one. */
  with(entry: RevokedKey): RevocationTree {
    const position = this.#positionOf(entry.kid);
    const replaced = this.find(entry.kid) === undefined ? 0 : 1;
    return new RevocationTree(this.#hasher, this.entries.toSpliced(position, replaced, entry));
  }

  #neighbour(index: number): RevokedNeighbour | undefined {
    const entry = this.entries[index];
    if (entry === undefined) return undefined;
    return { ...entry, index: BigInt(index), path: pathFrom(this.#tree(), index) };
  }

  /** Where the kid stands or would stand: the number of entries below it. */
  #positionOf(kid: Digest): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = present(this.entries[middle], "entry in the middle");
      if (compare(entry.kid, kid) < 0) low = middle + 1;
      else high = middle;
    }
    assert(low <= this.entries.length, "position in the list");
    return low;
  }

  #tree(): MerkleLevels {
    this.#levels ??= levelsOf(
      this.#hasher,
      this.entries.map((entry) => this.#hasher.leaf(encodeRevokedKey(entry))),
    );
    return this.#levels;
  }
}
