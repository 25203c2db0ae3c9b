/**
 * A channel's ledger over its consensus engine: submissions in, sealed checkpoints and proofs out. With one
 * validator it is the same, without peers: a block is final when its own disk has it.
 */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import { err, ok } from "../base/result.ts";
import { transactionBytesMax } from "../consensus/limits.ts";
import type { ReplicaStatus } from "../consensus/replica.ts";
import type { SnapshotAnswer } from "../consensus/snapshot-message.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { BoundaryProof } from "../receipt/epochs-file.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import { boundaryProofs } from "./boundary-proofs.ts";
import type { ChannelGenesis, ChannelIdentity } from "./channel-genesis.ts";
import { describeLedger } from "./describe-ledger.ts";
import { EngineShell } from "./engine-shell.ts";
import type { Governance } from "./governance.ts";
import type { Ledger, LedgerStatus, OrderedLane, SealedCheckpoint } from "./ledger.ts";
import type { LedgerSight } from "./ledger-sight.ts";
import { sightOf } from "./ledger-sight.ts";
import type { LedgerState } from "./ledger-state.ts";
import { blockWaitMs, submissionsPendingMax, transactionsGatheredMax } from "./limits.ts";
import { Refusals } from "./refusals.ts";
import type { RevocationList } from "./revocation-tree.ts";
import { RevocationTree } from "./revocation-tree.ts";
import { SealFeed } from "./seal-feed.ts";
import type { Delivery, EngineShellOptions } from "./shell-io.ts";
import type { SnapshotAssembly } from "./snapshot-assembly.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { statementIdentity } from "./sqlite-channel.ts";
import type { SqliteLedgerStore } from "./sqlite-ledger-store.ts";
import type { Submission, SubmitResult } from "./submissions.ts";
import { Submissions } from "./submissions.ts";
import type { ValidatorKey } from "./validator-key.ts";

export type ReplicatedLedgerParts = Omit<EngineShellOptions<LedgerState>, "deliver" | "store"> & {
  readonly database: SqliteChannel;
  readonly store: SqliteLedgerStore;
  readonly genesis: ChannelGenesis;
  /** Own key, also for what the ledger itself has to state. */
  readonly key: ValidatorKey;
  /** Called once, at the end of `close`. */
  readonly closed: () => void;
  /** The channel stopped for good: what it could not do and nobody was waiting for. */
  readonly stopped: (error: unknown) => void;
  readonly membersChanged: () => void;
};

