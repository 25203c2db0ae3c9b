/** A channel's own database as the shell of its engine sees it: one commit for all that a block brings. */

import { assert, present } from "../base/assert.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { ChannelEngine } from "../consensus/channel-engine.ts";
import type { EngineRecovered } from "../consensus/engine-io.ts";
import type { FinalBlocks, LooseBlocks } from "../consensus/message.ts";
import type { ReplicaParameters, SealPoint } from "../consensus/replica-io.ts";
import type { SnapshotHead } from "../consensus/snapshot-message.ts";
import type { ValidatorEntry, ValidatorSet } from "../consensus/validator-set.ts";
import { databaseError } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import { secondKeyOf } from "../receipt/verify-ml-dsa.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { LedgerApplication } from "./ledger-application.ts";
import type { LedgerState } from "./ledger-state.ts";
import { PointSigner } from "./point-signer.ts";
import { RememberedHistory } from "./remembered-history.ts";
import type { TimedSeal } from "./seal-payload.ts";
import { combineSeals, verifySealPayload } from "./seal-payload.ts";
import { ownSecondKey } from "./second-key.ts";
import type { CommitEffect, SealedEffect, ShellSnapshots, ShellStore } from "./shell-io.ts";
import type { SnapshotFault, VerifiedSnapshot } from "./snapshot-assembly.ts";
import { SnapshotAssembly } from "./snapshot-assembly.ts";
import { SnapshotCatchUp } from "./snapshot-catch-up.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { storedTip } from "./sqlite-ledger-tip.ts";
import type { StoredSeal } from "./sqlite-seals.ts";
import { SqliteSeals } from "./sqlite-seals.ts";
import { SnapshotSink, SnapshotSource } from "./sqlite-snapshot-store.ts";
import { pruneBlocks, SqliteSnapshots } from "./sqlite-snapshots.ts";
import type { ValidatorKey } from "./validator-key.ts";
import type { VoteStore } from "./vote-store.ts";

export type LedgerStoreOptions = {
  readonly channel: SqliteChannel;
  readonly genesis: ChannelGenesis;
  readonly votes: VoteStore;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  /** Own name and key; it votes in the epochs whose set has both. */
  readonly self: Identifier;
  readonly key: ValidatorKey;
  readonly parameters: ReplicaParameters;
  /** Votes for nothing, whatever its name and key. */
  readonly follows: boolean;
  /** Final blocks between two snapshots; none is taken where there is one validator, whom nobody asks. */
  readonly snapshotEvery: number;
};

export class SqliteLedgerStore implements ShellStore<LedgerState> {
  readonly chain: SqliteChain;
  readonly #options: LedgerStoreOptions;
  readonly #history: RememberedHistory;
  readonly #application: LedgerApplication;
  readonly #signer: PointSigner;
  readonly #seals: SqliteSeals;
  readonly #snapshots: SqliteSnapshots;
  readonly #source: SnapshotSource;
  readonly #sink: SnapshotSink;
  #state: LedgerState | undefined;
  #time: UnixMillis | undefined;
  #sealed: TimedSeal | undefined;
  /** Our own seal, alone: it goes with the next commit, since its promise gives the same bytes again. */
  #unkept: SealedEffect | undefined;

