/** One block in the making: transactions are judged in order, each on what the one before it left. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Executed } from "../consensus/application.ts";
import { rootOf } from "../log/merkle-root.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { AppliedTransaction, LedgerState, OrderedHistory } from "./ledger-state.ts";
import { isOrderedIn } from "./ledger-state.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { ReadTransaction } from "./transaction-reader.ts";

/** What a run needs of its block. */
export type BlockMoment = {
  /** The header's. */
  readonly time: UnixMillis;
  readonly parentDigest: Digest;
};

export type RepeatedFault = { readonly code: "TRANSACTION_REPEATED" };

export class BlockRun {
  readonly #history: OrderedHistory;
  readonly #parent: LedgerState;
  readonly #moment: BlockMoment;
  readonly #applied: AppliedTransaction[] = [];
  readonly #leaves: Digest[] = [];
  readonly #bodyLeaves: Digest[] = [];
  readonly #ids = new Set<string>();
  #channel: ChannelState;

  constructor(history: OrderedHistory, parent: LedgerState, moment: BlockMoment) {
    this.#history = history;
    this.#parent = parent;
    this.#moment = moment;
    this.#channel = parent.channel;
  }

  get count(): number {
    return this.#applied.length;
  }

  /** In the parent's history, or in this block already. */
  has(id: string): boolean {
    return this.#ids.has(id) || isOrderedIn(this.#history, this.#parent, id);
  }

  /** Takes one transaction, or leaves everything as it was. */
  take(read: ReadTransaction): Result<null, TransactionFault | RepeatedFault> {
    const { id, identity, transaction, statement, leaf, bodyLeaf } = read;
    if (this.has(id)) return err({ code: "TRANSACTION_REPEATED" });
    const { time } = this.#moment;
    const index = BigInt(this.#parent.log.size + this.#applied.length);
    const judged = judgeTransaction(this.#channel, statement, { transaction, time, index });
    if (!judged.ok) return judged;
    const change = judged.value;
    this.#channel = this.#channel.apply(change, index);
    this.#applied.push({ identity, transaction, change });
    this.#ids.add(id);
    this.#leaves.push(leaf);
    this.#bodyLeaves.push(bodyLeaf);
    return ok(null);
  }

  finish(): Executed<LedgerState> {
    return this.#finish(false);
  }

  /** The boundary that the parent wants: no transactions, and the next epoch's members. */
  finishBoundary(): Executed<LedgerState> {
    assert(this.count === 0, "a boundary carries no transactions");
    this.#channel = this.#channel.beginEpoch();
    return this.#finish(true);
  }

  #finish(isBoundary: boolean): Executed<LedgerState> {
    const parent = this.#parent;
    const { hasher } = parent.channel.context;
    const log = parent.log.copy();
    for (const leaf of this.#leaves) log.append(leaf);
    const recent =
      this.#ids.size === 0
        ? parent.recent
        : { ids: this.#ids, logSize: log.size, before: parent.recent };
    // A boundary cannot name its own digest: its child does.
    const epochStart = parent.isBoundary ? this.#moment.parentDigest : parent.epochStart;
    const state = { log, epochStart, isBoundary, applied: this.#applied, recent };
    return {
      state: { channel: this.#channel, ...state },
      roots: {
        txRoot: rootOf(hasher, this.#bodyLeaves),
        stateRoot: this.#channel.root(),
        logSize: BigInt(log.size),
        logRoot: log.root(),
      },
      ids: [...this.#ids],
    };
  }
}
