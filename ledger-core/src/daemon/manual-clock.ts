/** A {@link Clock} that a test or a simulator moves by hand; nothing passes by itself. */

import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import { monotonicMillis, unixMillis } from "../base/time.ts";
import type { Clock } from "./system-clock.ts";

export class ManualClock implements Clock {
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  readonly #random: () => number;
  #unix: number;
  #monotonic = 0;

  /** @param random where chance comes from; 0.5 each time unless given. */
  constructor(now = 1_750_000_000_000, random: () => number = () => 0.5) {
    this.#unix = now;
    this.#random = random;
  }

  now(): UnixMillis {
    return unixMillis(this.#unix);
  }

  monotonic(): MonotonicMillis {
    return monotonicMillis(this.#monotonic);
  }

  random(): number {
    return this.#random();
  }

  sleep(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const sleeper = { at: this.#monotonic + Math.max(ms, 0), wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** How many wait: lets a test see that the code under test has gone to sleep. */
  get sleeperCount(): number {
    return this.#sleepers.size;
  }

  /** Moves both clocks on, wakes in order of time, and lets what was woken run in between. */
  async advance(ms: number): Promise<void> {
    const target = this.#monotonic + ms;
    for (;;) {
      const next = [...this.#sleepers]
        .filter((sleeper) => sleeper.at <= target)
        .sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#move(next.at);
      this.#sleepers.delete(next);
      next.wake();
      await settle();
    }
    this.#move(target);
    await settle();
  }

  /** Steps the wall clock alone, as a time daemon or a dead battery does. */
  stepTo(unix: number): void {
    this.#unix = unix;
  }

  #move(monotonic: number): void {
    this.#unix += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}

/** Enough turns for a chain of awaits to run out. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
