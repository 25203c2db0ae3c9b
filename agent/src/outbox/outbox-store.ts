/** The rows of an outbox, synchronously; every change happens inside {@link OutboxStore.transaction}. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { parseDigest } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { gapReasons } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { OutboxConfig, SpacePurpose, StatementKind } from "./outbox.ts";
import {
  bodyCost,
  journalCost,
  journalRowCost,
  rangeCost,
  runCost,
  spaceLimit,
  statementCost,
  statementKinds,
} from "./outbox.ts";
import type { Account, Times } from "./outbox-ranges.ts";
import { GapTable, SettledTable } from "./outbox-ranges.ts";
import { reservedReason } from "./outbox-schema.ts";
import { OutboxSpace } from "./outbox-space.ts";
import { RowSealing, storedLength } from "./row-sealing.ts";
import type { BodyRow, StatementRow } from "./statement-table.ts";
import { StatementTable } from "./statement-table.ts";

export type RunRow = {
  readonly id: number;
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly bootId: Uint8Array;
  next: number;
  bundles: number;
  last: Digest | undefined;
};

export type JournalRow = {
  readonly sequence: number;
  readonly received: number;
  readonly bytes: Uint8Array;
  /** 1 where the row is encrypted on disk; `bytes` are always the reading's. */
  readonly sealed?: number;
};

/** What a statement is when it enters the outbox. */
export type NewStatement = {
  readonly run: number;
  readonly first: number;
  readonly count: number;
  readonly kind: StatementKind;
  readonly place: number;
  readonly time: Times;
  readonly identity: Digest;
  readonly leaf: Digest;
  readonly bytes: Uint8Array;
  readonly body?: {
    readonly encoding: number;
    readonly length: number;
    readonly bytes: Uint8Array;
  };
};

type RawRun = {
  readonly id: number;
  readonly stream: string;
  readonly incarnation: Uint8Array;
  readonly boot_id: Uint8Array;
  readonly next: number;
  readonly bundles: number;
  readonly last_identity: Uint8Array | null;
};

/** A gateway's result statement (WIRE.md §7) that was verified. */
export type HeldResult = { readonly identity: Digest; readonly bytes: Uint8Array };

export class OutboxStore {
  /** Read once: each statement asks for it. */
  #result: { readonly held: HeldResult | undefined } | undefined;
  readonly statements: StatementTable;
  readonly gaps: GapTable;
  readonly settled: SettledTable;
  readonly account: Account = { used: 0, counts: [0, 0, 0, 0], gapRows: 0, thinLevel: 1 };
  /** Bytes that the disk has been seen to hold, where that is less than the quota. */
  diskLimit: number | undefined;
  readonly #database: Database;
  readonly #config: OutboxConfig;
  readonly #space: OutboxSpace;
  readonly #rows: RowSealing;
  readonly #sql: ReturnType<typeof prepare>;

  /** @param database opened with `outboxMigrations`; `rows` were opened on the same. */
  constructor(database: Database, config: OutboxConfig, rows = RowSealing.none) {
    this.#database = database;
    this.#config = config;
    this.#rows = rows;
    this.#sql = prepare(database);
    this.gaps = new GapTable(database, this.account);
    this.settled = new SettledTable(database, this.account);
    this.statements = new StatementTable(database, this.account);
    this.#space = new OutboxSpace(database, this);
    this.#load();
  }

