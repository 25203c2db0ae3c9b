/** The site's channel as its databases hold it, for looking on: nothing is written, whoever has them open. */

import { existsSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { quorumOf } from "@tamga/ledger-core/base/quorum";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { databaseError, openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import type { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import { combineSeals } from "@tamga/ledger-core/ledger/seal-payload";
import { SqliteChain } from "@tamga/ledger-core/ledger/sqlite-chain";
import { SqliteChannel } from "@tamga/ledger-core/ledger/sqlite-channel";
import { SqliteSeals } from "@tamga/ledger-core/ledger/sqlite-seals";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import { secondKeyOf } from "@tamga/ledger-core/receipt/verify-ml-dsa";
import type { GatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";

/** All of it as it was at one moment. */
export type LedgerBook = {
  readonly channel: SqliteChannel;
  readonly chain: SqliteChain;
  readonly genesis: ChannelGenesis;
  readonly state: ChannelState;
  /** Of the newest final block; the opening's before the first. */
  readonly finalAt: UnixMillis;
  readonly sealed: { readonly size: bigint; readonly at: UnixMillis } | undefined;
};

/**
 * Reads the channel's database while a gateway runs or is stopped; writes of a running one go on meanwhile.
 *
 * @throws OperationalError LEDGER_MISSING, DATABASE_*.
 */
export function readLedgerBook<T>(config: GatewayConfig, read: (book: LedgerBook) => T): T {
  const path = pathsOf(config).ledger;
  if (!existsSync(path)) {
    const sentence = `${path} is not there: this node has no ledger yet. Start the gateway once.`;
    throw new OperationalError("LEDGER_MISSING", sentence);
  }
  const db = openDatabase(path, { readonly: true });
  try {
    // One read transaction, so that what a running gateway commits meanwhile is not seen by halves.
    return db.transaction(() => {
      const channel = SqliteChannel.open(db, nodeCrypto);
      if (channel.log.size === 0) {
        const sentence = `${path} holds no channel yet: start the gateway once.`;
        throw new OperationalError("LEDGER_MISSING", sentence);
      }
      return read(bookOf(channel));
    })();
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    db.close();
  }
}

function bookOf(channel: SqliteChannel): LedgerBook {
  const genesis = channel.genesis();
  const chain = new SqliteChain(channel, { crypto: nodeCrypto, genesis });
  const { channel: state } = channel.loadState(genesis);
  const finalAt = chain.tip()?.header.time ?? genesis.claims.at;
  return { channel, chain, genesis, state, finalAt, sealed: newestSeal(channel, chain, genesis) };
}

function newestSeal(
  channel: SqliteChannel,
  chain: SqliteChain,
  genesis: ChannelGenesis,
): LedgerBook["sealed"] {
  const stored = new SqliteSeals(channel.db).newest();
  const validators = stored && chain.validatorsOf(stored.point.epoch);
  if (stored === undefined || validators === undefined) return undefined;
  const { size, root } = stored.point;
  const head = { origin: genesis.identity.origin, size, root };
  const sealers = {
    validators,
    secondKeyOf: (one: ValidatorEntry) => secondKeyOf(genesis.policy, one),
  };
  const { at } = combineSeals(nodeCrypto, sealers, head, stored.seals);
  return { size, at: unixMillis(at) };
}

/** Whether this validator signs nothing until others have answered; undefined where it has no votes. */
export function readDoubt(
  config: GatewayConfig,
  { identity }: ChannelGenesis,
): boolean | undefined {
  const { votes: path } = pathsOf(config);
  if (!existsSync(path)) return undefined;
  const votes = SqliteVoteStore.look(path, nodeCrypto);
  try {
    return votes.isDoubted(identity.id);
  } finally {
    votes.close();
  }
}

/** Of the present members. */
export function quorumNeeded({ trust }: ChannelState): number {
  return quorumOf(trust.validators.length);
}
