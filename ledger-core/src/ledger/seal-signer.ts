/**
 * The one place where a validator signs a tree head. It signs what stands in a durable row and nothing
 * else, so no two inconsistent sizes ever get its signature, whatever was going on when power failed.
 */

import type Database from "better-sqlite3";
import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, fromUtf8, parseDigest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import { encodeCheckpoint } from "../log/checkpoint.ts";
import { cosignature, cosignatureMessage } from "../log/cosignature.ts";
import { cosignatureTimeSecondsMax } from "../log/limits.ts";
import { encodeNote } from "../log/note.ts";
import { parseTreeSize } from "../log/tree-size.ts";
import { cosignerOf } from "../receipt/verify-seal.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import { prepareLogSignature } from "../wire/log-signature.ts";
import type { SealedCheckpoint } from "./ledger.ts";
import type { SqliteLog } from "./sqlite-log.ts";
import type { ValidatorKey } from "./validator-key.ts";

/** A seal and when it was made. */
export type OwnSeal = SealedCheckpoint & { readonly at: UnixMillis };

type SealRow = {
  readonly size: number;
  readonly root: Uint8Array;
  readonly time_seconds: number;
  readonly note: string | null;
};

export class SealSigner {
  readonly #db: Database.Database;
  readonly #log: SqliteLog;
  readonly #crypto: CryptoPort;
  readonly #key: ValidatorKey;
  readonly #validator: Validator;
  readonly #origin: string;
  readonly #read: Database.Statement<[], SealRow>;
  readonly #write: Database.Statement<[number, Uint8Array, number]>;
  readonly #finish: Database.Statement<[string]>;

  constructor(
    {
      db,
      log,
      crypto,
    }: {
      readonly db: Database.Database;
      readonly log: SqliteLog;
      readonly crypto: CryptoPort;
    },
    {
      key,
      validator,
      origin,
    }: {
      readonly key: ValidatorKey;
      readonly validator: Validator;
      readonly origin: string;
    },
  ) {
    this.#db = db;
    this.#log = log;
    this.#crypto = crypto;
    this.#key = key;
    this.#validator = validator;
    this.#origin = origin;
    db.exec(`
      CREATE TABLE IF NOT EXISTS channel_seal (
        one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
        time_seconds INTEGER NOT NULL, note TEXT) STRICT;
    `);
    this.#read = db.prepare("SELECT size, root, time_seconds, note FROM channel_seal");
    this.#write = db.prepare("INSERT OR REPLACE INTO channel_seal VALUES (1, ?, ?, ?, NULL)");
    this.#finish = db.prepare("UPDATE channel_seal SET note = ?");
  }

  /**
   * Writes down, in the transaction of the block itself, that the log's head will be signed, and with
   * which time: the clock's, never below the last.
   *
   * @throws OperationalError SEAL_INCONSISTENT when the log is no continuation of what was promised.
   */
  promise(now: UnixMillis): void {
    assert(this.#db.inTransaction, "a promise commits with its block");
    const last = this.#read.get();
    const { size } = this.#log;
    const root = this.#log.root();
    const clock = Math.min(Math.floor(now / 1_000), cosignatureTimeSecondsMax);
    if (last !== undefined) {
      const continues = last.size <= size && equal(this.#log.root(last.size), last.root);
      if (!continues) throw inconsistent(last.size, size);
      if (last.size === size) return;
    }
    this.#write.run(size, root, Math.max(clock, last?.time_seconds ?? 0));
  }

  /**
   * Signs what was promised, once that has committed, and stores the seal. The same promise gives the
   * same bytes again, so a crash in between costs nothing.
   *
   * @returns undefined when nothing was ever promised.
   */
  seal(): OwnSeal | undefined {
    assert(!this.#db.inTransaction, "only what is durable is signed");
    const row = this.#read.get();
    if (row === undefined) return undefined;
    const own = this.#log.size >= row.size && equal(this.#log.root(row.size), row.root);
    if (!own) throw inconsistent(row.size, this.#log.size);
    const seal = this.#sign({ size: BigInt(row.size), root: digestOf(row.root) }, row.time_seconds);
    if (row.note === null) this.#finish.run(seal.note);
    else if (row.note !== seal.note) throw inconsistent(row.size, this.#log.size);
    return seal;
  }

  #sign(head: TreeHead, timeSeconds: number): OwnSeal {
    const size = parseTreeSize(head.size);
    assert(size.ok, "size of our own log");
    const text = encodeCheckpoint({
      origin: this.#origin,
      treeSize: size.value,
      root: head.root,
      extensions: [],
    });
    const line = cosignature(this.#crypto, cosignerOf(this.#validator), {
      timeSeconds,
      signature: this.#key.sign(cosignatureMessage(text, timeSeconds)),
    });
    const note = fromUtf8(encodeNote({ text, signatures: [line] }));
    const { publicKey } = this.#key;
    const kid = thumbprint((bytes) => this.#crypto.sha256(bytes), {
      algorithm: "EdDSA",
      point: publicKey,
    });
    const prepared = prepareLogSignature(
      { origin: this.#origin, ...head },
      { algorithm: "EdDSA", kid },
    );
    const { protectedBytes, toBeSigned } = prepared;
    return {
      ...head,
      note: present(note, "a note is text"),
      signatures: [{ protectedBytes, signature: this.#key.sign(toBeSigned) }],
      at: unixMillis(timeSeconds * 1_000),
    };
  }
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
      "of a backup, open a new incarnation of the channel with restore.",
    { details: { promised, size } },
  );
}
