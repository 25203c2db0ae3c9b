/** Files that survive a power cut, and a data directory that one process owns at a time. */

import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { OperationalError } from "../base/operational-error.ts";

/**
 * Replaces a file in one step: after a crash it holds the old bytes or the new, never a mixture, and
 * once this returns, the new. Blocks until the disk has them. One writer a path at a time.
 * Throws DISK_FULL, FILE_UNWRITABLE.
 *
 * @param mode exact permission bits, whatever the umask.
 */
export function writeFileDurable(path: string, bytes: Uint8Array, mode = 0o600): void {
  const file = resolve(path);
  // A fixed name: what a crash leaves behind is removed by the next write.
  const temporary = `${file}.tmp`;
  try {
    rmSync(temporary, { force: true });
    const descriptor = openSync(temporary, "wx", mode);
    try {
      fchmodSync(descriptor, mode);
      writeFileSync(descriptor, bytes);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    fsyncDirectory(dirname(file));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw fileError(cause, file);
  }
}

/**
 * Makes a directory and its missing parents, durably. One that exists keeps its mode: systemd or
 * the operator chose it. Throws DISK_FULL, FILE_UNWRITABLE.
 */
export function ensureDir(path: string, mode = 0o700): void {
  const directory = resolve(path);
  try {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
    const parent = dirname(directory);
    if (parent !== directory) ensureDir(parent, mode);
    mkdirSync(directory, { mode });
    fsyncDirectory(parent);
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    throw fileError(cause, directory);
  }
}

/** Makes the names in a directory durable: a new or renamed file is lost without it. */
export function fsyncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export type DataDirLock = { readonly release: () => void };

/**
 * Takes the data directory for this process. The lock is the kernel's (SQLite's exclusive lock on
 * an empty database), so it is gone as soon as its owner is dead, however it died; `lock.pid` only
 * tells people who that is. Throws DATA_DIR_IN_USE, FILE_UNWRITABLE.
 */
export function lockDataDir(directory: string): DataDirLock {
  const pidFile = join(directory, "lock.pid");
  let database: SqliteDatabase.Database | undefined;
  try {
    database = new SqliteDatabase(join(directory, "lock.db"), { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    if (!(cause instanceof SqliteDatabase.SqliteError && cause.code.startsWith("SQLITE_BUSY")))
      throw fileError(cause, join(directory, "lock.db"));
    const owner = readOwner(pidFile);
    throw new OperationalError(
      "DATA_DIR_IN_USE",
      `The data directory ${directory} is in use by another process${owner}: ` +
        "stop that one first, or give this one a directory of its own.",
      { details: { directory } },
    );
  }
  const held = database;
  try {
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (cause) {
    held.close();
    throw fileError(cause, pidFile);
  }
  return {
    release: () => {
      if (!held.open) return;
      rmSync(pidFile, { force: true });
      held.close();
    },
  };
}

function readOwner(pidFile: string): string {
  try {
    const pid = /^\d{1,10}/.exec(readFileSync(pidFile, "latin1"))?.[0];
    return pid === undefined ? "" : ` (pid ${pid})`;
  } catch {
    return "";
  }
}

function fileError(cause: unknown, file: string): OperationalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const details = { file, systemCode: code };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "SQLITE_FULL") {
    const sentence = `No space is left for ${file}: free some, or raise the quota.`;
    return new OperationalError("DISK_FULL", sentence, { details, cause });
  }
  const sentence = `${file} cannot be written (${code}): check its path, owner and mount.`;
  return new OperationalError("FILE_UNWRITABLE", sentence, { details, cause });
}
