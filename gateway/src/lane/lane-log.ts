/** One incarnation of a lane: its log, and the newest head of it that the ledger ordered. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { buildMultiproof } from "@tamga/ledger-core/log/proof-builder";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { SignedOrderedHead } from "./ordered-head.ts";

/** What stands in the `lane` table. */
export type LaneIncarnation = {
  /** 1 for the file's first, and one more for each next. */
  readonly ordinal: number;
  readonly gateway: Identifier;
  readonly incarnation: Uint8Array;
  readonly channelId: Digest;
  /** consortium/channel/gateway/incarnation. */
  readonly origin: string;
};

/**
 * Reads one incarnation, also a closed one. Sizes and indices are those of its log; whoever asks
 * beyond its end has a bug.
 */
export class LaneLog implements LaneIncarnation {
  readonly ordinal: number;
  readonly gateway: Identifier;
  readonly incarnation: Uint8Array;
  readonly channelId: Digest;
  readonly origin: string;
  readonly #log: SqliteLog;
  /** The newest head that was ordered and sealed: what is below its size is final. */
  ordered: SignedOrderedHead | undefined;

  constructor(log: SqliteLog, lane: LaneIncarnation) {
    this.ordinal = lane.ordinal;
    this.gateway = lane.gateway;
    this.incarnation = lane.incarnation;
    this.channelId = lane.channelId;
    this.origin = lane.origin;
    this.#log = log;
  }

  size(): bigint {
    return BigInt(this.#log.size);
  }

  /** Of the first `size` leaves; of all where no size is given. */
  root(size?: bigint): Digest {
    return size === undefined ? this.#log.root() : this.#log.root(Number(size));
  }

  /** Exact bytes of a leaf, undefined beyond the end. */
  entry(index: bigint): Uint8Array | undefined {
    return this.#log.entry(Number(index));
  }

  inclusion(index: bigint, size: bigint): readonly Digest[] {
    return this.#log.inclusion(Number(index), Number(size));
  }

  consistency(size1: bigint, size2: bigint): readonly Digest[] {
    return this.#log.consistency(Number(size1), Number(size2));
  }

  /** Hashes for ascending, distinct indices below `size`, as `log/multiproof` orders them. */
  multiproof(indices: readonly bigint[], size: bigint): { readonly hashes: readonly Digest[] } {
    const of = { indices: indices.map(Number), size: Number(size) };
    const hashes = buildMultiproof(this.#log.hasher, this.#log.nodeReader(), of);
    assert(hashes.ok, "indices ascending and inside the lane");
    return { hashes: hashes.value };
  }
}