  constructor(options: LedgerStoreOptions) {
    const { channel, genesis, crypto, key } = options;
    const { origin } = genesis.identity;
    this.#options = options;
    this.chain = new SqliteChain(channel, { crypto, genesis });
    this.#history = new RememberedHistory(channel.history);
    this.#application = new LedgerApplication({ crypto, history: this.#history });
    const own = ownSecondKey(genesis.policy, options.self, key);
    const second = own === undefined ? undefined : { ...own, name: options.self };
    const keys = { key, second, origin };
    this.#signer = new PointSigner({ db: channel.db, log: channel.log, crypto }, keys);
    this.#seals = new SqliteSeals(channel.db);
    this.#snapshots = new SqliteSnapshots(channel.db);
    const { chain } = this;
    const parts = {
      ...{ channel, chain, genesis },
      ...{ seals: this.#seals, snapshots: this.#snapshots },
    };
    this.#source = new SnapshotSource(parts);
    this.#sink = new SnapshotSink(parts);
    const stored = this.#seals.newest();
    if (stored !== undefined) this.#sealed = this.#combined(stored);
  }

  /** After the newest final block. */
  get state(): LedgerState {
    return present(this.#state, "the state of a store that was recovered");
  }

  /** Of the newest final block; the opening's before the first. */
  get time(): UnixMillis {
    return present(this.#time, "the time of a store that was recovered");
  }

  get parameters(): ReplicaParameters {
    return this.#options.parameters;
  }

  /** The newest seal that is stored. */
  get sealed(): TimedSeal | undefined {
    return this.#sealed;
  }

  /** Whether the newest seal point of the final chain has its seal. */
  get isSealed(): boolean {
    const promised = this.#signer.promised();
    return promised === undefined || (this.#sealed?.size ?? 0n) >= promised.size;
  }

  /** Promises a first seal, of the log as it was before any block of this chain. */
  promiseFirst(): void {
    if (this.#signer.promised() !== undefined) return;
    const { channel, clock } = this.#options;
    const size = BigInt(channel.log.size);
    const point = { epoch: 0, height: this.chain.height, size, root: channel.log.root() };
    this.#write(() => this.#signer.promise(point, clock.now()));
  }

  recover(): ChannelEngine<LedgerState> {
    return this.#guarded(() => {
      const { genesis, votes, crypto, self, key, parameters, follows } = this.#options;
      const channel = genesis.identity.id;
      const { tip, validators, final, ended } = storedTip({
        channel: this.#options.channel,
        genesis,
        chain: this.chain,
      });
      this.#state = tip.state;
      this.#time = tip.time;
      // A crash may have come between the block's commit and this.
      if (final !== undefined)
        votes.write([{ channel, writes: [{ type: "final", floor: final }] }]);
      const sealed = this.#seals.newest();
      const promised = this.#signer.promised();
      // The next epoch's validators seal anew what those before them sealed last.
      const isOpen =
        promised !== undefined &&
        (promised.size > (sealed?.point.size ?? 0n) || promised.epoch > (sealed?.point.epoch ?? 0));
      const recovered: EngineRecovered<LedgerState> = {
        ...votes.load(channel),
        tip,
        validators,
        ...(ended === undefined
          ? {}
          : {
              ended: {
                ...ended,
                ...(isOpen && promised.epoch < validators.epoch ? { unsealed: promised } : {}),
              },
            }),
        ...(sealed === undefined ? {} : { sealed }),
        ...(isOpen && promised.epoch === validators.epoch ? { unsealed: promised } : {}),
      };
      const origin = genesis.identity.origin;
      return new ChannelEngine(
        {
          crypto,
          sign: (message) => key.sign(message),
          application: this.#application,
          verifySeal: (validator, point, payload) =>
            verifySealPayload(crypto, this.#sealer(validator), { ...point, origin }, payload),
        },
        { channel, parameters, self: { name: self, publicKey: follows ? nobody : key.publicKey } },
        recovered,
      );
    });
  }

  look<T>(work: () => T): T {
    return this.#guarded(() => this.#options.channel.db.transaction(work).deferred());
  }

  commit(commits: readonly CommitEffect<LedgerState>[]): void {
    const { channel, clock } = this.#options;
    this.#write(() => {
      const now = clock.now();
      const newest = commits.at(-1)?.blocks.at(-1);
      if (this.#unkept !== undefined) this.#seals.put(this.#unkept);
      for (const { blocks, certificate } of commits) {
        for (const [at, { block, digest, state, sealPoint }] of blocks.entries()) {
          const { applied } = state;
          const { time } = block.header;
          assert(applied.length === block.transactions.length, "a state tells what was ordered");
          channel.appendState(state, { time, digest });
          this.chain.append(block, digest, at === blocks.length - 1 ? certificate : undefined);
          if (sealPoint !== undefined) this.#signer.promise(sealPoint, now);
        }
      }
      if (newest !== undefined) this.#takeSnapshot(newest);
    });
    this.#unkept = undefined;
    const blocks = commits.flatMap((commit) => commit.blocks);
    this.#history.appended(blocks.flatMap(({ ids }) => ids));
    const last = blocks.at(-1);
    if (last === undefined) return;
    this.#state = last.state;
    this.#time = last.block.header.time;
  }

  sign(point: SealPoint): Uint8Array | undefined {
    return this.#guarded(() => this.#signer.sign(point));
  }

  keepSeal(sealed: SealedEffect): void {
    const { epoch, size } = sealed.point;
    const held = this.#sealed?.size ?? 0n;
    if (size < held) return;
    const isAlone = this.#validatorsOf(epoch).size === 1;
    if (isAlone) this.#unkept = sealed;
    else this.#write(() => this.#seals.put(sealed));
    // Sealed again by the next epoch: who has the first seal needs no epochs file for it.
    if (size > held) this.#sealed = this.#combined(sealed);
  }

  /** At an interval, of the last block of a commit: that one has a certificate of its own. */
  #takeSnapshot({ block: { header }, state }: CommitEffect<LedgerState>["blocks"][number]): void {
    const { genesis, snapshotEvery } = this.#options;
    const isAlone = genesis.policy.validators.length === 1;
    if (!isAlone && header.height - this.#snapshots.height >= snapshotEvery)
      this.#snapshots.take(state.channel, header.height);
  }

  /** Keeps the content as the newest final block left it. */
  snapshot(): void {
    this.#write(() => this.#snapshots.take(this.state.channel, this.chain.height));
  }

  /** Stores a seal that no commit took along, for a clean end; what the disk refuses is made again. */
  keepLastSeal(): void {
    const sealed = this.#unkept;
    if (sealed === undefined) return;
    try {
      this.#write(() => this.#seals.put(sealed));
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
    }
    this.#unkept = undefined;
  }

  /** As {@link pruneBlocks}. */
  prune(below: number): void {
    const parts = { chain: this.chain, snapshots: this.#snapshots };
    this.#write(() => pruneBlocks(parts, { below, state: this.state.channel }));
  }

  finalBlocks(from: number): FinalBlocks | undefined {
    return this.look(() => this.chain.finalBlocks(from));
  }

  ancestors(height: number): LooseBlocks | undefined {
    return this.look(() => this.chain.ancestors(height));
  }

  get prunedBelow(): number {
    return this.chain.prunedBelow;
  }

  get snapshots(): ShellSnapshots {
    return {
      answer: (fetch) => this.#guarded(() => this.#source.answer(fetch)),
      catchUp: () => this.#catchUp(),
      stage: (entries) => this.#write(() => this.#sink.stage(entries)),
      unstage: () => this.#write(() => this.#sink.forget()),
      install: (snapshot) => this.#install(snapshot),
    };
  }

  /** As a peer's parts are put together. Nothing of it is on disk. */
  assemble(head: SnapshotHead): Result<SnapshotAssembly, SnapshotFault> {
    const { crypto, genesis } = this.#options;
    const log = this.#guarded(() => this.#sink.range(head.block.header.logSize));
    return SnapshotAssembly.begin({ crypto, genesis }, { head, log });
  }

  #catchUp(): SnapshotCatchUp {
    const { crypto, genesis, parameters } = this.#options;
    return new SnapshotCatchUp({
      crypto,
      genesis,
      retryMs: snapshotPatience * parameters.deltaMs,
      height: () => this.chain.height,
      range: (upTo) => this.#guarded(() => this.#sink.range(upTo)),
    });
  }

  #install(snapshot: VerifiedSnapshot): string | undefined {
    const { votes, genesis, clock, parameters } = this.#options;
    const channel = genesis.identity.id;
    // Without a final block of its own, a validator that voted has lost its votes: it cannot tell. The flag is
    // durable before there is a state to vote on.
    if (this.chain.height === 0)
      votes.write([{ channel, writes: [{ type: "amnesia", set: true }] }]);
    let code: string | undefined;
    this.#write(() => {
      if (!this.#sink.install(snapshot)) code = "SNAPSHOT_SEAL_WRONG";
      const { header } = snapshot.block;
      const { epoch, height, logSize: size, logRoot: root } = header;
      if (
        header.seal ||
        header.boundary !== undefined ||
        height % parameters.sealEveryHeights === 0
      )
        this.#signer.promise({ epoch, height, size, root }, clock.now());
    });
    const stored = this.#seals.newest();
    if (stored !== undefined) this.#sealed = this.#combined(stored);
    return code;
  }

  #validatorsOf(epoch: number): ValidatorSet {
    return present(this.chain.validatorsOf(epoch), "validators of an epoch that has begun");
  }

  #sealer(validator: ValidatorEntry) {
    return { validator, secondKey: secondKeyOf(this.#options.genesis.policy, validator) };
  }

  #combined({ point, seals }: StoredSeal): TimedSeal {
    const { crypto, genesis } = this.#options;
    const head = { origin: genesis.identity.origin, size: point.size, root: point.root };
    const validators = this.#validatorsOf(point.epoch);
    const keyOf = (validator: ValidatorEntry) => secondKeyOf(genesis.policy, validator);
    return combineSeals(crypto, { validators, secondKeyOf: keyOf }, head, seals);
  }

  #write(work: () => void): void {
    this.#guarded(() => this.#options.channel.db.transaction(work).immediate());
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw databaseError(error, this.#options.channel.db.name);
    }
  }
}

/** Δ that an answer with a part of a snapshot is waited for: it is a thousand times a vote. */
const snapshotPatience = 10;

/** No validator's key. */
const nobody = new Uint8Array(32);
