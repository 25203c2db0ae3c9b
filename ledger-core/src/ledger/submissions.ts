/** Who waits for which transaction: bounded, several for one, each with its own abort. */

import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { LedgerFault } from "./ledger.ts";

export type SubmitResult = Result<{ readonly index: bigint }, LedgerFault>;

type Waiter = {
  readonly settle: (result: SubmitResult) => void;
  readonly fail: (error: unknown) => void;
};

/** A transaction that somebody waits for. */
export type Submission = {
  readonly id: string;
  /** Encoded. */
  readonly bytes: Uint8Array;
  readonly transaction: Transaction;
  readonly statement: ParsedStatement;
  /** Its leaf, once it is final: settled when that is sealed. */
  index: bigint | undefined;
  readonly waiters: Set<Waiter>;
};

export class Submissions {
  readonly #max: number;
  readonly #waiting = new Map<string, Submission>();
  /** Final ones, by the leaf that must be sealed. */
  readonly #final = new Set<Submission>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  find(id: string): Submission | undefined {
    return this.#waiting.get(id);
  }

  /** Those that are not final. */
  *open(): Iterable<Submission> {
    for (const submission of this.#waiting.values())
      if (submission.index === undefined) yield submission;
  }

  /**
   * @param isOwn the ledger's own statement about one that waits: there are no more of them than of those,
   *   and it has no bound of its own.
   * @returns the outcome; an abort rejects with its reason, and the transaction may still be ordered.
   *   Faults: LEDGER_BUSY, and what the ledger settles with.
   */
  add(
    of: Omit<Submission, "index" | "waiters">,
    { signal, isOwn = false }: { readonly signal: AbortSignal; readonly isOwn?: boolean },
  ): Promise<SubmitResult> {
    if (this.#count >= this.#max && !isOwn)
      return Promise.resolve(err({ code: "LEDGER_BUSY", limit: this.#max }));
    const submission = this.#waiting.get(of.id) ?? { ...of, index: undefined, waiters: new Set() };
    this.#waiting.set(of.id, submission);
    this.#count++;
    return new Promise((resolve, reject) => {
      const forget = () => {
        signal.removeEventListener("abort", onAbort);
        submission.waiters.delete(waiter);
        this.#count--;
      };
      const waiter: Waiter = {
        settle(result) {
          forget();
          resolve(result);
        },
        fail(error) {
          forget();
          reject(error);
        },
      };
      const onAbort = () => {
        waiter.fail(signal.reason);
        if (submission.waiters.size === 0) this.#forget(submission);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      submission.waiters.add(waiter);
    });
  }

  /** It is final; who waits is told once its leaf is sealed. */
  ordered(id: string, index: bigint): void {
    const submission = this.#waiting.get(id);
    if (submission === undefined) return;
    submission.index = index;
    this.#final.add(submission);
  }

  /** Leaves below this size are sealed. */
  sealed(size: bigint): void {
    for (const submission of this.#final) {
      const { index } = submission;
      if (index !== undefined && index < size)
        this.settle(submission, { ok: true, value: { index } });
    }
  }

  settle(submission: Submission, result: SubmitResult): void {
    this.#forget(submission);
    for (const { settle } of [...submission.waiters]) settle(result);
  }

  settleAll(result: SubmitResult): void {
    for (const submission of [...this.#waiting.values()]) this.settle(submission, result);
  }

  failAll(error: unknown): void {
    for (const submission of [...this.#waiting.values()]) {
      this.#forget(submission);
      for (const { fail } of [...submission.waiters]) fail(error);
    }
  }

  #forget(submission: Submission): void {
    if (this.#waiting.get(submission.id) === submission) this.#waiting.delete(submission.id);
    this.#final.delete(submission);
  }
}
