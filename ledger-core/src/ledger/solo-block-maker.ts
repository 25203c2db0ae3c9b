/** Executes, commits and seals the blocks of the one validator: one block is one commit. */

import { toHex } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { err, ok } from "../base/result.ts";
import { unixMillis } from "../base/time.ts";
import { databaseError } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { Submission } from "./block-queue.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { OwnSeal, SealSigner } from "./seal-signer.ts";
import type { OrderedTransaction, SqliteChannel } from "./sqlite-channel.ts";

export type SoloBlockMakerParts = {
  readonly store: SqliteChannel;
  readonly signer: SealSigner;
  readonly clock: Clock;
  readonly genesis: ChannelGenesis;
};

/** Synchronous throughout: nothing else runs between a block's first judgement and its seal. */
export class SoloBlockMaker {
  readonly #store: SqliteChannel;
  readonly #signer: SealSigner;
  readonly #clock: Clock;
  readonly #genesis: ChannelGenesis;
  #state: ChannelState;
  #sealed: OwnSeal | undefined;
  /** Why nothing can be ordered any more: memory and disk may differ. */
  #failure: { readonly error: unknown } | undefined;

  constructor({ store, signer, clock, genesis }: SoloBlockMakerParts) {
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
    const block = new Map<string, OrderedTransaction & { readonly index: bigint }>();
    const first = BigInt(this.#store.log.size);
    const now = this.#clock.now();
    const time = unixMillis(Math.max(now, this.#store.lastTime));
    for (const { transaction, statement, identity, settle } of submissions) {
      const known = this.#store.indexOf(identity) ?? block.get(toHex(identity))?.index;
      if (known !== undefined) {
        answers.push(() => settle(ok({ index: known })));
        continue;
      }
      const judged = judgeTransaction(this.#state, statement, { transaction, time });
      if (!judged.ok) {
        if (judged.fault.code === "LANE_HEAD_INCONSISTENT") {
          this.#store.rows.putFrozen(statement.header.issuer, transaction.statement);
          this.#state = this.#state.freeze(statement.header.issuer);
        }
        answers.push(() => settle(judged));
        continue;
      }
      const index = first + BigInt(block.size);
      block.set(toHex(identity), { identity, transaction, change: judged.value, index });
      this.#state = this.#state.apply(judged.value, index);
      answers.push(() => settle(ok({ index })));
    }
    if (block.size > 0) {
      this.#store.appendBlock([...block.values()], { time });
      this.#signer.promise(now);
    }
    return answers;
  }
}
