/** Asks peers for what is missing: one question at a time, to the likeliest peer first, then to each. */

import type { MonotonicMillis } from "../base/time.ts";
import type { Fetch } from "./message.ts";

export class Fetching {
  readonly #retryMs: number;
  #asked = "";
  #attempt = 0;
  #at: number | undefined;
  #backoffMs: number;

  constructor(retryMs: number) {
    this.#retryMs = retryMs;
    this.#backoffMs = retryMs;
  }

  get at(): number | undefined {
    return this.#at;
  }

  /** Nothing is missing any more. */
  stop(): void {
    this.#asked = "";
    this.#at = undefined;
    this.#attempt = 0;
    this.#backoffMs = this.#retryMs;
  }

  /**
   * @param wants what is missing now; `key` says whether that is the same as before.
   * @returns whom to ask and what, or undefined while an answer is waited for.
   */
  ask(
    now: MonotonicMillis,
    {
      key,
      wants,
      likely,
    }: { readonly key: string; readonly wants: readonly Fetch[]; readonly likely: number },
    { self, size }: { readonly self: number | undefined; readonly size: number },
  ): { readonly to: number; readonly wants: readonly Fetch[] } | undefined {
    if (key !== this.#asked) {
      this.#asked = key;
      this.#attempt = 0;
      this.#backoffMs = this.#retryMs;
    } else if (this.#at !== undefined && now < this.#at) return undefined;
    else {
      this.#attempt++;
      this.#backoffMs = Math.min(this.#backoffMs * 1.5, 16 * this.#retryMs);
    }
    this.#at = now + this.#backoffMs;
    let to = (likely + this.#attempt) % size;
    if (to === self) to = (to + 1) % size;
    if (to === self) return undefined;
    return { to, wants };
  }
}
