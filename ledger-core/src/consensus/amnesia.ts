/**
 * Votes lost or restored from a backup: nothing is signed until enough others said how far they know this
 * validator's views and votes to go (CONSENSUS.md, "Votes lost or restored").
 */

import type { ValidatorSet, View } from "./validator-set.ts";

export class Amnesia {
  readonly #validators: ValidatorSet;
  readonly #self: number | undefined;
  readonly #answers = new Map<number, View>();
  #question: Uint8Array = new Uint8Array();

  constructor(validators: ValidatorSet, self: number | undefined) {
    this.#validators = validators;
    this.#self = self;
  }

  get question(): Uint8Array {
    return this.#question;
  }

  /** Answers of other validators that are needed: n − q + f + 1. */
  get needed(): number {
    const { size, quorum, faults } = this.#validators;
    return size - quorum + faults + 1;
  }

  /** A new question: earlier answers do not count for it. */
  ask(question: Uint8Array): void {
    this.#question = question;
    this.#answers.clear();
  }

  /**
   * @param highest the highest view that the peer justified, and of any vote of ours that it holds.
   * @returns the view up to which to abstain, once enough have answered.
   */
  answer(from: number, highest: View): View | undefined {
    if (from === this.#self) return undefined;
    this.#answers.set(from, Math.max(highest, this.#answers.get(from) ?? 0));
    if (this.#answers.size < this.needed) return undefined;
    return 1 + Math.max(...this.#answers.values());
  }
}
