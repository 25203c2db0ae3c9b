/**
 * The ledger of one validator: one box, one organisation (CONSENSUS.md, n = 1, q = 1). It is not the
 * Simplex engine and does not pretend to be: there are no views, votes or peers, since with one
 * validator a block is final when its own disk has it. Users see the same `Ledger`; each seal says
 * "1 of 1 organisations".
 */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import { err } from "../base/result.ts";
import { databaseError, openDatabase } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import { organisationNames } from "../receipt/trust-policy.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { SubmitResult } from "./block-queue.ts";
import { BlockQueue } from "./block-queue.ts";
import type { ChannelGenesis, ChannelIdentity } from "./channel-genesis.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import type { Ledger, LedgerStatus, OrderedLane, SealedCheckpoint } from "./ledger.ts";
import {
  blockWaitMs,
  submissionsPendingMax,
  transactionsPerBlockMax,
  verificationsKeptMax,
} from "./limits.ts";
import type { RevocationList } from "./revocation-tree.ts";
import { RevocationTree } from "./revocation-tree.ts";
import { SealFeed } from "./seal-feed.ts";
import { SealSigner } from "./seal-signer.ts";
import { SoloBlockMaker } from "./solo-block-maker.ts";
import { SqliteChannel, statementIdentity } from "./sqlite-channel.ts";
import type { ValidatorKey } from "./validator-key.ts";
import { rememberVerifications } from "./verification-memory.ts";

export type SoloLedgerOptions = {
  /** The database file; the ledger owns it until `close`. */
  readonly path: string;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly validatorKey: ValidatorKey;
  /** Makes leaf 0, asked for only while the log is empty: see `createChannel`. */
  readonly openChannel: () => Promise<Transaction>;
};

export class SoloLedger implements Ledger {
  readonly channel: ChannelIdentity;
  readonly trustPolicy: TrustPolicy;
  readonly #store: SqliteChannel;
  readonly #genesis: ChannelGenesis;
  readonly #maker: SoloBlockMaker;
  readonly #crypto: CryptoPort;
  readonly #clock: Clock;
  readonly #queue = new BlockQueue(submissionsPendingMax);
  readonly #feed = new SealFeed();
  readonly #closing = new AbortController();
  #working: Promise<void> | undefined;
  #wake: AbortController | undefined;

  private constructor(store: SqliteChannel, genesis: ChannelGenesis, options: SoloLedgerOptions) {
    const { crypto, clock, validatorKey } = options;
    this.channel = genesis.identity;
    this.trustPolicy = genesis.policy;
    this.#store = store;
    this.#genesis = genesis;
    this.#crypto = crypto;
    this.#clock = clock;
    const validator = requireOnly(genesis, validatorKey);
    const signer = new SealSigner(
      { db: store.db, log: store.log, crypto },
      { key: validatorKey, validator, origin: genesis.identity.origin },
    );
    const reporter = {
      name: validator.name,
      publicKey: { algorithm: "EdDSA", point: validatorKey.publicKey } as const,
      sign: (bytes: Uint8Array) => validatorKey.sign(bytes),
    };
    this.#maker = new SoloBlockMaker({ store, signer, clock, genesis, crypto, reporter });
  }

  /**
   * Opens the channel, or its first time creates it, and seals what a crash left unsealed.
   *
   * @throws OperationalError DATABASE_*, DISK_FULL, LEDGER_NOT_SOLO, VALIDATOR_KEY_MISMATCH,
   *   SEAL_INCONSISTENT.
   */
  static async open(options: SoloLedgerOptions): Promise<SoloLedger> {
    const db = openDatabase(options.path);
    try {
      const store = SqliteChannel.open(
        db,
        rememberVerifications(options.crypto, verificationsKeptMax),
      );
      const opening = store.log.size === 0 ? await options.openChannel() : undefined;
      const genesis = opening === undefined ? store.genesis() : judgeOwn(options.crypto, opening);
      const ledger = new SoloLedger(store, genesis, options);
      if (opening !== undefined)
        ledger.#maker.open({ identity: genesis.identity.id, transaction: opening });
      ledger.#maker.seal();
      return ledger;
    } catch (error) {
      db.close();
      throw databaseError(error, options.path);
    }
  }

