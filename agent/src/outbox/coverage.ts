/** Proves of an outbox that every sequence is in exactly one place; for `doctor` and for tests. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Interval } from "./interval-set.ts";
import { coalesce } from "./outbox.ts";
import { missingOf } from "./outbox-space.ts";

/** Where the sequences of all incarnations are. */
export type Coverage = {
  readonly runs: number;
  readonly sequences: number;
  readonly inJournal: number;
  readonly inStatements: number;
  readonly waitingForGap: number;
  readonly statedMissing: number;
  readonly settled: number;
};

/** `sequence` is covered by `times` places instead of one. */
export type CoverageFault = {
  readonly code: "OUTBOX_COVERAGE";
  readonly run: number;
  readonly sequence: number;
  readonly times: number;
};

/**
 * Every sequence 0 … next − 1 of every incarnation is in the journal, in a statement, in a gap that
 * waits to be stated, in a gap statement's list, or was settled: in one of them, once.
 */
export function checkOutboxCovers(database: Database): Result<Coverage, CoverageFault> {
  const sums = { inJournal: 0, inStatements: 0, waitingForGap: 0, statedMissing: 0, settled: 0 };
  let sequences = 0;
  const runs = database
    .prepare<[], { readonly id: number; readonly next: number }>("SELECT id, next FROM run")
    .all();
  for (const { id, next } of runs) {
    const places: Interval[] = [];
    for (const [name, intervals] of sources(database, id)) {
      for (const { from, to } of intervals) sums[name] += to - from;
      places.push(...coalesce(intervals));
    }
    places.sort((a, b) => a.from - b.from);
    let at = 0;
    for (const { from, to } of places) {
      if (from > at) return err({ code: "OUTBOX_COVERAGE", run: id, sequence: at, times: 0 });
      if (from < at) return err({ code: "OUTBOX_COVERAGE", run: id, sequence: from, times: 2 });
      at = to;
    }
    if (at < next) return err({ code: "OUTBOX_COVERAGE", run: id, sequence: at, times: 0 });
    if (at > next) return err({ code: "OUTBOX_COVERAGE", run: id, sequence: next, times: 2 });
    sequences += next;
  }
  return ok({ runs: runs.length, sequences, ...sums });
}

/** As {@link checkOutboxCovers}, for where anything else is our own bug. */
export function assertOutboxCovers(database: Database): Coverage {
  const covered = checkOutboxCovers(database);
  assert(
    covered.ok,
    covered.ok
      ? ""
      : `sequence ${covered.fault.sequence} of run ${covered.fault.run} is in ` +
          `${covered.fault.times} places`,
  );
  return covered.value;
}

type Source = Exclude<keyof Coverage, "runs" | "sequences">;

/** Ascending intervals of each table; the journal's and the statements' are joined as they come. */
function sources(database: Database, run: number): [Source, readonly Interval[]][] {
  const list = (sql: string) => {
    const joined: Interval[] = [];
    for (const row of database.prepare<[number], Interval>(sql).iterate(run)) {
      const last = joined.at(-1);
      if (last?.to === row.from) joined[joined.length - 1] = { from: last.from, to: row.to };
      else joined.push({ from: row.from, to: row.to });
    }
    return joined;
  };
  const stated: Interval[] = [];
  const gaps = database
    .prepare<[number], { readonly kind: number; readonly bytes: Uint8Array }>(
      "SELECT kind, bytes FROM statement WHERE run = ? AND kind = 1",
    )
    .iterate(run);
  for (const row of gaps) stated.push(...missingOf(row).map(({ interval }) => interval));
  stated.sort((a, b) => a.from - b.from);
  const ranges = `SELECT first AS "from", first + count AS "to"`;
  const order = "WHERE run = ? ORDER BY first";
  return [
    [
      "inJournal",
      list(`SELECT sequence AS "from", sequence + 1 AS "to" FROM journal WHERE run = ?
            ORDER BY sequence`),
    ],
    ["inStatements", list(`${ranges} FROM statement ${order}`)],
    ["waitingForGap", list(`${ranges} FROM gap ${order}`)],
    ["settled", list(`${ranges} FROM settled ${order}`)],
    ["statedMissing", stated],
  ];
}

/** The sum of what all rows cost, read from the rows; equal to the running sum unless it is wrong. */
export function storedBytesOf(database: Database): number {
  const row = database
    .prepare<[], { readonly bytes: number }>(
      `SELECT (SELECT coalesce(sum(length(bytes) + length(coalesce(rejection, x''))), 0)
               FROM statement) + (SELECT coalesce(sum(length(bytes)), 0) FROM body)
            + (SELECT coalesce(sum(length(bytes)), 0) FROM journal) AS bytes`,
    )
    .get();
  return present(row, "sums").bytes;
}
