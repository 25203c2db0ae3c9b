/** The incarnations of the gateway's lane in its file, oldest first; only the newest grows. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import { laneIncarnationsMax } from "../limits.ts";
import type { IncarnationHead, OpeningReason } from "./lane-opening.ts";
import type { SignedOrderedHead } from "./ordered-head.ts";
import { encodeOrderedHead, parseOrderedHead } from "./ordered-head.ts";
import { storedBytes, storedDigest } from "./stored.ts";

export type LaneRow = {
  readonly ordinal: number;
  readonly incarnation: Uint8Array;
  readonly channelId: Digest;
  readonly predecessor: IncarnationHead | undefined;
  readonly reason: string;
};

type Stored = {
  readonly ordinal: bigint;
  readonly incarnation: Uint8Array;
  readonly channel_id: Uint8Array;
  readonly reason: string;
  readonly predecessor: Uint8Array | null;
  readonly predecessor_size: bigint | null;
  readonly predecessor_root: Uint8Array | null;
};

export class LaneRows {
  readonly #insert;
  readonly #all;
  readonly #ordered;
  readonly #setOrdered;
  readonly #needsAllSince;

  constructor(db: Database) {
    this.#insert = db.prepare<
      [
        number,
        Uint8Array,
        Uint8Array,
        string,
        number,
        number,
        Uint8Array | null,
        bigint | null,
        Uint8Array | null,
      ]
    >("INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)");
    this.#all = db
      .prepare<[], Stored>(
        `SELECT ordinal, incarnation, channel_id, reason, predecessor, predecessor_size,
           predecessor_root FROM lane ORDER BY ordinal`,
      )
      .safeIntegers();
    this.#ordered = db
      .prepare<[number], Uint8Array | null>("SELECT ordered FROM lane WHERE ordinal = ?")
      .pluck();
    this.#setOrdered = db.prepare<[Uint8Array | null, number]>(
      "UPDATE lane SET ordered = ? WHERE ordinal = ?",
    );
    this.#needsAllSince = db
      .prepare<[], number>("SELECT coalesce(max(ordinal), 0) FROM lane WHERE needs_all = 1")
      .pluck();
  }

  all(): LaneRow[] {
    return this.#all.all().map((row) => ({
      ordinal: Number(row.ordinal),
      incarnation: storedBytes(row.incarnation),
      channelId: storedDigest(row.channel_id),
      predecessor: predecessorOf(row),
      reason: row.reason,
    }));
  }

  insert(
    row: LaneRow & {
      readonly reason: OpeningReason;
      readonly openedAt: UnixMillis;
      readonly needsAll: boolean;
    },
  ): void {
    assert(row.ordinal <= laneIncarnationsMax, "incarnations of one lane within the limit");
    const { predecessor } = row;
    this.#insert.run(
      row.ordinal,
      row.incarnation,
      row.channelId,
      row.reason,
      row.openedAt,
      row.needsAll ? 1 : 0,
      predecessor?.incarnation ?? null,
      predecessor?.head.size ?? null,
      predecessor?.head.root ?? null,
    );
  }

  ordered(ordinal: number): SignedOrderedHead | undefined {
    const bytes = this.#ordered.get(ordinal);
    if (bytes === undefined || bytes === null) return undefined;
    const parsed = parseOrderedHead(storedBytes(bytes));
    return present(parsed.ok ? parsed.value : undefined, "stored ordered head");
  }

  /** @param ordered undefined where the ledger of now has none of that incarnation. */
  setOrdered(ordinal: number, ordered: SignedOrderedHead | undefined): void {
    this.#setOrdered.run(ordered === undefined ? null : encodeOrderedHead(ordered), ordinal);
  }

  /** Ordinal of the newest incarnation that was opened because data may be lost; 0 for none. */
  needsAllSince(): number {
    return present(this.#needsAllSince.get(), "newest lane that needs all");
  }
}

function predecessorOf(row: Stored): IncarnationHead | undefined {
  const { predecessor, predecessor_size: size, predecessor_root: root } = row;
  if (predecessor === null || size === null || root === null) return undefined;
  return { incarnation: storedBytes(predecessor), head: { size, root: storedDigest(root) } };
}
