/**
 * Opens a channel anew after its database was lost or restored: with one validator nobody can tell what
 * a restored database no longer knows, so it never goes on with the old log (CONSENSUS.md, n = 1).
 */

import { randomBytes } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Digest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import { databaseError, openDatabase } from "../daemon/sqlite.ts";
import { fsyncDirectory } from "../daemon/state-dir.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { CaSigner } from "./create-channel.ts";
import { createChannel } from "./create-channel.ts";
import { asideName, keepAside } from "./keep-aside.ts";
import { createLog, judgeOwn, requireOneValidator, selfOf } from "./own-channel.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import type { ValidatorKey } from "./validator-key.ts";

export type ReopenOptions = {
  /** The ledger's database, of which nothing may be open. */
  readonly path: string;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly validatorKey: ValidatorKey;
  /** The organisation whose CA signs, and its key. */
  readonly organisation: Identifier;
  readonly signer: CaSigner;
  /**
   * A later head than the database has, e.g. of a receipt that a device kept: the new channel then says
   * that it came after that one.
   */
  readonly knownHead?: TreeHead;
};

export type Reopened = {
  readonly id: Digest;
  /** Where the old database stays, whole. */
  readonly keptAside: string;
};

/**
 * Replaces the database at `path` by that of a new incarnation of its channel, whose first leaf names
 * the old channel and its last known head. Same organisations, same validator. The old file is kept
 * beside it. After a crash at any instant `path` holds the old channel or the new one; run it again.
 *
 * @throws OperationalError LEDGER_MISSING, LEDGER_NOT_SOLO, DATABASE_*, DISK_FULL,
 *   VALIDATOR_KEY_MISMATCH.
 */
export async function reopenChannel(options: ReopenOptions): Promise<Reopened> {
  const { path, crypto, validatorKey } = options;
  const { genesis, head } = readOld(path, crypto);
  requireOneValidator(genesis);
  selfOf(genesis, { validatorKey });
  if (existsSync(`${path}-wal`))
    throw new OperationalError(
      "DATABASE_BUSY",
      `The ledger database ${path} is open elsewhere: stop its daemon first.`,
      { details: { file: path } },
    );
  const next = `${path}.new`;
  // What an interrupted run left was never used.
  for (const suffix of ["", "-wal", "-shm"]) rmSync(next + suffix, { force: true });
  const { transaction } = await announce(options, genesis, head);
  const id = create(next, crypto, transaction);
  const keptAside = asideName(path, genesis.identity.incarnation);
  keepAside(path, keptAside);
  renameSync(next, path);
  fsyncDirectory(dirname(path));
  return { id, keptAside };
}

/** The old channel and its last head, its `-wal` folded in so that one file is all of it. */
function readOld(
  path: string,
  crypto: CryptoPort,
): { readonly genesis: ChannelGenesis; readonly head: TreeHead } {
  if (!existsSync(path))
    throw new OperationalError(
      "LEDGER_MISSING",
      `There is no ledger database at ${path}: put the backup there first.`,
      { details: { file: path } },
    );
  const db = openDatabase(path);
  try {
    const channel = SqliteChannel.open(db, crypto);
    if (channel.log.size === 0)
      throw new OperationalError("LEDGER_MISSING", `The ledger database ${path} holds no channel.`);
    db.pragma("wal_checkpoint(TRUNCATE)");
    const head = { size: BigInt(channel.log.size), root: channel.log.root() };
    return { genesis: channel.genesis(), head };
  } finally {
    db.close();
  }
}

/** The new channel's log with its first leaf; its node begins to vote and seals it at the next start. */
function create(path: string, crypto: CryptoPort, transaction: Transaction): Digest {
  const db = openDatabase(path);
  try {
    const genesis = judgeOwn(crypto, transaction);
    createLog(SqliteChannel.open(db, crypto), genesis, transaction);
    return genesis.identity.id;
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    db.close();
  }
}

function announce(options: ReopenOptions, old: ChannelGenesis, head: TreeHead) {
  const { crypto, clock, signer, organisation, knownHead } = options;
  const { policy, claims, identity } = old;
  const last = knownHead !== undefined && knownHead.size > head.size ? knownHead : head;
  return createChannel(
    { crypto, signer },
    {
      consortium: identity.consortium,
      channel: identity.channel,
      incarnation: new Uint8Array(randomBytes(16)),
      organisation,
      organisations: policy.organisations,
      validators: claims.validators,
      predecessor: { channelId: identity.id, head: last },
      at: clock.now(),
    },
  );
}
