/** How long a lane head waits for more to share it. Pure: time arrives. */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { leavesPerHeadWanted } from "../limits.ts";

/**
 * After idleness a head is due at once. While little comes the pause between two heads doubles up to its
 * longest, since each head is a transaction of its own and comes down to every device whose leaves it
 * has; while enough comes to share one, it halves again.
 */
export class OrderPace {
  readonly #everyMs: number;
  readonly #everyMsMax: number;
  #pauseMs: number;
  #at: MonotonicMillis | undefined;

  /** @param limits.everyMsMax counts where it is the longer one. */
  constructor(limits: { readonly everyMs: number; readonly everyMsMax: number }) {
    this.#everyMs = limits.everyMs;
    this.#everyMsMax = Math.max(limits.everyMs, limits.everyMsMax);
    this.#pauseMs = limits.everyMs;
  }

  /** Milliseconds from now until the next head may be ordered. */
  waitMs(now: MonotonicMillis): number {
    return this.#at === undefined ? 0 : Math.max(0, this.#at + this.#pauseMs - now);
  }

  /** Notes an attempt. @param leaves that its head added; 0 where the ledger did not take it. */
  tried(now: MonotonicMillis, leaves: number): void {
    const since = this.#at === undefined ? Number.POSITIVE_INFINITY : now - this.#at;
    this.#at = now;
    if (since >= 2 * this.#everyMsMax) this.#pauseMs = this.#everyMs;
    else if (leaves >= leavesPerHeadWanted)
      this.#pauseMs = Math.max(this.#everyMs, this.#pauseMs / 2);
    else if (leaves > 0) this.#pauseMs = Math.min(this.#everyMsMax, 2 * this.#pauseMs);
  }
}
