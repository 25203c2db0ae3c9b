/** The index of a lane's leaves: by place, by position in a stream, and by device. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { DeviceClaims, SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { readingsPerBundleMax } from "@tamga/ledger-core/wire/limits";
import type { LanePlace } from "./lane.ts";
import { placeKey, placeOfKey } from "./lane-schema.ts";
import { storedBytes, storedDigest, storedIdentifier } from "./stored.ts";

/** Where a statement stands in its stream. */
export type Position = {
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
};

/** One leaf about a device: its statement, the rejection of one, or what the gateway concluded of it. */
export type StatementRow = LanePlace & { readonly device: Identifier } & (
    | {
        readonly kind: DeviceClaims["kind"];
        readonly identity: Digest;
        readonly position: Position;
        /** In the body store; bundles have one, and evidence that came with its log. */
        readonly bodyKey: number | undefined;
      }
    | {
        readonly kind: "rejection";
        /** Identity of the refused statement, or the digest of what could not be parsed. */
        readonly refused: Digest;
        readonly code: string;
        /** Where the refused statement stood, as it says. */
        readonly position: Position | undefined;
      }
    | { readonly kind: "result"; readonly identity: Digest }
  );
/** One that the device waits for. */
export type AwaitedRow = Exclude<StatementRow, { readonly kind: "result" }>;

/** By their number in the database; never reordered. */
const kinds = ["bundle", "gap", "start", "heartbeat", "rejection", "evidence", "result"] as const;
const rejectionKind = kinds.indexOf("rejection");
const resultKind = kinds.indexOf("result");

/** Integers come as bigint, since sequences have 63 bits. */
type Stored = {
  readonly place: bigint;
  readonly device: string;
  readonly kind: bigint;
  readonly identity: Uint8Array;
  readonly body: bigint | null;
  readonly stream: string | null;
  readonly incarnation: Uint8Array | null;
  readonly first: bigint | null;
  readonly count: bigint | null;
  readonly code: string | null;
};

const select = `
  SELECT s.place, d.name AS device, s.kind, s.identity, s.body, q.code,
    coalesce(t.name, q.stream) AS stream, coalesce(t.incarnation, q.incarnation) AS incarnation,
    coalesce(q.first, s.first) AS first, coalesce(q.count, s.count) AS count
  FROM statement s JOIN device d ON d.id = s.device LEFT JOIN stream t ON t.id = s.stream
    LEFT JOIN quarantine q ON s.kind = ${rejectionKind} AND q.device = s.device
      AND q.digest = s.identity`;

export class StatementRows {
  readonly #insertStatement;
  readonly #insertRejection;
  readonly #insertResult;
  readonly #move;
  readonly #moveRejection;
  readonly #startingAt;
  readonly #at;
  readonly #holding;
  readonly #inLane;
  readonly #ofDevice;
  readonly #taken;
  readonly #refused;
  readonly #devices;

