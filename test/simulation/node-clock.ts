/** A node's own clocks over the simulation's time: one that never steps but drifts, one on the wall. */

import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import type { Moment } from "@tamga/ledger-core/consensus/replica-io";

/** 2030-01-01T00:00:00Z, when simulations begin. */
const epochStart = 1_893_456_000_000;

export class NodeClock {
  /** Milliseconds that the wall clock is off. */
  wallOffset = 0;
  /** Own milliseconds a millisecond. */
  readonly #rate: number;
  #bootAt = 0;

  constructor(rate: number) {
    this.#rate = rate;
  }

  boot(now: number): void {
    this.#bootAt = now;
  }

  read(now: number): Moment {
    return {
      now: monotonicMillis((now - this.#bootAt) * this.#rate),
      wall: unixMillis(epochStart + now + this.wallOffset),
    };
  }

  /** When the own monotonic clock will show `at`. */
  timeOf(at: number): number {
    return this.#bootAt + Math.ceil(at / this.#rate);
  }
}
