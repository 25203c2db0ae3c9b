/** Opens SQLite so that a committed transaction survives a power cut, or refuses to run. */

import { closeSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { OperationalError } from "../base/operational-error.ts";
import { busyTimeoutMsMax, walBytesKept } from "./limits.ts";
import { fsyncDirectory } from "./state-dir.ts";
import { walDecayOf } from "./wal-decay.ts";

export type Database = SqliteDatabase.Database;

export type DatabaseOptions = {
  /** For looking on while a daemon writes: no migration, no check, the file must exist. */
  readonly readonly?: boolean;
  /**
   * The schema: SQL that takes version i to i + 1, from an empty file on. Never edit one that was
   * released; append. Each runs in a transaction of its own. Without it any version will do.
   */
  readonly migrations?: readonly string[];
  /**
   * Nobody else writes to it, and what is lost unnoticed would be worse than standing still: the log is
   * judged before SQLite takes it, and emptied after.
   */
  readonly judgesLog?: boolean;
  /** Milliseconds to wait for another writer; five seconds unless given. */
  readonly busyTimeoutMs?: number;
};

/**
 * WAL, synchronous FULL, foreign keys on, schema untrusted. `-wal` and `-shm` belong to the
 * database: nothing here or elsewhere deletes them. Throws DATABASE_NOT_DURABLE,
 * DATABASE_CORRUPT, DATABASE_TOO_NEW, DATABASE_TOO_OLD (read-only) and what
 * {@link databaseError} makes of SQLite's own.
 */
export function openDatabase(path: string, options: DatabaseOptions = {}): Database {
  const file = resolve(path);
  const readonly = options.readonly ?? false;
  const timeout = Math.min(options.busyTimeoutMs ?? busyTimeoutMsMax, busyTimeoutMsMax);
  let database: Database | undefined;
  try {
    if (!readonly) createOwnFile(file);
    if (options.judgesLog === true) requireWholeLog(file);
    database = new SqliteDatabase(file, { readonly, fileMustExist: true, timeout });
    database.pragma("trusted_schema = OFF");
    database.pragma("cell_size_check = ON");
    database.pragma("foreign_keys = ON");
    if (readonly) {
      requireVersion(database, file, options.migrations);
      return database;
    }
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    // Has an effect on macOS alone, where fsync stops short of the platter.
    database.pragma("fullfsync = ON");
    database.pragma(`journal_size_limit = ${walBytesKept}`);
    requireDurable(database);
    checkIntegrity(database, file);
    if (options.judgesLog === true) database.pragma("wal_checkpoint(TRUNCATE)");
    if (options.migrations !== undefined) migrate(database, file, options.migrations);
    return database;
  } catch (error) {
    database?.close();
    throw databaseError(error, file);
  }
}

/** What this very connection does at a commit: `PRAGMA synchronous` is not a property of the file. */
export type Durability = {
  readonly journal: string;
  /** 0 OFF, 1 NORMAL, 2 FULL, 3 EXTRA. */
  readonly synchronous: number;
};

export function durabilityOf(database: Database): Durability {
  const journal = String(database.pragma("journal_mode", { simple: true }));
  const synchronous = Number(database.pragma("synchronous", { simple: true }));
  return { journal, synchronous };
}

/** Throws DATABASE_NOT_DURABLE unless a commit reaches the disk before it returns. */
export function requireDurable(database: Database): void {
  const { journal, synchronous } = durabilityOf(database);
  if (journal === "wal" && synchronous >= synchronousFull) return;
  throw new OperationalError(
    "DATABASE_NOT_DURABLE",
    `The database ${database.name} would lose what it has acknowledged (journal ${journal}, ` +
      `synchronous ${synchronous}): put it on a local file system that allows WAL.`,
    { details: { file: database.name, journal, synchronous } },
  );
}

/**
 * Turns SQLite's error into ours, by its code: DATABASE_BUSY, DISK_FULL, DATABASE_CORRUPT,
 * DATABASE_IO, DATABASE_UNAVAILABLE. What concerns one row (a constraint) or is no error of SQLite
 * comes back as it is.
 */
export function databaseError(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  const known =
    code === undefined ? undefined : sentences.find(([start]) => code.startsWith(start));
  if (code === undefined || known === undefined) return error;
  const [, ours, what] = known;
  return new OperationalError(ours, `The database ${file} ${what}.`, {
    details: { file, sqliteCode: code },
    cause: error,
  });
}

/** `PRAGMA synchronous`: 2 is FULL, 3 is EXTRA. */
const synchronousFull = 2;

const restore =
  "keep the file and its -wal for rescue, then restore a backup or start with an empty directory";
const sentences: readonly (readonly [start: string, code: string, what: string])[] = [
  ["SQLITE_BUSY", "DATABASE_BUSY", "is held by another process: see what else has it open"],
  ["SQLITE_LOCKED", "DATABASE_BUSY", "is held by another connection of this process"],
  ["SQLITE_FULL", "DISK_FULL", "has no space left: free some, or raise the quota"],
  ["SQLITE_CORRUPT", "DATABASE_CORRUPT", `is damaged: ${restore}`],
  ["SQLITE_NOTADB", "DATABASE_CORRUPT", `is no database: ${restore}`],
  ["SQLITE_IOERR", "DATABASE_IO", "cannot be read or written: look at the disk and the kernel log"],
  ["SQLITE_CANTOPEN", "DATABASE_UNAVAILABLE", "cannot be opened: check its path and owner"],
  ["SQLITE_READONLY", "DATABASE_UNAVAILABLE", "cannot be written: check its owner and mount"],
  ["SQLITE_PERM", "DATABASE_UNAVAILABLE", "cannot be opened: check its owner"],
];

function sqliteCode(error: unknown): string | undefined {
  if (error instanceof SqliteDatabase.SqliteError) return error.code;
  if (error instanceof Error && "code" in error && error.code === "ENOSPC") return "SQLITE_FULL";
  if (error instanceof Error && "syscall" in error) return "SQLITE_CANTOPEN";
  // The binding's own complaint about a directory that is not there has no code.
  return error instanceof TypeError && /directory does not exist/.test(error.message)
    ? "SQLITE_CANTOPEN"
    : undefined;
}

/** For its owner alone; its name is on disk before anything in it is promised. */
function createOwnFile(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
    fsyncDirectory(dirname(file));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return;
    throw error;
  }
}

