/** The tables of `lane.db`, apart from the logs' own. All integers but sequences are below 2^53. */

import { assert } from "@tamga/ledger-core/base/assert";
import { laneIncarnationsMax } from "../limits.ts";
import type { LanePlace } from "./lane.ts";

/**
 * `statement.place` is the leaf: ordinal of the lane's incarnation and index in it. A row is there
 * once for each statement, at its newest place. Its two further keys are by position (unique, P3)
 * and by device. There is none by identity: digests come in no order, so each statement would write
 * a page of its own (4 KiB twice, for 500 bytes of statement), and a position leads to it as well.
 */
export const laneSchema = `
  CREATE TABLE lane (
    ordinal INTEGER PRIMARY KEY, incarnation BLOB NOT NULL UNIQUE, channel_id BLOB NOT NULL,
    reason TEXT NOT NULL, opened_at INTEGER NOT NULL, needs_all INTEGER NOT NULL,
    predecessor BLOB, predecessor_size INTEGER, predecessor_root BLOB, ordered BLOB) STRICT;
  CREATE TABLE owner (
    one INTEGER PRIMARY KEY CHECK (one = 1), consortium TEXT NOT NULL, channel TEXT NOT NULL,
    gateway TEXT NOT NULL) STRICT;
  CREATE TABLE device (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, conflicts INTEGER NOT NULL,
    refused INTEGER NOT NULL, quarantine_bytes INTEGER NOT NULL, bytes_dropped INTEGER NOT NULL,
    answered INTEGER NOT NULL) STRICT;
  CREATE TABLE stream (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, incarnation BLOB NOT NULL, name TEXT NOT NULL,
    received BLOB NOT NULL, UNIQUE (device, incarnation)) STRICT;
  CREATE TABLE statement (
    place INTEGER PRIMARY KEY, device INTEGER NOT NULL, stream INTEGER, first INTEGER NOT NULL,
    count INTEGER NOT NULL, kind INTEGER NOT NULL, identity BLOB NOT NULL, body INTEGER) STRICT;
  CREATE UNIQUE INDEX statement_position ON statement (stream, first) WHERE stream IS NOT NULL;
  CREATE INDEX statement_device ON statement (device);
  CREATE TABLE body (
    id INTEGER PRIMARY KEY, encoding INTEGER NOT NULL, length INTEGER NOT NULL,
    bytes BLOB NOT NULL) STRICT;
  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, digest BLOB NOT NULL, place INTEGER NOT NULL,
    code TEXT NOT NULL, at INTEGER NOT NULL, stream TEXT, incarnation BLOB, first INTEGER,
    count INTEGER, length INTEGER NOT NULL, bytes BLOB, UNIQUE (device, digest)) STRICT;
  CREATE INDEX quarantine_position ON quarantine (device, incarnation, first)
    WHERE incarnation IS NOT NULL;
`;

/** Finds the newest evidence of a device among millions of bundles; no other statement writes into it. */
export const evidenceIndex = `CREATE INDEX statement_evidence ON statement (device) WHERE kind = 5;`;

/** Leaves of kind `result`, by device, by the counts of the quote, and by the evidence that they judge. */
export const resultTable = `
  CREATE TABLE result (
    place INTEGER PRIMARY KEY, device INTEGER NOT NULL, state INTEGER NOT NULL, evidence INTEGER,
    reset_count INTEGER, clock INTEGER, attest BLOB, anchored INTEGER) STRICT;
  CREATE INDEX result_device ON result (device);
  CREATE INDEX result_counts ON result (device, reset_count, clock) WHERE attest IS NOT NULL;
  CREATE INDEX result_evidence ON result (evidence) WHERE evidence IS NOT NULL;
`;

/** For `openDatabase`. Never edited once released: changes are appended. */
export const laneMigrations: readonly string[] = [laneSchema, evidenceIndex, resultTable];

const leavesPerLane = 2 ** 40;

/** One integer for a leaf of any incarnation, in order of both. */
export function placeKey({ lane, leafIndex }: LanePlace): number {
  assert(leafIndex >= 0n && leafIndex <= leavesPerLane, "leaf index up to 2^40");
  assert(lane >= 1 && lane <= laneIncarnationsMax, "lane's ordinal within the limit");
  return lane * leavesPerLane + Number(leafIndex);
}

export function placeOfKey(key: number): LanePlace {
  const lane = Math.floor(key / leavesPerLane);
  return { lane, leafIndex: BigInt(key - lane * leavesPerLane) };
}