  /**
   * All or nothing, on disk when it returns; the account goes back with the rows. What `change` does
   * to anything else is its own to undo.
   */
  transaction<T>(change: () => T): T {
    const { used, counts, gapRows, thinLevel } = this.account;
    const before = { used, counts: counts.slice(), gapRows, thinLevel };
    this.#sql.begin.run();
    try {
      const result = change();
      assert(this.account.used >= 0, "the outbox uses no less than nothing");
      this.#sql.saveAccount.run(this.account.used, this.account.thinLevel);
      this.#sql.commit.run();
      return result;
    } catch (error) {
      // SQLite itself has rolled back on some errors, a full disk among them.
      if (this.#database.inTransaction) this.#sql.rollback.run();
      const [a = 0, b = 0, c = 0, d = 0] = before.counts;
      Object.assign(this.account, { used, gapRows, thinLevel, counts: [a, b, c, d] });
      throw error;
    }
  }

  /** The bytes that may be used now for this purpose. */
  limit(purpose: SpacePurpose): number {
    return spaceLimit(Math.min(this.#config.quota, this.diskLimit ?? Infinity), purpose);
  }

  /** Frees what it may until `need` more bytes fit; returns whether they do. */
  makeRoom(need: number, purpose: SpacePurpose): boolean {
    const target = this.limit(purpose) - need;
    return this.#space.shrinkTo(target, { policy: this.#config.whenFull, purpose });
  }

  /** Lists a bundle whose body is gone as lost: nobody can be given it any more. */
  shed(row: StatementRow): void {
    this.#space.shed(row, "shed-oldest");
  }

  /** Throws OUTBOX_INCARNATION_KNOWN: 16 random bytes that were used before are not random. */
  insertRun(run: Omit<RunRow, "id">): RunRow {
    if (this.#sql.runByIncarnation.get(run.incarnation) !== undefined) {
      throw new OperationalError("OUTBOX_INCARNATION_KNOWN", "the incarnation was used before");
    }
    const { stream, incarnation, bootId, next, bundles } = run;
    const { lastInsertRowid } = this.#sql.insertRun.run(stream, incarnation, bootId, next, bundles);
    this.account.used += runCost;
    return { ...run, id: Number(lastInsertRowid) };
  }

  updateRun(run: RunRow): void {
    this.#sql.updateRun.run(run.next, run.bundles, run.last ?? null, run.id);
  }

  /** In the order of their opening. */
  runs(): RunRow[] {
    return this.#sql.runs.all().map(runOf);
  }

  run(id: number): RunRow {
    return runOf(present(this.#sql.runById.get(id), "run of a row"));
  }

  runByIncarnation(incarnation: Uint8Array): RunRow | undefined {
    const row = this.#sql.runByIncarnation.get(incarnation);
    return row === undefined ? undefined : runOf(row);
  }

  /** Forgets a run of which nothing is left but settled sequences. */
  deleteRun(id: number): void {
    this.account.used -= runCost + rangeCost * this.#sql.deleteSettled.run(id).changes;
    this.#sql.deleteRun.run(id);
  }

  insertJournal(run: number, row: JournalRow): void {
    const { bytes, sealed } = this.#rows.journalIn(run, row);
    this.#sql.insertJournal.run(run, row.sequence, row.received, bytes, sealed);
    this.account.used += journalCost(bytes.length, this.#config.maxCount);
  }

  /** What a reading of so many bytes will cost in the journal. */
  journalCost(length: number): number {
    return journalCost(this.#rows.lengthOnDisk(length), this.#config.maxCount);
  }

  /** The oldest readings from `from` up to before `to` without a hole, no more than a bundle's. */
  journalChunk(run: number, { from, to }: { from: number; to: number }): readonly JournalRow[] {
    const chunk: JournalRow[] = [];
    let bytes = 0;
    for (const stored of this.#sql.journal.all(run, from, to, this.#config.maxCount)) {
      const row = this.#rows.journalOut(run, stored);
      const last = chunk.at(-1);
      if (last !== undefined && row.sequence !== last.sequence + 1) break;
      bytes += row.bytes.length;
      if (last !== undefined && bytes > this.#config.maxBytes) break;
      chunk.push(row);
    }
    return chunk;
  }

  deleteJournal(run: number, rows: readonly JournalRow[]): void {
    for (const row of rows) {
      const { changes } = this.#sql.deleteJournal.run(run, row.sequence);
      assert(changes === 1, "a bundled reading was in the journal");
      this.account.used -= journalCost(storedLength(row), this.#config.maxCount);
    }
  }

  insertStatement(statement: NewStatement): number {
    const { bytes, identity } = statement;
    const body = statement.body && this.#rows.bodyIn(identity, statement.body);
    const cost = statementCost(bytes.length);
    const ofBody = body === undefined ? 0 : bodyCost(body.bytes.length);
    this.makeRoom(cost + ofBody, "statement");
    const { lastInsertRowid } = this.#sql.insertStatement.run(
      statement.run,
      statement.first,
      statement.count,
      statementKinds.indexOf(statement.kind),
      statement.place,
      statement.time.from,
      statement.time.to,
      cost,
      ofBody,
      identity,
      statement.leaf,
      bytes,
    );
    if (body !== undefined) {
      this.#sql.insertBody.run(lastInsertRowid, body.encoding, body.length, body.bytes);
    }
    this.account.used += cost + ofBody;
    this.account.counts[0]++;
    return Number(lastInsertRowid);
  }

  /** As it goes on the wire; undefined for a statement without one. */
  body(row: Pick<StatementRow, "ordinal" | "identity">): BodyRow | undefined {
    const stored = this.statements.body(row.ordinal);
    return stored && this.#rows.bodyOut(row.identity, stored);
  }

  checkpoint(): TreeHead | undefined {
    const row = this.#sql.checkpoint.get();
    if (row === undefined || row.root === null) return undefined;
    return { size: row.size, root: digestOf(row.root) };
  }

  /** Keeps the larger of two. */
  saveCheckpoint(head: TreeHead): void {
    const known = this.checkpoint();
    if (known !== undefined && known.size >= head.size) return;
    this.#sql.saveCheckpoint.run(head.size, head.root);
  }

  /** What a gateway concluded last of this device; every later statement names its identity. */
  heldResult(): HeldResult | undefined {
    this.#result ??= { held: heldOf(this.#sql.result.get()) };
    return this.#result.held;
  }

  saveResult(held: HeldResult): void {
    this.#sql.saveResult.run(held.identity, held.bytes);
    this.#result = undefined;
  }

  /** Lets the log file be written from its start again, which needs no new space. */
  restartLog(): void {
    this.#database.pragma("wal_checkpoint(RESTART)");
  }

  /** Counts everything once; what a crash left reserved is damaged, and is stated as such. */
  #load(): void {
    const stored = present(this.#sql.account.get(), "row of meta");
    this.account.thinLevel = stored.thin_level;
    const journal = present(this.#sql.journalSums.get(), "sums of the journal");
    const { runs, gaps, settled } = present(this.#sql.rowCounts.get(), "counts of rows");
    let used = journal.cost + journal.count * journalRowCost(this.#config.maxCount);
    used += runs * runCost + (gaps + settled) * rangeCost;
    for (const { state, count, cost } of this.#sql.statementSums.all()) {
      used += cost;
      if (state === 0 || state === 1 || state === 2 || state === 3)
        this.account.counts[state] = count;
    }
    this.account.used = used;
    this.account.gapRows = gaps;
    // A journal row's share depends on the configuration, which may have changed since.
    assert(journal.count > 0 || stored.used === used, "the outbox's sum of bytes is right");
    const damaged = gapReasons.indexOf("damaged");
    this.transaction(() => {
      this.#database.exec(`UPDATE gap SET reason = ${damaged} WHERE reason = ${reservedReason}`);
    });
  }
}

/** The same bytes without the class that Node's binding gives them. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function digestOf(bytes: Uint8Array): Digest {
  const digest = parseDigest(plainBytes(bytes));
  assert(digest.ok, "a stored digest has 32 bytes");
  return digest.value;
}

function heldOf(
  row: { readonly identity: Uint8Array | null; readonly bytes: Uint8Array | null } | undefined,
): HeldResult | undefined {
  if (row === undefined || row.identity === null || row.bytes === null) return undefined;
  return { identity: digestOf(row.identity), bytes: plainBytes(row.bytes) };
}

function runOf(row: RawRun): RunRow {
  const stream = parseIdentifier(row.stream);
  assert(stream.ok, "a stored stream is an identifier");
  const { id, incarnation, boot_id: bootId, next, bundles, last_identity: last } = row;
  return {
    id,
    stream: stream.value,
    incarnation: plainBytes(incarnation),
    bootId: plainBytes(bootId),
    next,
    bundles,
    last: last === null ? undefined : digestOf(last),
  };
}

function prepare(database: Database) {
  return {
    begin: database.prepare<[]>("BEGIN IMMEDIATE"),
    commit: database.prepare<[]>("COMMIT"),
    rollback: database.prepare<[]>("ROLLBACK"),
    account: database.prepare<[], { readonly used: number; readonly thin_level: number }>(
      "SELECT used, thin_level FROM meta",
    ),
    saveAccount: database.prepare<[number, number]>("UPDATE meta SET used = ?, thin_level = ?"),
    checkpoint: database
      .prepare<[], { readonly size: bigint; readonly root: Uint8Array | null }>(
        "SELECT checkpoint_size AS size, checkpoint_root AS root FROM meta",
      )
      .safeIntegers(),
    saveCheckpoint: database.prepare<[bigint, Uint8Array]>(
      "UPDATE meta SET checkpoint_size = ?, checkpoint_root = ?",
    ),
    result: database.prepare<
      [],
      { readonly identity: Uint8Array | null; readonly bytes: Uint8Array | null }
    >("SELECT result_identity AS identity, result_bytes AS bytes FROM meta"),
    saveResult: database.prepare<[Uint8Array, Uint8Array]>(
      "UPDATE meta SET result_identity = ?, result_bytes = ?",
    ),
    runs: database.prepare<[], RawRun>("SELECT * FROM run ORDER BY id"),
    runById: database.prepare<[number], RawRun>("SELECT * FROM run WHERE id = ?"),
    runByIncarnation: database.prepare<[Uint8Array], RawRun>(
      "SELECT * FROM run WHERE incarnation = ?",
    ),
    insertRun: database.prepare<[string, Uint8Array, Uint8Array, number, number]>(
      "INSERT INTO run (stream, incarnation, boot_id, next, bundles) VALUES (?, ?, ?, ?, ?)",
    ),
    updateRun: database.prepare<[number, number, Uint8Array | null, number]>(
      "UPDATE run SET next = max(next, ?), bundles = ?, last_identity = ? WHERE id = ?",
    ),
    deleteRun: database.prepare<[number]>("DELETE FROM run WHERE id = ?"),
    deleteSettled: database.prepare<[number]>("DELETE FROM settled WHERE run = ?"),
    insertJournal: database.prepare<[number, number, number, Uint8Array, number]>(
      "INSERT INTO journal VALUES (?, ?, ?, ?, ?)",
    ),
    journal: database.prepare<[number, number, number, number], JournalRow>(
      `SELECT sequence, received, bytes, sealed FROM journal
       WHERE run = ? AND sequence >= ? AND sequence < ? ORDER BY sequence LIMIT ?`,
    ),
    deleteJournal: database.prepare<[number, number]>(
      "DELETE FROM journal WHERE run = ? AND sequence = ?",
    ),
    insertStatement: database.prepare(
      `INSERT INTO statement (run, first, count, kind, state, place, time_from, time_to, cost,
       body_cost, identity, leaf, bytes) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertBody: database.prepare<[number | bigint, number, number, Uint8Array]>(
      "INSERT INTO body VALUES (?, ?, ?, ?)",
    ),
    journalSums: database.prepare<[], { readonly count: number; readonly cost: number }>(
      `SELECT count(*) AS count,
       coalesce(sum(length(bytes) + (length(bytes) + 7) / 8), 0) AS cost FROM journal`,
    ),
    rowCounts: database.prepare<
      [],
      { readonly runs: number; readonly gaps: number; readonly settled: number }
    >(
      `SELECT (SELECT count(*) FROM run) AS runs, (SELECT count(*) FROM gap) AS gaps,
       (SELECT count(*) FROM settled) AS settled`,
    ),
    statementSums: database.prepare<
      [],
      { readonly state: number; readonly count: number; readonly cost: number }
    >(
      `SELECT state, count(*) AS count, sum(cost + body_cost) AS cost FROM statement
       GROUP BY state`,
    ),
  };
}
