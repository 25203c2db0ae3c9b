/** Transactions that wait for a block: bounded, each with the promise of who submitted it. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { LedgerFault } from "./ledger.ts";

export type SubmitResult = Result<{ readonly index: bigint }, LedgerFault>;

/** A transaction on its way into a block. */
export type Submission = {
  readonly transaction: Transaction;
  readonly statement: ParsedStatement;
  readonly identity: Digest;
  readonly settle: (result: SubmitResult) => void;
  readonly fail: (error: unknown) => void;
};

/** First in, first out. What is taken counts against the bound until `done`. */
export class BlockQueue {
  readonly #max: number;
  readonly #waiting: Submission[] = [];
  #taken: readonly Submission[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Waiting and taken. */
  get pending(): number {
    return this.#waiting.length + this.#taken.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @returns the outcome of the submission; an abort takes it out of the queue if it is still there.
   *   Faults: LEDGER_BUSY, and what the block brings.
   */
  add(
    submission: Omit<Submission, "settle" | "fail">,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<SubmitResult> {
    if (this.pending >= this.#max)
      return Promise.resolve(err({ code: "LEDGER_BUSY", limit: this.#max }));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const forget = () => signal.removeEventListener("abort", onAbort);
      const entry: Submission = {
        ...submission,
        settle(result) {
          forget();
          resolve(result);
        },
        fail(error) {
          forget();
          reject(error);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(entry);
    });
  }

  /** The next block's submissions, at most `max`; they stay pending until {@link done}. */
  take(max: number): readonly Submission[] {
    assert(this.#taken.length === 0, "one block at a time");
    this.#taken = this.#waiting.splice(0, max);
    return this.#taken;
  }

  done(): void {
    this.#taken = [];
  }

  /** Takes everything out, to be settled by the caller. */
  drain(): readonly Submission[] {
    const all = [...this.#taken, ...this.#waiting.splice(0)];
    this.#taken = [];
    return all;
  }
}