export class ReplicatedLedger implements Ledger {
  readonly channel: ChannelIdentity;
  readonly trustPolicy: TrustPolicy;
  readonly shell: EngineShell<LedgerState>;
  readonly #parts: ReplicatedLedgerParts;
  readonly #submissions = new Submissions(submissionsPendingMax);
  readonly #feed = new SealFeed();
  readonly #refusals: Refusals;
  readonly #firstSeal = Promise.withResolvers<void>();
  #boundaries: readonly BoundaryProof[] = [];
  #gathered: Submission[] = [];
  #gathering = false;
  #starting = false;
  #closed = false;
  /** A snapshot that comes out of a file. */
  #assembly: SnapshotAssembly | undefined;
  #pausedBy: string | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: ReplicatedLedgerParts) {
    const { genesis, channel, self, key, store, loop, network, clock, nonce, database } = parts;
    this.channel = genesis.identity;
    this.trustPolicy = genesis.policy;
    this.#parts = parts;
    const deliver = (delivery: Delivery<LedgerState>) => this.#deliver(delivery);
    this.#refusals = new Refusals({
      database,
      store,
      clock,
      channel: genesis.identity.channel,
      submissions: this.#submissions,
      reporter: {
        name: self,
        publicKey: { algorithm: "EdDSA", point: key.publicKey },
        sign: (bytes) => key.sign(bytes),
      },
      submit: (transaction) => this.#submit(transaction, { signal: never, isOwn: true }),
      again: (id) => this.#handOver(id),
    });
    this.shell = new EngineShell({ channel, self, store, loop, network, clock, nonce, deliver });
  }

  /**
   * Starts ordering. A validator that needs nobody else has sealed what its log holds when this resolves.
   *
   * @throws OperationalError DATABASE_*, VOTES_CORRUPT, SEAL_INCONSISTENT.
   */
  async start(): Promise<void> {
    const { store, genesis } = this.#parts;
    this.shell.start();
    if (genesis.policy.quorum > 1 || store.isSealed) return;
    this.#starting = true;
    try {
      await this.#firstSeal.promise;
    } finally {
      this.#starting = false;
    }
  }

  submit(
    transaction: Transaction,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<SubmitResult> {
    return this.#submit(transaction, { signal, isOwn: false });
  }

  sealed(): SealedCheckpoint | undefined {
    return this.#parts.store.sealed;
  }

  seals({ signal }: { readonly signal: AbortSignal }): AsyncIterable<SealedCheckpoint> {
    return this.#feed.follow({ signal });
  }

  inclusion(index: bigint, size: bigint): readonly Digest[] {
    return this.#parts.database.log.inclusion(Number(index), Number(size));
  }

  consistency(size1: bigint, size2: bigint): readonly Digest[] {
    return this.#parts.database.log.consistency(Number(size1), Number(size2));
  }

  entry(index: bigint): Uint8Array | undefined {
    return this.#parts.database.log.entry(Number(index));
  }

  lane(gateway: Identifier): OrderedLane | undefined {
    const lane = this.#parts.store.state.channel.lane(gateway);
    if (lane === undefined) return undefined;
    const { incarnation, head, index, frozen } = lane;
    return { incarnation, head, index, frozen };
  }

  revocations(asOf?: bigint): RevocationList {
    const { database, store } = this.#parts;
    if (asOf === undefined) return store.state.channel.revocations;
    const hasher = treeHasher((bytes) => database.crypto.sha256(bytes));
    return RevocationTree.of(hasher, database.revocationsBefore(Number(asOf)));
  }

  status(): LedgerStatus {
    const { database, store, genesis } = this.#parts;
    return describeLedger({
      genesis,
      state: store.state.channel,
      size: database.log.size,
      sealed: store.sealed,
      pendingTransactions: this.#submissions.count,
    });
  }

  /** Of the engine, for operators; undefined while the disk refuses. */
  consensus(): ReplicaStatus | undefined {
    return this.shell.status();
  }

  /** Members, epoch and approval policy, after the newest final block. */
  get governance(): Governance {
    return this.#parts.store.state.channel.governance;
  }

  /** How the validators changed, as the epochs file tells it; read from the disk where there is a new one. */
  boundaries(): readonly BoundaryProof[] {
    const { epoch } = this.governance;
    if (this.#boundaries.length < epoch)
      this.#boundaries = [...boundaryProofs(this.#parts.store.chain)];
    return this.#boundaries;
  }

  /** What this node sees of its channel's validators now. */
  sight(): LedgerSight {
    const { store, self, clock } = this.#parts;
    const { engine } = this.shell;
    return sightOf({
      self,
      now: clock.monotonic(),
      silentMsMax: store.parameters.skipMs,
      finalHeight: store.chain.height,
      finalAt: store.time,
      ...(engine === undefined ? {} : { engine }),
      ...(this.#pausedBy === undefined ? {} : { pausedBy: this.#pausedBy }),
      hasStopped: this.#failure !== undefined,
    });
  }

  /** Of the newest final block. */
  get height(): number {
    return this.#parts.store.chain.height;
  }

  /** Keeps the channel's content as it is now, for a check of the database once earlier blocks are pruned. */
  snapshot(): void {
    this.#parts.store.snapshot();
  }

  /**
   * Forgets the blocks below a height, of a block that stays, and what only their validity needed. Every old
   * receipt still verifies, and every proof is still given.
   */
  prune(below: number): void {
    this.#parts.store.prune(below);
  }

  /** Hands a message of an export to the engine, as from one of the validators; resolves when it was taken. */
  async takeFromFile(payload: Uint8Array): Promise<void> {
    const [peer] = this.shell.peers;
    if (peer === undefined) return;
    this.shell.receive(peer, payload);
    this.#parts.loop.turn();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Blocks below this height are not here; 1 where all are. */
  get prunedBelow(): number {
    return this.#parts.store.prunedBelow;
  }

  /**
   * Takes the next part of a snapshot out of a file, the head first. With the last one the state is the
   * snapshot's; parts that are here already are passed over.
   *
   * @returns a code where the part is refused: nothing of it is kept.
   */
  takeSnapshot(part: SnapshotAnswer): string | undefined {
    const { snapshots } = this.#parts.store;
    if (part.type === "snapshot") {
      const begun = this.#parts.store.assemble(part);
      this.#assembly = begun.ok ? begun.value : undefined;
      return begun.ok ? undefined : begun.fault.code;
    }
    const taken = this.#assembly?.take(part);
    if (taken?.ok === false && taken.fault.code !== "SNAPSHOT_PART_UNASKED")
      return taken.fault.code;
    if (taken?.ok === true) snapshots.stage(taken.value);
    const snapshot = this.#assembly?.verified();
    if (snapshot === undefined) return undefined;
    this.#assembly = undefined;
    return this.shell.jump(snapshot);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.shell.close();
    this.#submissions.settleAll(err({ code: "LEDGER_CLOSED" }));
    this.#feed.end();
    this.#parts.store.keepLastSeal();
    this.#parts.database.db.close();
    this.#parts.closed();
  }

  async #submit(
    transaction: Transaction,
    { signal, isOwn }: { readonly signal: AbortSignal; readonly isOwn: boolean },
  ): Promise<SubmitResult> {
    signal.throwIfAborted();
    if (this.#closed) return err({ code: "LEDGER_CLOSED" });
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#pausedBy !== undefined)
      return err({ code: "LEDGER_UNAVAILABLE", cause: this.#pausedBy });
    const statement = parseStatement(transaction.statement);
    if (!statement.ok) return statement;
    const { database, store } = this.#parts;
    const identity = statementIdentity(database.crypto, statement.value);
    const index = database.indexOf(identity);
    if (index !== undefined && index < (store.sealed?.size ?? 0n)) return ok({ index });
    const bytes = encodeTransaction(transaction);
    if (bytes.length > transactionBytesMax)
      return err({ code: "FIELD_TOO_LONG", field: "transaction" });
    const id = toHex(identity);
    const isNew = this.#submissions.find(id) === undefined;
    const of = { id, bytes, transaction, statement: statement.value };
    const outcome = this.#submissions.add(of, { signal, isOwn });
    if (index !== undefined) this.#submissions.ordered(id, index);
    else if (isNew) this.#handOver(id);
    return outcome;
  }

  /** Gives what was submitted to the engine, after a moment for company. */
  #handOver(id: string): void {
    const submission = this.#submissions.find(id);
    if (submission === undefined) return;
    this.#gathered.push(submission);
    if (this.#gathered.length >= transactionsGatheredMax) this.#flush();
    if (this.#gathering) return;
    this.#gathering = true;
    const { clock } = this.#parts;
    const done = () => {
      this.#gathering = false;
      this.#flush();
    };
    clock.sleep(blockWaitMs, { signal: never }).then(done, done);
  }

  #flush(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    const transactions = gathered
      .filter(({ id }) => this.#submissions.find(id) !== undefined)
      .map(({ id, bytes }) => ({ id, bytes }));
    if (transactions.length > 0) this.shell.submit(transactions);
  }

  #deliver(delivery: Delivery<LedgerState>): void {
    switch (delivery.type) {
      case "commit":
        for (const block of delivery.blocks) {
          const first = block.block.header.logSize - BigInt(block.ids.length);
          for (const [at, id] of block.ids.entries())
            this.#submissions.ordered(id, first + BigInt(at));
        }
        return;
      case "sealed": {
        const { sealed } = this.#parts.store;
        if (sealed === undefined) return;
        this.#feed.push(sealed);
        this.#submissions.sealed(sealed.size);
        this.#firstSeal.resolve();
        return;
      }
      case "refused":
        this.#refusals.refuse(delivery);
        return;
      case "paused":
        this.#pausedBy = delivery.cause;
        this.#gathered = [];
        this.#submissions.settleAll(err({ code: "LEDGER_UNAVAILABLE", cause: delivery.cause }));
        return;
      case "recovered":
        this.#pausedBy = undefined;
        return;
      case "stopped":
        this.#stop(delivery.error);
        return;
      case "amnesia":
      case "equivocation":
        return;
      case "jumped":
        this.#jumped();
        return;
      case "epoch-started":
        this.#parts.membersChanged();
        return;
    }
  }

  /** What was ordered meanwhile is in the log; what was not is handed over again. */
  #jumped(): void {
    const { database, store, membersChanged } = this.#parts;
    for (const { id, statement } of [...this.#submissions.open()]) {
      const index = database.indexOf(statementIdentity(database.crypto, statement));
      if (index === undefined) this.#handOver(id);
      else this.#submissions.ordered(id, index);
    }
    const { sealed } = store;
    if (sealed !== undefined) {
      this.#feed.push(sealed);
      this.#submissions.sealed(sealed.size);
    }
    membersChanged();
  }

  #stop(error: unknown): void {
    this.#failure = { error };
    const hadWaiters = this.#submissions.count > 0 || this.#starting;
    this.#submissions.failAll(error);
    if (this.#starting) this.#firstSeal.reject(error);
    if (!hadWaiters) this.#parts.stopped(error);
  }
}

const { signal: never } = new AbortController();
