/**
 * A process's part in its consortium: many channels, each with its own members, policy, log and database;
 * one database of votes and one loop for all of them, and the network that they share.
 */

import { randomBytes } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import type { ReplicaParameters } from "../consensus/replica-io.ts";
import { databaseError, openDatabase } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { PeerNetwork } from "../peers/network.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { lanParameters } from "./consensus-parameters.ts";
import { snapshotEveryBlocks, verificationsKeptMax } from "./limits.ts";
import {
  createLog,
  judgeOwn,
  requireNotOlder,
  requireOneValidator,
  selfOf,
  votesLost,
} from "./own-channel.ts";
import { ReplicatedLedger } from "./replicated-ledger.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { SqliteLedgerStore } from "./sqlite-ledger-store.ts";
import { SqliteVoteStore } from "./sqlite-vote-store.ts";
import { TurnLoop } from "./turn-loop.ts";
import type { ValidatorKey } from "./validator-key.ts";
import { rememberVerifications } from "./verification-memory.ts";

export type LedgerNodeOptions = {
  /** The database of votes; the node owns it until `close`. */
  readonly votesPath: string;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  /** Absent where every channel has one validator. */
  readonly network?: Pick<PeerNetwork, "send">;
  /** A channel stopped for good while nobody was waiting for it. Throws unless given. */
  readonly stopped?: (error: unknown, channel: Digest) => void;
  /** A channel has other members: its `governance` names them. */
  readonly membersChanged?: (channel: Digest) => void;
};

export type OpenLedgerOptions = {
  /** The channel's database; the ledger owns it until `close`. */
  readonly path: string;
  /** Own key; it votes where the channel's validators have it, and follows otherwise. */
  readonly validatorKey: ValidatorKey;
  /** Own name where the key is no validator's. */
  readonly self?: Identifier;
  /** Takes final blocks and votes for none, whoever it is: for an import. */
  readonly follows?: boolean;
  /** Refuses a channel of several validators, of which none is reachable. */
  readonly alone?: boolean;
  readonly parameters?: ReplicaParameters;
  /** Final blocks between two snapshots, for who will lack what is pruned; 10,000 unless given. */
  readonly snapshotEvery?: number;
  /** Makes leaf 0, asked for only while the log is empty: see `createChannel`. */
  readonly openChannel: () => Promise<Transaction>;
};

export class LedgerNode {
  readonly #options: LedgerNodeOptions;
  readonly #votes: SqliteVoteStore;
  readonly #loop: TurnLoop;
  readonly #ledgers = new Map<string, ReplicatedLedger>();

  private constructor(options: LedgerNodeOptions, votes: SqliteVoteStore) {
    this.#options = options;
    this.#votes = votes;
    this.#loop = new TurnLoop(votes);
  }

  /** @throws OperationalError DATABASE_*, DISK_FULL. */
  static open(options: LedgerNodeOptions): LedgerNode {
    return new LedgerNode(options, SqliteVoteStore.open(options.votesPath, options.crypto));
  }

  /**
   * Opens a channel, or its first time creates it. A database without votes of its channel was restored or
   * has lost them: with peers, nothing is signed until they have said what was; alone, it is refused.
   *
   * @throws OperationalError DATABASE_*, DISK_FULL, VOTES_LOST, VOTES_CORRUPT, LEDGER_ROLLED_BACK,
   *   LEDGER_NOT_SOLO, VALIDATOR_KEY_MISMATCH, SEAL_INCONSISTENT.
   */
  async openLedger(options: OpenLedgerOptions): Promise<ReplicatedLedger> {
    const crypto = rememberVerifications(this.#options.crypto, verificationsKeptMax);
    const db = openDatabase(options.path);
    let ledger: ReplicatedLedger | undefined;
    try {
      const database = SqliteChannel.open(db, crypto);
      const opening = database.log.size === 0 ? await options.openChannel() : undefined;
      const genesis = opening === undefined ? database.genesis() : judgeOwn(crypto, opening);
      if (options.alone === true) requireOneValidator(genesis);
      const self = selfOf(genesis, options);
      const store = new SqliteLedgerStore({
        channel: database,
        genesis,
        votes: this.#votes,
        crypto,
        clock: this.#options.clock,
        self,
        key: options.validatorKey,
        parameters: options.parameters ?? lanParameters,
        follows: options.follows ?? false,
        snapshotEvery: options.snapshotEvery ?? snapshotEveryBlocks,
      });
      this.#begin(store, genesis, opening !== undefined);
      if (opening !== undefined) createLog(database, genesis, opening);
      store.promiseFirst();
      ledger = this.#run({ database, store, genesis, self, key: options.validatorKey });
      await ledger.start();
      return ledger;
    } catch (error) {
      await ledger?.close();
      db.close();
      throw databaseError(error, options.path);
    }
  }

  /** What the network received for a channel of this node. */
  receive(peer: Identifier, channel: Digest, payload: Uint8Array): void {
    this.#ledgers.get(toHex(channel))?.shell.receive(peer, payload);
  }

  /** Closes every ledger and the votes. @throws what the first ledger threw that could not be closed well. */
  async close(): Promise<void> {
    const closed = [];
    // One that stopped on a broken database may not close, and the others' last seals are to be kept.
    for (const ledger of [...this.#ledgers.values()])
      closed.push(...(await Promise.allSettled([ledger.close()])));
    this.#votes.close();
    for (const one of closed) if (one.status === "rejected") throw one.reason;
  }

  #begin(store: SqliteLedgerStore, genesis: ChannelGenesis, isNew: boolean): void {
    const { id } = genesis.identity;
    const isAlone = genesis.policy.validators.length === 1;
    if (this.#votes.has(id)) {
      if (isAlone) requireNotOlder(store, genesis, this.#votes.load(id).floor);
      return;
    }
    if (isAlone && store.chain.height > 0) throw votesLost(genesis);
    this.#votes.begin(id, { amnesia: !isNew && !isAlone });
  }

  #run(
    parts: Pick<
      ConstructorParameters<typeof ReplicatedLedger>[0],
      "database" | "store" | "genesis" | "self" | "key"
    >,
  ): ReplicatedLedger {
    const { clock, network, stopped, membersChanged } = this.#options;
    const { id } = parts.genesis.identity;
    const key = toHex(id);
    assert(!this.#ledgers.has(key), "a channel is open once");
    const ledger: ReplicatedLedger = new ReplicatedLedger({
      ...parts,
      channel: id,
      loop: this.#loop,
      network: network ?? noNetwork,
      clock,
      nonce: () => new Uint8Array(randomBytes(8)),
      closed: () => {
        this.#ledgers.delete(key);
        const floor = ledger.shell.takeFinal();
        if (floor !== undefined)
          this.#votes.write([{ channel: id, writes: [{ type: "final", floor }] }]);
      },
      stopped: (error) => (stopped ?? throwLater)(error, id),
      membersChanged: () => membersChanged?.(id),
    });
    this.#ledgers.set(key, ledger);
    return ledger;
  }
}

const noNetwork = { send: () => undefined };

/** As an error that nobody catches: the process ends, and its supervisor starts it again. */
function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
