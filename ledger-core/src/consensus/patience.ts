/** How long a view is waited for: the timers t_l and t_a, armed only while there is something to order. */

import type { MonotonicMillis } from "../base/time.ts";
import { monotonicMillis } from "../base/time.ts";
import { patienceMsMax } from "./limits.ts";

/** Times of the monotonic clock, or undefined where not armed. */
export class Patience {
  readonly #deltaMs: number;
  #leaderAt: number | undefined;
  #advanceAt: number | undefined;
  #armedAt: number | undefined;
  #proposed = false;

  constructor(deltaMs: number) {
    this.#deltaMs = deltaMs;
  }

  get isArmed(): boolean {
    return this.#armedAt !== undefined;
  }

  /** When this view's timers were armed. */
  get armedAt(): number | undefined {
    return this.#armedAt;
  }

  /** Δ_k = min(Δ · 1.5^k, 60 s), k views since the last finalization. */
  delta(failedViews: number): number {
    return Math.min(this.#deltaMs * 1.5 ** Math.min(failedViews, 64), patienceMsMax);
  }

  /** t_l = 2Δ_k and t_a = 3Δ_k; both at once where the leader is not waited for. */
  arm(now: MonotonicMillis, failedViews: number, hopeless: boolean): void {
    if (this.#armedAt !== undefined) return;
    const delta = hopeless ? 0 : this.delta(failedViews);
    this.#armedAt = now;
    this.#leaderAt = this.#proposed ? undefined : now + 2 * delta;
    this.#advanceAt = now + 3 * delta;
  }

  /** A leader that turned out to be one not to wait for. */
  hurry(now: MonotonicMillis): void {
    if (this.#armedAt === undefined) return;
    if (!this.#proposed) this.#leaderAt = now;
    this.#advanceAt = now;
  }

  /** The first valid proposal cancels t_l. */
  proposed(): void {
    this.#proposed = true;
    this.#leaderAt = undefined;
  }

  /** Entering a view cancels both; so does having nothing to order. */
  cancel(): void {
    this.#armedAt = undefined;
    this.#leaderAt = undefined;
    this.#advanceAt = undefined;
  }

  enter(): void {
    this.cancel();
    this.#proposed = false;
  }

  /** True when t_l or t_a has run out; both are spent then. */
  expire(now: MonotonicMillis): boolean {
    const due =
      (this.#leaderAt !== undefined && now >= this.#leaderAt) ||
      (this.#advanceAt !== undefined && now >= this.#advanceAt);
    if (due) {
      this.#leaderAt = undefined;
      this.#advanceAt = undefined;
    }
    return due;
  }

  get next(): MonotonicMillis | undefined {
    return earliest(this.#leaderAt, this.#advanceAt);
  }
}

/** The earliest of several times; undefined where none is set. */
export function earliest(...times: readonly (number | undefined)[]): MonotonicMillis | undefined {
  let first: number | undefined;
  for (const time of times)
    if (time !== undefined && (first === undefined || time < first)) first = time;
  return first === undefined ? undefined : monotonicMillis(Math.ceil(first));
}

/** Something that is sent again, ever more rarely: Δ, then 1.5 times as long each time, up to 60 s. */
export class Backoff {
  readonly #firstMs: number;
  #intervalMs: number;
  #at: number | undefined;

  constructor(firstMs: number) {
    this.#firstMs = firstMs;
    this.#intervalMs = firstMs;
  }

  get at(): number | undefined {
    return this.#at;
  }

  /** Starts where it does not run. */
  start(now: MonotonicMillis): void {
    this.#at ??= now + this.#intervalMs;
  }

  /** What there was to send is settled: the next one is counted from the start. */
  reset(): void {
    this.#at = undefined;
    this.#intervalMs = this.#firstMs;
  }

  /** Progress: soon again, and never later than it was due, or views that hurry by would put it off for ever. */
  hasten(now: MonotonicMillis): void {
    this.#intervalMs = this.#firstMs;
    if (this.#at !== undefined) this.#at = Math.min(this.#at, now + this.#firstMs);
  }

  stop(): void {
    this.reset();
  }

  /** True when it is time; the next time is then further away. */
  due(now: MonotonicMillis): boolean {
    if (this.#at === undefined || now < this.#at) return false;
    this.#intervalMs = Math.min(this.#intervalMs * 1.5, patienceMsMax);
    this.#at = now + this.#intervalMs;
    return true;
  }
}
