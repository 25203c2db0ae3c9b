/** Makes room in an outbox, step by step in the order of {@link spaceSteps}, inside a transaction. */

import { assert, assertNever } from "@tamga/ledger-core/base/assert";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { GapReason } from "@tamga/ledger-core/wire/device-claims";
import { gapReasons, parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Interval } from "./interval-set.ts";
import type { SpacePurpose, SpaceStep, WhenFull } from "./outbox.ts";
import { isThinned, spaceSteps, statementKinds, thinLevelMax, toInterval } from "./outbox.ts";
import type { Account, GapTable, SettledTable } from "./outbox-ranges.ts";
import type { StatementRow, StatementTable } from "./statement-table.ts";

type Tables = {
  readonly account: Account;
  readonly statements: StatementTable;
  readonly gaps: GapTable;
  readonly settled: SettledTable;
  deleteRun(id: number): void;
};

/** Rows looked at together: enough to be quick, few enough not to free much more than is needed. */
const batch = 32;

export class OutboxSpace {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #sql: ReturnType<typeof prepare>;
  /** Where the pass of the present thinning level has got to; a restart begins the pass again. */
  #thinned = 0;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#tables = tables;
    this.#sql = prepare(database);
  }

  /** Frees until no more than `target` bytes are used; returns whether it came to that. */
  shrinkTo(
    target: number,
    { policy, purpose }: { readonly policy: WhenFull; readonly purpose: SpacePurpose },
  ): boolean {
    const { account } = this.#tables;
    if (account.used <= target) return true;
    // Nothing waits any more: the next backlog is thinned from the beginning.
    if (account.counts[0] === 0) account.thinLevel = 1;
    for (const step of spaceSteps(policy, purpose)) {
      while (account.used > target && this.#take(step, target));
      if (account.used <= target) return true;
    }
    return false;
  }

  /** One batch of a step; false when the step has nothing more to give. */
  #take(step: SpaceStep, target: number): boolean {
    const { statements } = this.#tables;
    const until = (rows: readonly StatementRow[], give: (row: StatementRow) => void) => {
      for (const row of rows) {
        if (this.#tables.account.used <= target) break;
        give(row);
      }
      return rows.length > 0;
    };
    switch (step) {
      case "free-final":
        return until(this.#sql.settled.all(batch), (row) => this.#free(row));
      case "drop-provisional-bodies":
        return until(this.#sql.provisional.all(batch), (row) => statements.dropBody(row));
      case "thin-pending":
        return this.#thin(target);
      case "shed-pending":
        return until(this.#sql.bundles.all(0, 0, batch), (row) => this.shed(row, "shed-oldest"));
      case "shed-provisional":
        return until(this.#sql.bundles.all(1, 0, batch), (row) => this.shed(row, "shed-oldest"));
      case "shed-control":
        return until(this.#sql.control.all(batch), (row) => this.shed(row, "shed-oldest"));
      case "merge-gaps":
        return this.#mergeGaps();
      default:
        return assertNever(step);
    }
  }

  /** Removes a statement that is not final and says so: its sequences wait for a gap statement. */
  shed(row: StatementRow, reason: GapReason): void {
    assert(row.state < 2, "what is final is freed, not shed");
    const { statements, gaps } = this.#tables;
    statements.remove(row);
    const time = { from: row.time_from, to: row.time_to };
    // A gap statement goes for the reason that it gave: its ranges and its own sequence then join.
    let why = gapReasons.indexOf(reason);
    for (const missing of missingOf(row)) {
      why = missing.reason;
      gaps.add(row.run, { ...missing.interval, reason: why, time });
    }
    const own = { from: row.first, to: row.first + row.count };
    gaps.add(row.run, { ...own, reason: why, time });
  }

  #free(row: StatementRow): void {
    const { statements, settled } = this.#tables;
    statements.remove(row);
    settled.add(row.run, { from: row.first, to: row.first + row.count });
    for (const { interval } of missingOf(row)) settled.add(row.run, interval);
    if (this.#sql.isDone.get(row.run, row.run) === 1) this.#tables.deleteRun(row.run);
  }

  /** Every second bundle of what is left, oldest first; one pass over the backlog a level. */
  #thin(target: number): boolean {
    const { account } = this.#tables;
    const rows = this.#sql.bundles.all(0, this.#thinned, 8 * batch);
    for (const row of rows) {
      if (account.used <= target) return true;
      this.#thinned = row.ordinal;
      if (isThinned(row.place, account.thinLevel)) this.shed(row, "thinned");
    }
    if (rows.length > 0) return true;
    this.#thinned = 0;
    if (account.thinLevel >= thinLevelMax) return false;
    account.thinLevel++;
    return true;
  }

  /** Takes back the oldest gap statements so that fewer can say the same; undone where that is no gain. */
  #mergeGaps(): boolean {
    const { account } = this.#tables;
    const rows = this.#sql.gapStatements.all(batch);
    if (rows.length < 2) return false;
    const { used, counts, gapRows } = account;
    const before = { used, gapRows, counts: counts.slice() };
    this.#database.exec("SAVEPOINT merge");
    for (const row of rows) this.shed(row, "shed-oldest");
    // A new statement will be needed, so a small gain is none.
    const gained = account.used < used - 1_024;
    if (!gained) {
      this.#database.exec("ROLLBACK TO merge");
      const [a = 0, b = 0, c = 0, d = 0] = before.counts;
      Object.assign(account, { used, gapRows, counts: [a, b, c, d] });
    }
    this.#database.exec("RELEASE merge");
    return gained;
  }
}

/** What a gap statement lists; nothing for the other kinds. */
export function missingOf(
  row: Pick<StatementRow, "kind" | "bytes">,
): readonly { readonly interval: Interval; readonly reason: number }[] {
  if (statementKinds[row.kind] !== "gap") return [];
  const parsed = parseStatement(row.bytes);
  assert(parsed.ok, "a stored gap statement parses");
  const claims = parseDeviceClaims("gap", parsed.value.claims);
  assert(claims.ok && claims.value.kind === "gap", "a stored gap statement has a gap's claims");
  const reason = gapReasons.indexOf(claims.value.reason);
  return claims.value.missing.map((range) => ({ interval: toInterval(range), reason }));
}

function prepare(database: Database) {
  const select = "SELECT * FROM statement";
  const order = "ORDER BY ordinal LIMIT ?";
  return {
    settled: database.prepare<[number], StatementRow>(`${select} WHERE state >= 2 ${order}`),
    provisional: database.prepare<[number], StatementRow>(
      `${select} INDEXED BY statement_provisional WHERE state = 1 AND body_cost > 0 ${order}`,
    ),
    bundles: database.prepare<[number, number, number], StatementRow>(
      `${select} INDEXED BY statement_bundle
       WHERE state < 2 AND kind = 0 AND state = ? AND ordinal > ? ${order}`,
    ),
    control: database.prepare<[number], StatementRow>(
      `${select} WHERE state < 2 AND kind > 0 AND kind <> 1 ${order}`,
    ),
    gapStatements: database.prepare<[number], StatementRow>(
      `${select} WHERE state < 2 AND kind > 0 AND kind = 1 ${order}`,
    ),
    /** 1 when nothing but settled sequences is left of a run that is not its stream's newest. */
    isDone: database
      .prepare<[number, number], number>(
        `SELECT NOT EXISTS (SELECT 1 FROM statement WHERE run = r.id)
         AND NOT EXISTS (SELECT 1 FROM journal WHERE run = r.id)
         AND NOT EXISTS (SELECT 1 FROM gap WHERE run = r.id)
         AND EXISTS (SELECT 1 FROM run WHERE stream = r.stream AND id > ?)
         FROM run r WHERE r.id = ?`,
      )
      .pluck(),
  };
}
