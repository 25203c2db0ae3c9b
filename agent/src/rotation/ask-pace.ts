/** When a question goes again that may be answered in a second or in months. Pure. */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis } from "@tamga/ledger-core/base/time";

export class AskPace {
  readonly #msMin: number;
  readonly #msMax: number;
  #pauseMs: number;
  #nextAt: MonotonicMillis | undefined;

  constructor({ msMin, msMax }: { readonly msMin: number; readonly msMax: number }) {
    this.#msMin = msMin;
    this.#msMax = msMax;
    this.#pauseMs = msMin;
  }

  /** The next question goes at once, and the pauses begin anew. */
  reset(): void {
    this.#nextAt = undefined;
    this.#pauseMs = this.#msMin;
  }

  /** True when it is to go now; each time the pause after it doubles, up to the most. */
  isDue(now: MonotonicMillis): boolean {
    if (this.#nextAt !== undefined && now < this.#nextAt) return false;
    this.#nextAt = monotonicMillis(now + this.#pauseMs);
    this.#pauseMs = Math.min(this.#msMax, 2 * this.#pauseMs);
    return true;
  }
}