function checkIntegrity(database: Database, file: string): void {
  const verdict = String(database.pragma("quick_check(1)", { simple: true }));
  if (verdict === "ok") return;
  throw new OperationalError("DATABASE_CORRUPT", `The database ${file} is damaged: ${restore}.`, {
    details: { file, verdict: verdict.slice(0, 200) },
  });
}

function requireWholeLog(file: string): void {
  const decay = walDecayOf(`${file}-wal`);
  if (decay === undefined) return;
  const { frame } = decay;
  throw new OperationalError(
    "DATABASE_CORRUPT",
    `The database ${file} is damaged: frame ${frame} of its -wal is not what was written, and commits ` +
      `after it would be lost: ${restore}.`,
    { details: { file, frame } },
  );
}

function versionOf(database: Database): number {
  return Number(database.pragma("user_version", { simple: true }));
}

function migrate(database: Database, file: string, migrations: readonly string[]): void {
  requireNotNewer(database, file, migrations);
  for (let version = versionOf(database); version < migrations.length; version++) {
    const step = database.transaction(() => {
      // Another process may have been first: look again under the lock.
      if (versionOf(database) !== version) return;
      database.exec(migrations[version] ?? "");
      database.pragma(`user_version = ${version + 1}`);
    });
    step.immediate();
  }
}

function requireNotNewer(database: Database, file: string, migrations: readonly string[]): void {
  const version = versionOf(database);
  if (version <= migrations.length) return;
  throw new OperationalError(
    "DATABASE_TOO_NEW",
    `The database ${file} was written by a newer Tamga (schema ${version}, this one knows ` +
      `${migrations.length}): upgrade this one.`,
    { details: { file, version } },
  );
}

function requireVersion(
  database: Database,
  file: string,
  migrations: readonly string[] | undefined,
): void {
  if (migrations === undefined) return;
  requireNotNewer(database, file, migrations);
  const version = versionOf(database);
  if (version === migrations.length) return;
  throw new OperationalError(
    "DATABASE_TOO_OLD",
    `The database ${file} has schema ${version} of ${migrations.length}: start its daemon once.`,
    { details: { file, version } },
  );
}
