/** What the gateway concluded of devices: by leaf, and by the counts of the quote that it rests on. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { ResultState } from "@tamga/ledger-core/wire/gateway-claims";
import { resultStates } from "@tamga/ledger-core/wire/gateway-claims";
import type { LanePlace } from "./lane.ts";
import { placeKey, placeOfKey } from "./lane-schema.ts";
import { storedDigest } from "./stored.ts";

/** Which quote a result believes: its TPM's counts order the evidence of a device. */
export type BelievedQuote = {
  /** SHA-256 of the TPMS_ATTEST. */
  readonly attest: Digest;
  readonly resetCount: number;
  /** Milliseconds. */
  readonly clock: bigint;
};

export type ResultRow = LanePlace & {
  readonly state: ResultState;
  /** Leaf of the evidence's statement; undefined of `pending`. */
  readonly evidence: LanePlace | undefined;
  /** Undefined where the evidence is not believed, and where there is no new one. */
  readonly quote: BelievedQuote | undefined;
};

type Stored = {
  readonly place: bigint;
  readonly state: bigint;
  readonly evidence: bigint | null;
  readonly reset_count: bigint | null;
  readonly clock: bigint | null;
  readonly attest: Uint8Array | null;
};

const columns = "r.place, r.state, r.evidence, r.reset_count, r.clock, r.attest";
const ofDevice = "r.device = (SELECT id FROM device WHERE name = ?)";

export class ResultRows {
  readonly #insert;
  readonly #move;
  readonly #moveEvidence;
  readonly #newest;
  readonly #newestOf;
  readonly #believed;
  readonly #anchor;
  readonly #list;
  readonly #newestRows;
  readonly #unanswered;

  constructor(db: Database) {
    this.#insert = db.prepare<
      [
        number,
        number,
        number,
        number | null,
        number | null,
        bigint | null,
        Uint8Array | null,
        number | null,
      ]
    >("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#move = db.prepare<[number, number]>("UPDATE result SET place = ? WHERE place = ?");
    this.#moveEvidence = db.prepare<[number, number]>(
      "UPDATE result SET evidence = ? WHERE evidence = ?",
    );
    const rows = <P extends unknown[]>(where: string) =>
      db
        .prepare<P, Stored>(`SELECT ${columns} FROM result r WHERE ${ofDevice} ${where}`)
        .safeIntegers();
    this.#newest = rows<[string]>("ORDER BY r.place DESC LIMIT 1");
    this.#newestOf = rows<[string, number]>("AND r.state = ? ORDER BY r.place DESC LIMIT 1");
    // The same evidence is judged again where the reference values change: the newest leaf counts.
    this.#believed = rows<[string, number, number, bigint, number]>(
      `AND r.attest IS NOT NULL AND (r.reset_count < ? OR (r.reset_count = ? AND r.clock <= ?))
       AND r.evidence <> ? ORDER BY r.reset_count DESC, r.clock DESC, r.place DESC LIMIT 1`,
    );
    this.#anchor = db
      .prepare<[string, number, bigint], { readonly anchored: bigint; readonly clock: bigint }>(
        `SELECT r.anchored, r.clock FROM result r WHERE ${ofDevice} AND r.attest IS NOT NULL
           AND r.anchored IS NOT NULL AND r.reset_count = ? AND r.clock <= ?
         ORDER BY r.clock DESC, r.place ASC LIMIT 1`,
      )
      .safeIntegers();
    this.#list = rows<[string, number, number]>("AND r.place > ? ORDER BY r.place LIMIT ?");
    this.#newestRows = rows<[string, number]>("ORDER BY r.place DESC LIMIT ?");
    this.#unanswered = db
      .prepare<[string, number, number], number>(
        `SELECT s.place FROM statement s
         WHERE s.kind = 5 AND s.device = (SELECT id FROM device WHERE name = ?) AND s.place > ?
           AND NOT EXISTS (SELECT 1 FROM result r WHERE r.evidence = s.place)
         ORDER BY s.place LIMIT ?`,
      )
      .pluck();
  }

  insert(
    place: LanePlace,
    row: { readonly device: number; readonly anchored: UnixMillis | undefined } & Pick<
      ResultRow,
      "state" | "evidence" | "quote"
    >,
  ): void {
    const { device, state, evidence, quote, anchored } = row;
    this.#insert.run(
      placeKey(place),
      device,
      resultStates.indexOf(state),
      evidence === undefined ? null : placeKey(evidence),
      quote?.resetCount ?? null,
      quote?.clock ?? null,
      quote?.attest ?? null,
      anchored ?? null,
    );
  }

  /** A leaf, a result's or evidence's, was copied into the next incarnation. */
  move(from: LanePlace, to: LanePlace): void {
    this.#move.run(placeKey(to), placeKey(from));
    this.#moveEvidence.run(placeKey(to), placeKey(from));
  }

  /** The newest leaf of a device, or the newest that says this state. */
  newest(device: string, state?: ResultState): ResultRow | undefined {
    const row =
      state === undefined
        ? this.#newest.get(device)
        : this.#newestOf.get(device, resultStates.indexOf(state));
    return row && rowOf(row);
  }

  /**
   * The newest quote that was believed by the TPM's own counts, or the newest up to these counts; `except`
   * leaves out what rests on one leaf of evidence.
   */
  believed(
    device: string,
    upTo: { readonly resetCount: number; readonly clock: bigint } = countsMax,
    except?: LanePlace,
  ): ResultRow | undefined {
    const { resetCount, clock } = upTo;
    const least = clock < countsMax.clock ? clock : countsMax.clock;
    const other = except === undefined ? -1 : placeKey(except);
    const row = this.#believed.get(device, resetCount, resetCount, least, other);
    return row && rowOf(row);
  }

  /**
   * The newest believed quote of the same reset, up to this clock, that answered a nonce: when the gateway
   * had it at the latest, by its own clock, and what the TPM's clock said as it was made.
   */
  anchor(
    device: string,
    { resetCount, clock }: { readonly resetCount: number; readonly clock: bigint },
  ): { readonly anchored: number; readonly clock: bigint } | undefined {
    const row = this.#anchor.get(
      device,
      resetCount,
      clock < countsMax.clock ? clock : countsMax.clock,
    );
    return row && { anchored: Number(row.anchored), clock: row.clock };
  }

  /** In the order of the lane, after a leaf. */
  list(device: string, after: LanePlace | undefined, limit: number): ResultRow[] {
    return this.#list.all(device, after === undefined ? 0 : placeKey(after), limit).map(rowOf);
  }

  /** The newest of them, in the order of the lane. */
  newestRows(device: string, limit: number): ResultRow[] {
    return this.#newestRows.all(device, limit).map(rowOf).reverse();
  }

  /** Leaves of evidence that no result names, the oldest first. */
  unanswered(device: string, after: LanePlace | undefined, limit: number): LanePlace[] {
    const from = after === undefined ? 0 : placeKey(after);
    return this.#unanswered.all(device, from, limit).map(placeOfKey);
  }
}

const countsMax = { resetCount: 2 ** 32, clock: 2n ** 63n - 1n };

function rowOf(row: Stored): ResultRow {
  const { evidence, reset_count: resetCount, clock, attest } = row;
  return {
    ...placeOfKey(Number(row.place)),
    state: present(resultStates[Number(row.state)], "stored state"),
    evidence: evidence === null ? undefined : placeOfKey(Number(evidence)),
    quote:
      attest === null || resetCount === null || clock === null
        ? undefined
        : { attest: storedDigest(attest), resetCount: Number(resetCount), clock },
  };
}