  constructor(db: Database) {
    this.#insertStatement = db.prepare<
      [number, number, number, bigint, number, number, Uint8Array, number | null]
    >("INSERT INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#insertRejection = db.prepare<[number, number, Uint8Array]>(
      `INSERT INTO statement VALUES (?, ?, NULL, 0, 0, ${rejectionKind}, ?, NULL)`,
    );
    this.#insertResult = db.prepare<[number, number, Uint8Array]>(
      `INSERT INTO statement VALUES (?, ?, NULL, 0, 0, ${resultKind}, ?, NULL)`,
    );
    this.#move = db.prepare<[number, number]>("UPDATE statement SET place = ? WHERE place = ?");
    this.#moveRejection = db.prepare<[number, string, Uint8Array]>(
      `UPDATE quarantine SET place = ?
       WHERE device = (SELECT id FROM device WHERE name = ?) AND digest = ?`,
    );
    this.#startingAt = db.prepare<
      [number, bigint],
      { readonly place: number; readonly count: number; readonly identity: Uint8Array }
    >("SELECT place, count, identity FROM statement WHERE stream = ? AND first = ?");
    const rows = <P extends unknown[]>(where: string) =>
      db.prepare<P, Stored>(`${select} ${where}`).safeIntegers();
    this.#at = rows<[number]>("WHERE s.place = ?");
    // Statements are disjoint, so only the last that begins at or before a sequence can hold it.
    const last = "(SELECT max(first) FROM statement WHERE stream = ? AND first <= ?)";
    this.#holding = rows<[number, number, bigint, bigint]>(
      `WHERE s.stream = ? AND s.first = ${last} AND s.first + s.count > ?`,
    );
    this.#inLane = rows<[number, number, number]>(
      "WHERE s.place >= ? AND s.place < ? ORDER BY s.place LIMIT ?",
    );
    this.#ofDevice = rows<[string, number, number, number]>(
      `WHERE s.device = (SELECT id FROM device WHERE name = ?) AND s.place >= ? AND s.place < ?
       AND s.kind <> ${resultKind} ORDER BY s.place LIMIT ?`,
    );
    this.#taken = rows<[number, number, bigint, bigint, bigint, number]>(
      `WHERE s.stream = ? AND s.first >= coalesce(${last}, 0) AND s.first < ?
         AND s.first + s.count > ? ORDER BY s.first LIMIT ?`,
    );
    this.#refused = rows<[number, Uint8Array, bigint, bigint, bigint, number]>(
      `WHERE s.place IN (SELECT place FROM quarantine WHERE device = ? AND incarnation = ?
         AND first > ? AND first < ? AND first + count > ?) ORDER BY s.place LIMIT ?`,
    );
    this.#devices = db
      .prepare<[number, number], string>(
        `SELECT DISTINCT d.name FROM statement s JOIN device d ON d.id = s.device
         WHERE s.place >= ? AND s.place < ? AND s.kind <> ${resultKind}`,
      )
      .pluck();
  }

  insertStatement(
    place: LanePlace,
    row: {
      readonly device: number;
      readonly stream: number;
      readonly range: SequenceRange;
      readonly kind: DeviceClaims["kind"];
      readonly identity: Digest;
      readonly body: number | undefined;
    },
  ): void {
    const { device, stream, range, kind, identity, body } = row;
    assert(range.count <= readingsPerBundleMax, "statement's sequences within the limit");
    this.#insertStatement.run(
      placeKey(place),
      device,
      stream,
      range.first,
      range.count,
      kinds.indexOf(kind),
      identity,
      body ?? null,
    );
  }

  insertRejection(place: LanePlace, device: number, refused: Digest): void {
    this.#insertRejection.run(placeKey(place), device, refused);
  }

  insertResult(place: LanePlace, device: number, identity: Digest): void {
    this.#insertResult.run(placeKey(place), device, identity);
  }

  /** A leaf that was copied into the next incarnation. */
  move(row: StatementRow, to: LanePlace): void {
    this.#move.run(placeKey(to), placeKey(row));
    if (row.kind === "rejection") this.#moveRejection.run(placeKey(to), row.device, row.refused);
  }

  startingAt(
    stream: number,
    first: bigint,
  ): (LanePlace & { readonly count: number; readonly identity: Uint8Array }) | undefined {
    const row = this.#startingAt.get(stream, first);
    if (row === undefined) return undefined;
    return { ...placeOfKey(row.place), count: row.count, identity: row.identity };
  }

  at(place: LanePlace): StatementRow | undefined {
    return optional(this.#at.get(placeKey(place)));
  }

  /** The statement that a sequence belongs to. */
  holding(stream: number, sequence: bigint): StatementRow | undefined {
    const { first } = boundsOf({ first: sequence, count: 1 });
    return optional(this.#holding.get(stream, stream, first, first));
  }

  /** Leaves from … to − 1 of one incarnation, in order. */
  inLane(from: LanePlace, to: LanePlace, limit: number): StatementRow[] {
    return this.#inLane.all(placeKey(from), placeKey(to), limit).map(rowOf);
  }

  ofDevice(device: Identifier, between: Between): AwaitedRow[] {
    const { from, to, limit } = between;
    return this.#ofDevice.all(device, placeKey(from), placeKey(to), limit).map(awaitedRowOf);
  }

  /** Statements that were taken and hold a sequence of the range, by sequence. */
  taken(stream: number, range: SequenceRange, limit: number): AwaitedRow[] {
    const { first, end } = boundsOf(range);
    return this.#taken.all(stream, stream, first, end, first, limit).map(awaitedRowOf);
  }

  /** Rejections of statements that said to hold a sequence of the range, by place. */
  refused(
    device: number,
    at: { readonly incarnation: Uint8Array; readonly range: SequenceRange },
    limit: number,
  ): AwaitedRow[] {
    const { lowest, first, end } = boundsOf(at.range);
    return this.#refused.all(device, at.incarnation, lowest, end, first, limit).map(awaitedRowOf);
  }

  devices(from: LanePlace, to: LanePlace): Identifier[] {
    return this.#devices.all(placeKey(from), placeKey(to)).map(storedIdentifier);
  }
}

export type Between = { readonly from: LanePlace; readonly to: LanePlace; readonly limit: number };

const sqliteIntegerMax = 2n ** 63n - 1n;

/** `lowest` is below the first sequence of any refused statement that can reach into the range. */
function boundsOf({ first, count }: SequenceRange) {
  const least = (value: bigint) => (value < sqliteIntegerMax ? value : sqliteIntegerMax);
  const lowest = least(first) - BigInt(readingsPerBundleMax);
  return { lowest, first: least(first), end: least(first + BigInt(count)) };
}

function optional(row: Stored | undefined): StatementRow | undefined {
  return row === undefined ? undefined : rowOf(row);
}

function rowOf(row: Stored): StatementRow {
  const kind = present(kinds[Number(row.kind)], "stored statement kind");
  const base = { ...placeOfKey(Number(row.place)), device: storedIdentifier(row.device) };
  const identity = storedDigest(row.identity);
  if (kind === "rejection") {
    const code = present(row.code, "stored rejection's code");
    return { ...base, kind, refused: identity, code, position: positionOf(row) };
  }
  if (kind === "result") return { ...base, kind, identity };
  return {
    ...base,
    kind,
    identity,
    position: present(positionOf(row), "stored statement's position"),
    bodyKey: row.body === null ? undefined : Number(row.body),
  };
}

function awaitedRowOf(stored: Stored): AwaitedRow {
  const row = rowOf(stored);
  assert(row.kind !== "result", "a query for what a device waits for");
  return row;
}

function positionOf(row: Stored): Position | undefined {
  const { stream, incarnation, first, count } = row;
  if (stream === null || incarnation === null || first === null || count === null) return undefined;
  return {
    stream: storedIdentifier(stream),
    incarnation: storedBytes(incarnation),
    range: { first, count: Number(count) },
  };
}
