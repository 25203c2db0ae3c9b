/**
 * How fast one device may have statements rejected: each leaves a signed leaf in the lane for ever, so a
 * device that sends garbage is slowed down to what a disk bears. Pure: time arrives.
 */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";

export class RejectionPace {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #devicesMax: number;
  /** Rejections that a device has been ahead of its pace by, and when that was reckoned. */
  readonly #ahead = new Map<string, { readonly count: number; readonly at: MonotonicMillis }>();

  constructor(limits: {
    readonly burst: number;
    readonly perSecond: number;
    readonly devicesMax: number;
  }) {
    this.#burst = limits.burst;
    this.#perSecond = limits.perSecond;
    this.#devicesMax = limits.devicesMax;
  }

  /** Counts one rejection. */
  spend(device: string, now: MonotonicMillis): void {
    const count = this.#countOf(device, now) + 1;
    this.#ahead.delete(device);
    this.#ahead.set(device, { count, at: now });
    // Whoever was not heard of for longest is forgotten: enrolled devices only come here.
    for (const oldest of this.#ahead.keys()) {
      if (this.#ahead.size <= this.#devicesMax) break;
      this.#ahead.delete(oldest);
    }
  }

  /** How long the device's next statement waits, in milliseconds; 0 within its burst. */
  delayMs(device: string, now: MonotonicMillis): number {
    const excess = this.#countOf(device, now) - (this.#burst - 1);
    return excess <= 0 ? 0 : Math.ceil((excess * 1_000) / this.#perSecond);
  }

  #countOf(device: string, now: MonotonicMillis): number {
    const known = this.#ahead.get(device);
    if (known === undefined) return 0;
    return Math.max(0, known.count - ((now - known.at) * this.#perSecond) / 1_000);
  }
}