  async submit(
    transaction: Transaction,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<SubmitResult> {
    signal.throwIfAborted();
    if (this.#closing.signal.aborted) return err({ code: "LEDGER_CLOSED" });
    this.#maker.throwIfFailed();
    const statement = parseStatement(transaction.statement);
    if (!statement.ok) return statement;
    const identity = statementIdentity(this.#crypto, statement.value);
    const outcome = this.#queue.add(
      { transaction, statement: statement.value, identity },
      { signal },
    );
    this.#working ??= this.#work();
    if (this.#queue.waiting >= transactionsPerBlockMax) this.#wake?.abort();
    return outcome;
  }

  sealed(): SealedCheckpoint | undefined {
    return this.#maker.sealed;
  }

  seals({ signal }: { readonly signal: AbortSignal }): AsyncIterable<SealedCheckpoint> {
    return this.#feed.follow({ signal });
  }

  inclusion(index: bigint, size: bigint): readonly Digest[] {
    return this.#store.log.inclusion(Number(index), Number(size));
  }

  consistency(size1: bigint, size2: bigint): readonly Digest[] {
    return this.#store.log.consistency(Number(size1), Number(size2));
  }

  entry(index: bigint): Uint8Array | undefined {
    return this.#store.log.entry(Number(index));
  }

  lane(gateway: Identifier): OrderedLane | undefined {
    const lane = this.#maker.state.lane(gateway);
    if (lane === undefined) return undefined;
    const { incarnation, head, index, frozen } = lane;
    return { incarnation, head, index, frozen };
  }

  revocations(asOf?: bigint): RevocationList {
    if (asOf === undefined) return this.#maker.state.revocations;
    const hasher = treeHasher((bytes) => this.#crypto.sha256(bytes));
    return RevocationTree.of(hasher, this.#store.revocationsBefore(Number(asOf)));
  }

  status(): LedgerStatus {
    const { consortium, channel, id, incarnation, origin } = this.channel;
    const { policy, claims } = this.#genesis;
    const organisations = organisationNames(policy).length;
    const { sealed } = this.#maker;
    return {
      consortium,
      channel,
      channelId: toHex(id),
      channelIncarnation: toHex(incarnation),
      origin,
      reopened: claims.predecessor !== undefined,
      organisations,
      validators: policy.validators.length,
      quorum: policy.quorum,
      trust: `1 of ${organisations} organisations`,
      size: this.#store.log.size,
      sealedSize: Number(sealed?.size ?? 0n),
      ...(sealed === undefined ? {} : { sealedAt: sealed.at }),
      pendingTransactions: this.#queue.pending,
      lanes: this.#maker.state.lanes.size,
      frozenLanes: this.#maker.state.frozenCount,
      revokedKeys: this.#maker.state.revocations.entries.length,
    };
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#wake?.abort();
    await this.#working;
    for (const { settle } of this.#queue.drain()) settle(err({ code: "LEDGER_CLOSED" }));
    this.#feed.end();
    this.#store.db.close();
  }

  /** Makes blocks until nothing waits. What fails here beyond a full disk ends every submission. */
  async #work(): Promise<void> {
    try {
      while (this.#queue.waiting > 0 && !this.#closing.signal.aborted) {
        await this.#gather();
        const seal = this.#maker.make(this.#queue.take(transactionsPerBlockMax));
        this.#queue.done();
        if (seal !== undefined) this.#feed.push(seal);
      }
    } catch (error) {
      for (const { fail } of this.#queue.drain()) fail(error);
    } finally {
      this.#working = undefined;
    }
  }

  /** Waits a moment for company, unless a block is full already or the ledger closes. */
  async #gather(): Promise<void> {
    if (this.#queue.waiting >= transactionsPerBlockMax) return;
    const wake = new AbortController();
    this.#wake = wake;
    try {
      await this.#clock.sleep(blockWaitMs, { signal: wake.signal });
    } catch (error) {
      if (!wake.signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }
}

/** A channel-open that our own process made. */
function judgeOwn(crypto: CryptoPort, transaction: Transaction): ChannelGenesis {
  const judged = judgeGenesis(crypto, transaction);
  assert(judged.ok, `a channel opens validly${judged.ok ? "" : `: ${judged.fault.code}`}`);
  return judged.value;
}

/** This deployment is for exactly one validator, and this process is it. */
function requireOnly(genesis: ChannelGenesis, key: ValidatorKey) {
  const [validator, ...others] = genesis.policy.validators;
  assert(validator !== undefined, "a judged policy has validators");
  if (others.length > 0)
    throw new OperationalError(
      "LEDGER_NOT_SOLO",
      `The channel ${genesis.identity.origin} has ${others.length + 1} validators: a single one ` +
        "cannot order for it.",
    );
  if (!equal(validator.publicKey, key.publicKey))
    throw new OperationalError(
      "VALIDATOR_KEY_MISMATCH",
      `The validator key is not the one of ${validator.name} that the channel was opened with: put ` +
        "the right key file back, or open a new incarnation of the channel with restore.",
    );
  return validator;
}
