/** Executes, commits and seals the blocks of the one validator: one block is one commit. */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import { databaseError } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Submission, SubmitResult } from "./block-queue.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { FaultReporter } from "./lane-fault.ts";
import { laneFaultTransaction } from "./lane-fault.ts";
import type { OwnSeal, SealSigner } from "./seal-signer.ts";
import type { OrderedTransaction, SqliteChannel } from "./sqlite-channel.ts";
import { statementIdentity } from "./sqlite-channel.ts";

export type SoloBlockMakerParts = {
  readonly store: SqliteChannel;
  readonly signer: SealSigner;
  readonly clock: Clock;
  readonly genesis: ChannelGenesis;
  readonly crypto: CryptoPort;
  /** Signs what the ledger itself has to state: its validator. */
  readonly reporter: FaultReporter;
};

/** Synchronous throughout: nothing else runs between a block's first judgement and its seal. */
export class SoloBlockMaker {
  readonly #store: SqliteChannel;
  readonly #signer: SealSigner;
  readonly #clock: Clock;
  readonly #genesis: ChannelGenesis;
  readonly #parts: Parameters<typeof laneFaultTransaction>[0];
  #state: ChannelState;
  #sealed: OwnSeal | undefined;
  /** Why nothing can be ordered any more: memory and disk may differ. */
  #failure: { readonly error: unknown } | undefined;

  constructor({ store, signer, clock, genesis, crypto, reporter }: SoloBlockMakerParts) {
    this.#parts = { crypto, reporter, channel: genesis.identity.channel };
    this.#store = store;
    this.#signer = signer;
    this.#clock = clock;
    this.#genesis = genesis;
    this.#state = store.loadState(genesis).channel;
  }

  get state(): ChannelState {
    return this.#state;
  }

  get sealed(): OwnSeal | undefined {
    return this.#sealed;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** The first block: the channel-open alone. */
  open(opening: OrderedTransaction): void {
    this.#store.db
      .transaction(() => {
        const now = this.#clock.now();
        this.#store.appendBlock([opening], { time: now });
        this.#signer.promise(now);
      })
      .immediate();
  }

  /**
   * Settles every submission, each once its block is sealed. A disk that refuses gives
   * LEDGER_UNAVAILABLE and leaves the state as it was; anything else is thrown.
   *
   * @returns the new seal, if there is one.
   */
  make(submissions: readonly Submission[]): OwnSeal | undefined {
    const answers: (() => void)[] = [];
    let seal: OwnSeal | undefined;
    try {
      this.#store.db
        .transaction(() => {
          answers.push(...this.#execute(submissions));
        })
        .immediate();
      seal = this.seal();
    } catch (error) {
      this.#takeBack();
      const failure = databaseError(error, this.#store.db.name);
      if (!(failure instanceof OperationalError)) throw failure;
      for (const { settle } of submissions)
        settle(err({ code: "LEDGER_UNAVAILABLE", cause: failure.code }));
      return undefined;
    }
    for (const answer of answers) answer();
    return seal;
  }

  /** Seals the last block, if that was not done yet. @returns the seal, if it is new. */
  seal(): OwnSeal | undefined {
    if (this.#sealed !== undefined && Number(this.#sealed.size) === this.#store.log.size)
      return undefined;
    const seal = this.#signer.seal();
    if (seal !== undefined) this.#sealed = seal;
    return seal;
  }

  /** The tables are the truth: what was changed in memory alone is taken back from them. */
  #takeBack(): void {
    try {
      this.#state = this.#store.loadState(this.#genesis).channel;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Judges in order, each on the state that the one before left; appends what is valid. */
  #execute(submissions: readonly Submission[]): (() => void)[] {
    const answers: (() => void)[] = [];
    const now = this.#clock.now();
    const block = new SoloBlock(BigInt(this.#store.log.size), {
      time: unixMillis(Math.max(now, this.#store.lastTime)),
      state: this.#state,
    });
    for (const { transaction, statement, identity, settle } of submissions) {
      const known = this.#store.indexOf(identity) ?? block.indexOf(identity);
      if (known !== undefined) {
        answers.push(() => settle(ok({ index: known })));
        continue;
      }
      const taken = block.take({ transaction, statement, identity });
      answers.push(() => settle(taken));
      if (!taken.ok && taken.fault.code === "LANE_HEAD_INCONSISTENT")
        this.#reportFault(block, statement.header.issuer, transaction.statement);
    }
    this.#state = block.state;
    if (block.transactions.length > 0) {
      const { governance } = block.state;
      this.#store.appendBlock(block.transactions, { time: block.time, governance });
      this.#signer.promise(now);
    }
    return answers;
  }

  /** The proof goes into the log at once, so that whoever reads it sees why the lane is frozen. */
  #reportFault(block: SoloBlock, gateway: Identifier, refused: Uint8Array): void {
    const lane = present(block.state.lane(gateway), "lane that was contradicted");
    const { crypto, channel, reporter } = this.#parts;
    const first = block.statementAt(lane.index) ?? this.#store.log.entry(Number(lane.index));
    const transaction = laneFaultTransaction(
      { crypto, channel, reporter },
      { gateway, first: present(first, "statement of the lane's head"), second: refused },
      { at: block.time },
    );
    const statement = parseStatement(transaction.statement);
    assert(statement.ok, "our own statement parses");
    const identity = statementIdentity(crypto, statement.value);
    const taken = block.take({ transaction, statement: statement.value, identity });
    assert(taken.ok, `a lane-fault of our own is valid${taken.ok ? "" : `: ${taken.fault.code}`}`);
  }
}

/** The block at hand. */
class SoloBlock {
  readonly time: UnixMillis;
  readonly transactions: OrderedTransaction[] = [];
  state: ChannelState;
  readonly #first: bigint;
  readonly #indices = new Map<string, bigint>();

  constructor(
    first: bigint,
    { time, state }: { readonly time: UnixMillis; readonly state: ChannelState },
  ) {
    this.#first = first;
    this.time = time;
    this.state = state;
  }

  indexOf(identity: Digest): bigint | undefined {
    return this.#indices.get(toHex(identity));
  }

  statementAt(index: bigint): Uint8Array | undefined {
    return this.transactions[Number(index - this.#first)]?.transaction.statement;
  }

  take({ transaction, statement, identity }: Candidate): SubmitResult {
    const index = this.#first + BigInt(this.transactions.length);
    const { time } = this;
    const judged = judgeTransaction(this.state, statement, { transaction, time, index });
    if (!judged.ok) return judged;
    const change = judged.value;
    // One validator knows no epochs: nobody would ever make the boundary block.
    if (change.type === "members-chosen")
      return err({ code: "TRANSACTION_TYPE_REFUSED", type: "validators" });
    this.state = this.state.apply(change, index);
    this.transactions.push({ identity, transaction, change });
    this.#indices.set(toHex(identity), index);
    return ok({ index });
  }
}

type Candidate = Pick<Submission, "transaction" | "statement" | "identity">;
