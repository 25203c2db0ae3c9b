/**
 * A channel's whole content as it was after a final block, kept beside the blocks: what is judged again
 * starts from it once the blocks before it are gone. Nothing of it is believed beyond that block's header.
 */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import { headerDigest } from "../consensus/block.ts";
import { verifyCertificate } from "../consensus/certificate.ts";
import { encodeContent, parseContent } from "./channel-content-codec.ts";
import type { ChannelState } from "./channel-state.ts";
import { snapshotsKeptMax } from "./limits.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { plain } from "./sqlite-columns.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS channel_snapshot (
    height INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
`;

export class SqliteSnapshots {
  readonly #put: Database.Statement<[number, Uint8Array]>;
  readonly #forget: Database.Statement<[number]>;
  readonly #kept: Database.Statement<[], { readonly height: number; readonly bytes: number }>;
  readonly #slice: Database.Statement<[number, number, number], Uint8Array>;
  readonly #newest: Database.Statement<
    [],
    { readonly height: number; readonly content: Uint8Array }
  >;

  constructor(db: Database.Database) {
    db.exec(schema);
    this.#put = db.prepare("INSERT OR REPLACE INTO channel_snapshot VALUES (?, ?)");
    this.#forget = db.prepare(
      `DELETE FROM channel_snapshot
       WHERE height <= (SELECT height FROM channel_snapshot ORDER BY height DESC LIMIT 1 OFFSET ?)`,
    );
    this.#kept = db.prepare(
      "SELECT height, length(content) AS bytes FROM channel_snapshot ORDER BY height DESC",
    );
    this.#slice = db
      .prepare<[number, number, number], Uint8Array>(
        "SELECT substr(content, ? + 1, ?) FROM channel_snapshot WHERE height = ?",
      )
      .pluck();
    this.#newest = db.prepare(
      "SELECT height, content FROM channel_snapshot ORDER BY height DESC LIMIT 1",
    );
  }

  /** Of the newest; 0 where there is none. */
  get height(): number {
    return this.#kept.get()?.height ?? 0;
  }

  /** Keeps the state after the final block of this height; inside the caller's transaction. */
  take(state: ChannelState, height: number): void {
    this.put(height, encodeContent(state));
  }

  /** The same of a content that was verified. */
  put(height: number, content: Uint8Array): void {
    this.#put.run(height, content);
    this.#forget.run(snapshotsKeptMax);
  }

  /** Heights and sizes, the newest first. */
  kept(): readonly { readonly height: number; readonly bytes: number }[] {
    return this.#kept.all();
  }

  /** Bytes of a content from an offset on; undefined where there is none, or nothing behind the offset. */
  slice(height: number, from: number, bytesMax: number): Uint8Array | undefined {
    const bytes = this.#slice.get(from, bytesMax, height);
    return bytes === undefined || bytes.length === 0 ? undefined : plain(bytes);
  }

  newest(): { readonly height: number; readonly content: Uint8Array } | undefined {
    const row = this.#newest.get();
    return row === undefined ? undefined : { height: row.height, content: plain(row.content) };
  }
}

/**
 * Forgets the blocks below a height, of a block that stays. Those after it are judged from a snapshot, which is
 * taken now where none is new enough; inside the caller's transaction.
 */
export function pruneBlocks(
  { chain, snapshots }: { readonly chain: SqliteChain; readonly snapshots: SqliteSnapshots },
  { below, state }: { readonly below: number; readonly state: ChannelState },
): void {
  chain.prune(below);
  if (snapshots.height < below) snapshots.take(state, chain.height);
}

/** What a check of a database looked at. Leaves are counted from 0, blocks from 1. */
export type DatabaseCheck = {
  /** Leaves that were hashed and found by their identities: all of them. */
  readonly leaves: number;
  /** The first leaf whose transaction was judged again; those before it, but for the opening, were not. */
  readonly judgedFrom: number;
  /** Blocks whose headers were followed to the newest finalization; `from` is beyond `to` without any. */
  readonly blocks: { readonly from: number; readonly to: number };
  /** Blocks below this height are gone, so that nothing of them but their leaves was checked; 1: none. */
  readonly prunedBelow: number;
};

/**
 * Checks a channel's database whole: the log's hashes, every statement's identity, the chain of headers to the
 * newest finalization, and every transaction that has its evidence still, from the newest snapshot on where
 * blocks were pruned.
 *
 * @throws OperationalError DATABASE_CORRUPT.
 */
export function verifyDatabase(channel: SqliteChannel, crypto: CryptoPort): DatabaseCheck {
  const genesis = channel.genesis();
  const chain = new SqliteChain(channel, { crypto, genesis });
  const { prunedBelow, height: to } = chain;
  const leaves = channel.log.size;
  if (prunedBelow === 1) {
    if (to > 0) verifyLinks(chain, crypto, genesis.identity.id, 1);
    channel.verifyAll();
    return { leaves, judgedFrom: 1, blocks: { from: 1, to }, prunedBelow };
  }
  const snapshot = new SqliteSnapshots(channel.db).newest();
  if (snapshot === undefined || snapshot.height < chain.prunedBelow)
    throw corrupt("its blocks were pruned, and no snapshot stands in for them");
  const { height, content } = snapshot;
  verifyLinks(chain, crypto, genesis.identity.id, height);
  const header = chain.header(height);
  assert(header !== undefined, "a block that was linked is there");
  const { stateRoot } = header;
  const parsed = parseContent({ crypto, genesis }, { bytes: content, stateRoot });
  if (!parsed.ok)
    throw corrupt(`its snapshot is not what block ${height} led to (${parsed.fault.code})`);
  const judgedFrom = Number(header.logSize);
  channel.verifyAll({ state: parsed.value, size: judgedFrom });
  return { leaves, judgedFrom, blocks: { from: height, to }, prunedBelow };
}

/** From a block on, each is the parent of the next, and the newest is final by its epoch's validators. */
function verifyLinks(
  chain: SqliteChain,
  crypto: CryptoPort,
  id: Parameters<typeof verifyCertificate>[1]["channel"],
  from: number,
): void {
  const tip = chain.tip();
  let parent: Uint8Array | undefined;
  for (let height = from; height <= chain.height; height++) {
    const header = chain.header(height);
    if (header === undefined) throw corrupt(`block ${height} is gone`);
    if (parent !== undefined && !equal(header.parentDigest, parent))
      throw corrupt(`block ${height} does not follow the one before it`);
    parent = headerDigest(crypto, header);
  }
  const validators = tip === undefined ? undefined : chain.validatorsOf(tip.header.epoch);
  if (tip === undefined || validators === undefined || parent === undefined)
    throw corrupt("its newest block is gone");
  const { certificate } = tip;
  const isOfTip =
    certificate.ballot.kind === "finalize" && equal(certificate.ballot.digest, parent);
  if (!isOfTip || !verifyCertificate(crypto, { channel: id, validators }, certificate).ok)
    throw corrupt("the finalization of its newest block is not one");
}

function corrupt(what: string): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `The channel in the ledger database is damaged: ${what}. Nothing was changed. Copy the data ` +
      "directory away, check the disk, and restore the directory from a backup.",
  );
}
