/**
 * Begins the channel of a recovery genesis in a member's own database: the lost channel's log up to its last
 * seal, the recovery as the next leaf, and the state that both led to. The old database stays beside it.
 */

import { copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type Database from "better-sqlite3";
import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import { databaseError, openDatabase } from "../daemon/sqlite.ts";
import { fsyncDirectory } from "../daemon/state-dir.ts";
import { followEpochs } from "../receipt/epoch-chain.ts";
import type { EpochItem } from "../receipt/epochs-file.ts";
import type { VerifiedRecovery } from "../receipt/recovery.ts";
import { encodeContent } from "./channel-content-codec.ts";
import type { ChannelState } from "./channel-state.ts";
import { stateForRecovery } from "./draft-recovery.ts";
import { asideName, keepAside } from "./keep-aside.ts";
import { genesisOf, recoveredState } from "./recovered-genesis.ts";
import { chainStatements } from "./sqlite-chain-rows.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { putRecovery } from "./sqlite-recovery.ts";
import { SqliteVoteStore } from "./sqlite-vote-store.ts";
import { truncateLog } from "./truncate-log.ts";

export type RecoverOptions = {
  /** The channel's database, of which nothing may be open. */
  readonly path: string;
  readonly votesPath: string;
  readonly crypto: CryptoPort;
  /** Of an epochs file that ends with the recovery. */
  readonly items: readonly EpochItem[];
};

export type RecoveredChannel = {
  readonly recovery: VerifiedRecovery;
  /** Where the lost channel's database stays, whole; absent where this was done before. */
  readonly keptAside?: string;
  /** It had voted in that channel before: it signs nothing until others have said what it signed. */
  readonly isDoubted: boolean;
};

/**
 * Verifies the recovery, compares it with this member's own history, and puts the new channel's database in
 * the old one's place. After a crash at any instant `path` holds the old channel or the new one; run it again.
 *
 * @throws OperationalError EPOCH_*, RECOVERY_*, DATABASE_*, DISK_FULL.
 */
export function recoverChannel(options: RecoverOptions): RecoveredChannel {
  const { path, crypto, items } = options;
  const next = `${path}.new`;
  const { recovery, state, aside } = readLost(options);
  if (state === undefined) return { recovery, isDoubted: false };
  if (existsSync(`${path}-wal`))
    throw new OperationalError(
      "DATABASE_BUSY",
      `The ledger database ${path} is open elsewhere: stop its daemon first.`,
      { details: { file: path } },
    );
  // What an interrupted run left was never used.
  for (const suffix of ["", "-wal", "-shm"]) rmSync(next + suffix, { force: true });
  copyFileSync(path, next);
  build(next, crypto, { recovery, state, items });
  const isDoubted = beginVotes(options, recovery.id);
  keepAside(path, aside);
  renameSync(next, path);
  fsyncDirectory(dirname(path));
  return { recovery, keptAside: aside, isDoubted };
}

/** Undefined state: the database is of the recovered channel already. */
function readLost({ path, crypto, items }: RecoverOptions): {
  readonly recovery: VerifiedRecovery;
  readonly state: ChannelState | undefined;
  readonly aside: string;
} {
  const db = openDatabase(path);
  try {
    const channel = SqliteChannel.open(db, crypto);
    const followed = followEpochs(crypto, channel.opening().policy, items);
    if (!followed.ok)
      throw new OperationalError(
        followed.fault.code,
        "The recovery is not good: its code says why. Ask its sender for the file again.",
      );
    const recovery = present(followed.value.recoveries.at(-1), "a recovery at the end of the file");
    const { identity } = channel.genesis();
    const isDone = equal(identity.id, recovery.id);
    const state = isDone ? undefined : stateForRecovery(channel, recovery);
    db.pragma("wal_checkpoint(TRUNCATE)");
    return { recovery, state, aside: asideName(path, identity.incarnation) };
  } finally {
    db.close();
  }
}

function build(
  path: string,
  crypto: CryptoPort,
  of: {
    readonly recovery: VerifiedRecovery;
    readonly state: ChannelState;
    readonly items: readonly EpochItem[];
  },
): void {
  const { recovery, state, items } = of;
  const genesis = genesisOf(recovery);
  const size = Number(recovery.claims.head.size);
  const first = recoveredState(crypto, genesis, state);
  const db = openDatabase(path);
  try {
    db.transaction(() => {
      cut(db, SqliteChannel.open(db, crypto), size);
      putRecovery(db, { items, content: encodeContent(state) });
      const channel = SqliteChannel.open(db, crypto);
      putState(channel, first, size);
      const { id: identity, transaction, claims } = recovery;
      channel.appendBlock([{ identity, transaction }], { time: claims.at });
    }).immediate();
    const stored = SqliteChannel.open(db, crypto);
    const loaded = stored.loadState(stored.genesis()).channel;
    assert(
      equal(loaded.root(), first.root()),
      "the recovered channel begins with the lost one's state",
    );
    db.pragma("wal_checkpoint(TRUNCATE)");
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    db.close();
  }
}

/** Takes away what the lost channel ordered, promised, sealed and kept beyond the size, and its whole chain. */
function cut(db: Database.Database, { log }: SqliteChannel, size: number): void {
  chainStatements(db);
  truncateLog(db, "channel_log", log, size);
  db.prepare<[number]>("DELETE FROM channel_block WHERE first >= ?").run(size);
  for (const table of byIndex)
    db.prepare<[number]>(`DELETE FROM ${table} WHERE idx >= ?`).run(size);
  for (const table of whole) db.exec(`DELETE FROM ${table}`);
  // Tables that not every release and node made.
  for (const table of perhaps) {
    const has = db
      .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
      .get(table);
    if (has !== undefined) db.exec(`DELETE FROM ${table}`);
  }
}

const byIndex = [
  "channel_statement",
  "channel_evidence",
  "channel_opening",
  "channel_opened_lane",
  "channel_revocation",
  "channel_lane_fault",
  "channel_device_key",
];
/** Their rows are replaced in place, so they are written anew. */
const whole = ["channel_lane", "channel_device", "channel_anchor", "channel_boundary"];
const perhaps = [
  ...["chain_block", "chain_boundary", "chain_pruned"],
  ...["channel_sealed", "channel_promise", "channel_seal", "channel_snapshot", "snapshot_entry"],
];

function putState({ rows }: SqliteChannel, state: ChannelState, index: number): void {
  const { lanes, devices, anchors, governance } = state.content();
  for (const lane of lanes) rows.putLane(lane);
  for (const device of devices) rows.putDevice(device, index);
  for (const anchor of anchors) rows.putAnchor(anchor, Number(anchor.index));
  rows.putGovernance(governance);
}

/**
 * Before the new database is in its place: without votes it would be taken for one that lost them. Votes that
 * are there say that this validator took part already, before its database was lost: then others are asked first.
 */
function beginVotes({ votesPath, crypto }: RecoverOptions, channel: Digest): boolean {
  const votes = SqliteVoteStore.open(votesPath, crypto);
  try {
    if (!votes.has(channel)) {
      votes.begin(channel, { amnesia: false });
      return false;
    }
    const { rows, floor, amnesia } = votes.load(channel);
    if (!amnesia && rows.length === 0 && floor.epoch === 0 && floor.view === 0) return false;
    votes.write([{ channel, writes: [{ type: "amnesia", set: true }] }]);
    return true;
  } finally {
    votes.close();
  }
}
