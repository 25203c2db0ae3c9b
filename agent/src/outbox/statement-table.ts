/** The statements of an outbox and their bodies: look-up, change of state, removal. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Interval } from "./interval-set.ts";
import type { Account } from "./outbox-ranges.ts";

/** As stored; `kind`, `state` and `encoding` are numbers. */
export type StatementRow = {
  readonly ordinal: number;
  readonly run: number;
  readonly first: number;
  readonly count: number;
  readonly kind: number;
  readonly state: number;
  readonly place: number;
  readonly time_from: number;
  readonly time_to: number;
  readonly cost: number;
  readonly body_cost: number;
  readonly identity: Uint8Array;
  readonly leaf: Uint8Array;
  readonly bytes: Uint8Array;
  readonly rejection: Uint8Array | null;
};

export type BodyRow = {
  readonly encoding: number;
  readonly length: number;
  readonly bytes: Uint8Array;
};

type Position = Interval & { readonly run: number };

export class StatementTable {
  readonly #account: Account;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: Database, account: Account) {
    this.#account = account;
    this.#sql = prepare(database);
  }

  get(ordinal: number): StatementRow | undefined {
    return this.#sql.get.get(ordinal);
  }

  at(run: number, first: number): StatementRow | undefined {
    return this.#sql.at.get(run, first);
  }

  last(): number {
    return this.#sql.last.get()?.last ?? 0;
  }

  /** A few that are final and come after this one. */
  finalAfter(ordinal: number): readonly Pick<StatementRow, "ordinal" | "bytes">[] {
    return this.#sql.finalAfter.all(ordinal);
  }

  body(ordinal: number): BodyRow | undefined {
    return this.#sql.body.get(ordinal);
  }

  /** The next pending one at or after a position, over all runs in the order of their opening. */
  nextPending(run: number, first: number): StatementRow | undefined {
    return this.#sql.nextPending.get(run, first);
  }

  /** The next whole one of a run at or after `from` and before `to`, whatever its state. */
  nextAt(run: number, { from, to }: Interval): StatementRow | undefined {
    return this.#sql.nextAt.get(run, from, to);
  }

  /** Bundles of a range whose body was given up and that are not final. */
  bare(run: number, { from, to }: Interval, limit: number): readonly StatementRow[] {
    return this.#sql.bare.all(run, from, to, limit);
  }

  /** Positions after the given one: not final (`pending`), or settled and still whole (`kept`). */
  positions(
    which: "pending" | "kept",
    after: { readonly run: number; readonly first: number },
    limit: number,
  ): readonly Position[] {
    return this.#sql[which].all(after.run, after.first, limit);
  }

  /** Never backwards: what is final stays final. Returns whether anything changed. */
  advance(ordinal: number, state: 1 | 2 | 3, rejection: Uint8Array | null = null): boolean {
    const row = this.#sql.stateOf.get(ordinal);
    if (row === undefined || row.state >= 2 || row.state >= state) return false;
    this.#sql.advance.run(state, rejection, rejection?.length ?? 0, ordinal);
    this.#account.used += rejection?.length ?? 0;
    this.#move(row.state, -1);
    this.#move(state, 1);
    return true;
  }

  /** Deletes the row and its body. */
  remove(row: Pick<StatementRow, "ordinal" | "state" | "cost" | "body_cost">): void {
    const { changes } = this.#sql.remove.run(row.ordinal);
    assert(changes === 1, "a removed statement was there");
    if (row.body_cost > 0) this.#sql.removeBody.run(row.ordinal);
    this.#account.used -= row.cost + row.body_cost;
    this.#move(row.state, -1);
  }

  dropBody(row: Pick<StatementRow, "ordinal" | "body_cost">): void {
    this.#sql.removeBody.run(row.ordinal);
    this.#sql.bareIt.run(row.ordinal);
    this.#account.used -= row.body_cost;
  }

  #move(state: number, by: 1 | -1): void {
    assert(state === 0 || state === 1 || state === 2 || state === 3, "a known state");
    this.#account.counts[state] += by;
    assert(present(this.#account.counts[state], "count") >= 0, "no state has less than none");
  }
}

/** The indexes are named since the planner, without statistics, takes one that sorts the backlog. */
function prepare(database: Database) {
  const positions = `SELECT run, first AS "from", first + count AS "to" FROM statement`;
  const order = "ORDER BY run, first LIMIT ?";
  return {
    get: database.prepare<[number], StatementRow>("SELECT * FROM statement WHERE ordinal = ?"),
    at: database.prepare<[number, number], StatementRow>(
      "SELECT * FROM statement WHERE run = ? AND first = ?",
    ),
    last: database.prepare<[], { readonly last: number | null }>(
      "SELECT max(ordinal) AS last FROM statement",
    ),
    finalAfter: database.prepare<[number], Pick<StatementRow, "ordinal" | "bytes">>(
      `SELECT ordinal, bytes FROM statement INDEXED BY statement_settled
       WHERE state >= 2 AND ordinal > ? AND state = 2 ORDER BY ordinal LIMIT 64`,
    ),
    body: database.prepare<[number], BodyRow>(
      "SELECT encoding, length, bytes FROM body WHERE ordinal = ?",
    ),
    nextPending: database.prepare<[number, number], StatementRow>(
      `SELECT * FROM statement INDEXED BY statement_pending WHERE state = 0 AND (run, first) >= (?, ?)
       ORDER BY run, first LIMIT 1`,
    ),
    nextAt: database.prepare<[number, number, number], StatementRow>(
      `SELECT * FROM statement WHERE run = ? AND first >= ? AND first < ?
       AND (kind > 0 OR body_cost > 0) ORDER BY first LIMIT 1`,
    ),
    bare: database.prepare<[number, number, number, number], StatementRow>(
      `SELECT * FROM statement WHERE kind = 0 AND body_cost = 0 AND state < 2
       AND run = ? AND first >= ? AND first < ? ORDER BY first LIMIT ?`,
    ),
    pending: database.prepare<[number, number, number], Position>(
      `${positions} INDEXED BY statement_open WHERE state < 2 AND (run, first) > (?, ?) ${order}`,
    ),
    kept: database.prepare<[number, number, number], Position>(
      `${positions} INDEXED BY statement_position WHERE state = 2 AND (kind > 0 OR body_cost > 0)
       AND (run, first) > (?, ?) ${order}`,
    ),
    stateOf: database.prepare<[number], { readonly state: number }>(
      "SELECT state FROM statement WHERE ordinal = ?",
    ),
    advance: database.prepare<[number, Uint8Array | null, number, number]>(
      "UPDATE statement SET state = ?, rejection = ?, cost = cost + ? WHERE ordinal = ?",
    ),
    remove: database.prepare<[number]>("DELETE FROM statement WHERE ordinal = ?"),
    removeBody: database.prepare<[number]>("DELETE FROM body WHERE ordinal = ?"),
    bareIt: database.prepare<[number]>("UPDATE statement SET body_cost = 0 WHERE ordinal = ?"),
  };
}
