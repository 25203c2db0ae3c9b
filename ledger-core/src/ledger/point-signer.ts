/**
 * The one place where a validator signs a tree head. It signs what stands in a durable row and nothing
 * else, so no two inconsistent sizes ever get its signature, whatever was going on when power failed.
 */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, parseDigest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { UnixMillis } from "../base/time.ts";
import { sealPointsOpenMax } from "../consensus/limits.ts";
import type { SealPoint } from "../consensus/replica-io.ts";
import { cosignatureTimeSecondsMax } from "../log/limits.ts";
import type { NamedSecondKey } from "./seal-payload.ts";
import { signSeal } from "./seal-payload.ts";
import type { SqliteLog } from "./sqlite-log.ts";
import type { ValidatorKey } from "./validator-key.ts";

type PromiseColumns = {
  readonly size: number;
  readonly epoch: number;
  readonly height: number;
  readonly root: Uint8Array;
  readonly time_seconds: number;
};

const schema = `
  CREATE TABLE IF NOT EXISTS channel_promise (
    size INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, height INTEGER NOT NULL, root BLOB NOT NULL,
    time_seconds INTEGER NOT NULL) STRICT;
`;

export class PointSigner {
  readonly #db: Database.Database;
  readonly #log: SqliteLog;
  readonly #crypto: Pick<CryptoPort, "sha256">;
  readonly #keys: { readonly key: ValidatorKey; readonly second: NamedSecondKey | undefined };
  readonly #origin: string;
  readonly #rows: ReturnType<typeof promiseStatements>;

  constructor(
    {
      db,
      log,
      crypto,
    }: {
      readonly db: Database.Database;
      readonly log: SqliteLog;
      readonly crypto: Pick<CryptoPort, "sha256">;
    },
    {
      key,
      second,
      origin,
    }: {
      readonly key: ValidatorKey;
      readonly second?: NamedSecondKey | undefined;
      readonly origin: string;
    },
  ) {
    this.#db = db;
    this.#log = log;
    this.#crypto = crypto;
    this.#keys = { key, second };
    this.#origin = origin;
    db.exec(schema);
    this.#rows = promiseStatements(db);
    this.#takeOver();
  }

  /**
   * Writes down, in the transaction of the block itself, that this head of the log will be signed, and with
   * which time: the clock's, never below the last.
   *
   * @throws OperationalError SEAL_INCONSISTENT when the log is no continuation of what was promised.
   */
  promise(point: SealPoint, now: UnixMillis): void {
    assert(this.#db.inTransaction, "a promise commits with its block");
    const size = Number(point.size);
    this.#requireOwn(size, point.root);
    const last = this.#rows.newest.get();
    if (last !== undefined) {
      this.#requireOwn(last.size, last.root);
      if (last.size > size) throw inconsistent(last.size, size);
      if (last.size === size) {
        // The next epoch's validators seal it again; one that is in both makes the same bytes again.
        if (last.epoch < point.epoch) this.#rows.handOver.run(point.epoch, point.height, size);
        return;
      }
    }
    const clock = Math.min(Math.floor(now / 1_000), cosignatureTimeSecondsMax);
    const timeSeconds = Math.max(clock, last?.time_seconds ?? 0);
    this.#rows.put.run(size, point.epoch, point.height, point.root, timeSeconds);
    this.#rows.forget.run(sealPointsOpenMax);
  }

  /** The newest seal point of the final chain. */
  promised(): SealPoint | undefined {
    const row = this.#rows.newest.get();
    if (row === undefined) return undefined;
    const { size, epoch, height } = row;
    return { epoch, height, size: BigInt(size), root: digestOf(row.root) };
  }

  /**
   * Signs a point that was promised, once that has committed. The same promise gives the same message
   * again, so a crash in between costs nothing.
   *
   * @returns undefined where nothing was promised of this point, or too long ago.
   * @throws OperationalError SEAL_INCONSISTENT.
   */
  sign(point: SealPoint): Uint8Array | undefined {
    assert(!this.#db.inTransaction, "only what is durable is signed");
    const size = Number(point.size);
    const row = this.#rows.at.get(size);
    if (row === undefined) return undefined;
    if (row.epoch < point.epoch || !equal(row.root, point.root))
      throw inconsistent(row.size, this.#log.size);
    this.#requireOwn(row.size, row.root);
    const head = { origin: this.#origin, size: point.size, root: point.root };
    return signSeal(this.#crypto, this.#keys, head, row.time_seconds);
  }

  /** What a release whose one validator ran no consensus had promised, so that it is kept. */
  #takeOver(): void {
    const isOld = this.#rows.hasOld.get() !== undefined && this.#rows.newest.get() === undefined;
    if (isOld)
      this.#db.exec(
        "INSERT INTO channel_promise SELECT size, 0, 0, root, time_seconds FROM channel_seal",
      );
  }

  #requireOwn(size: number, root: Uint8Array): void {
    const isOwn = size <= this.#log.size && equal(this.#log.root(size), root);
    if (!isOwn) throw inconsistent(size, this.#log.size);
  }
}

function promiseStatements(db: Database.Database) {
  return {
    put: db.prepare<[number, number, number, Uint8Array, number]>(
      "INSERT INTO channel_promise VALUES (?, ?, ?, ?, ?)",
    ),
    handOver: db.prepare<[number, number, number]>(
      "UPDATE channel_promise SET epoch = ?, height = ? WHERE size = ?",
    ),
    at: db.prepare<[number], PromiseColumns>("SELECT * FROM channel_promise WHERE size = ?"),
    newest: db.prepare<[], PromiseColumns>(
      "SELECT * FROM channel_promise ORDER BY size DESC LIMIT 1",
    ),
    hasOld: db.prepare<[], { readonly name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'channel_seal'",
    ),
    forget: db.prepare<[number]>(
      `DELETE FROM channel_promise
       WHERE size <= (SELECT size FROM channel_promise ORDER BY size DESC LIMIT 1 OFFSET ?)`,
    ),
  };
}

function digestOf(bytes: Uint8Array): Digest {
  const parsed = parseDigest(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  assert(parsed.ok, "a stored root has 32 bytes");
  return parsed.value;
}

function inconsistent(promised: number, size: number): OperationalError {
  return new OperationalError(
    "SEAL_INCONSISTENT",
    `This validator has promised its signature for ${promised} entries of the channel's log, and the ` +
      `log, now of ${size}, is no continuation of them. It signs nothing. If the database came out ` +
      "of a backup, say so with the restore command.",
    { details: { promised, size } },
  );
}
