/** The two tables of sequence ranges in an outbox: gaps that no statement names yet, and settled ones. */

import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Statement } from "better-sqlite3";
import type { Interval } from "./interval-set.ts";
import { rangeCost } from "./outbox.ts";
import { reservedReason } from "./outbox-schema.ts";

/** What the outbox holds, kept in step with its tables and taken back with their transaction. */
export type Account = {
  used: number;
  /** Statements by the number of their state. */
  counts: [number, number, number, number];
  gapRows: number;
  thinLevel: number;
};

/** Receive times of the readings concerned, in milliseconds. */
export type Times = { readonly from: number; readonly to: number };
export type GapRow = Interval & { readonly reason: number; readonly time: Times };

type Row = {
  readonly first: number;
  readonly count: number;
  readonly reason: number;
  readonly time_from: number;
  readonly time_to: number;
};

/** Lost sequences; neighbours of one reason are one row. */
export class GapTable {
  readonly #account: Account;
  readonly #before: Statement<[number, number], Row>;
  readonly #at: Statement<[number, number], Row>;
  readonly #insert: Statement<[number, number, number, number, number, number]>;
  readonly #delete: Statement<[number, number]>;
  readonly #list: Statement<[number, number, number], Row>;
  readonly #kinds: Statement<[], { readonly run: number; readonly reason: number }>;

  constructor(database: Database, account: Account) {
    this.#account = account;
    this.#before = database.prepare(
      "SELECT * FROM gap WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1",
    );
    this.#at = database.prepare("SELECT * FROM gap WHERE run = ? AND first = ?");
    this.#insert = database.prepare("INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM gap WHERE run = ? AND first = ?");
    this.#list = database.prepare(
      "SELECT * FROM gap WHERE run = ? AND reason = ? ORDER BY first LIMIT ?",
    );
    this.#kinds = database.prepare(
      `SELECT DISTINCT run, reason FROM gap WHERE reason <> ${reservedReason} ORDER BY run, reason`,
    );
  }

  add(run: number, gap: GapRow): void {
    let { from, to } = gap;
    let time = gap.time;
    const before = this.#before.get(run, from);
    if (before !== undefined && before.first + before.count === from && same(before, gap)) {
      from = before.first;
      time = spanning(time, before);
      this.#drop(run, before);
    }
    const after = this.#at.get(run, to);
    if (after !== undefined && same(after, gap)) {
      to = after.first + after.count;
      time = spanning(time, after);
      this.#drop(run, after);
    }
    this.#put(run, { from, to, reason: gap.reason, time });
  }

  /** Takes a range out of the row that holds all of it. Returns whether there was one. */
  remove(run: number, { from, to }: Interval): boolean {
    const row = this.#before.get(run, from);
    if (row === undefined || row.first + row.count < to) return false;
    const { reason } = row;
    const time = { from: row.time_from, to: row.time_to };
    this.#drop(run, row);
    if (row.first < from) this.#put(run, { from: row.first, to: from, reason, time });
    const end = row.first + row.count;
    if (end > to) this.#put(run, { from: to, to: end, reason, time });
    return true;
  }

  /** The first rows of one reason. */
  list(run: number, reason: number, limit: number): readonly GapRow[] {
    return this.#list.all(run, reason, limit).map((row) => ({
      from: row.first,
      to: row.first + row.count,
      reason,
      time: { from: row.time_from, to: row.time_to },
    }));
  }

  /** Which runs have gaps to state, and why. */
  kinds(): readonly { readonly run: number; readonly reason: number }[] {
    return this.#kinds.all();
  }

  #put(run: number, { from, to, reason, time }: GapRow): void {
    this.#insert.run(run, from, to - from, reason, time.from, time.to);
    this.#account.used += rangeCost;
    this.#account.gapRows++;
  }

  #drop(run: number, row: Row): void {
    this.#delete.run(run, row.first);
    this.#account.used -= rangeCost;
    this.#account.gapRows--;
  }
}

/** Sequences whose statement had its final receipt and has been freed since. */
export class SettledTable {
  readonly #account: Account;
  readonly #before: Statement<[number, number], Interval>;
  readonly #at: Statement<[number, number], Interval>;
  readonly #insert: Statement<[number, number, number]>;
  readonly #delete: Statement<[number, number]>;

  constructor(database: Database, account: Account) {
    this.#account = account;
    const columns = `SELECT first AS "from", first + count AS "to" FROM settled WHERE run = ?`;
    this.#before = database.prepare(`${columns} AND first < ? ORDER BY first DESC LIMIT 1`);
    this.#at = database.prepare(`${columns} AND first = ?`);
    this.#insert = database.prepare("INSERT INTO settled VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM settled WHERE run = ? AND first = ?");
  }

  add(run: number, interval: Interval): void {
    let { from, to } = interval;
    const before = this.#before.get(run, from);
    if (before?.to === from) {
      from = before.from;
      this.#drop(run, before);
    }
    const after = this.#at.get(run, to);
    if (after !== undefined) {
      to = after.to;
      this.#drop(run, after);
    }
    this.#insert.run(run, from, to - from);
    this.#account.used += rangeCost;
  }

  #drop(run: number, { from }: Interval): void {
    this.#delete.run(run, from);
    this.#account.used -= rangeCost;
  }
}

function same(row: Row, gap: GapRow): boolean {
  return row.reason === gap.reason;
}

function spanning(time: Times, row: Row): Times {
  return { from: Math.min(time.from, row.time_from), to: Math.max(time.to, row.time_to) };
}
