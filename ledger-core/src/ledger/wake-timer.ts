/** One timer that is set anew as often as need be. */

import type { MonotonicMillis } from "../base/time.ts";
import type { Clock } from "../daemon/system-clock.ts";

export class WakeTimer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #set: { readonly at: MonotonicMillis; readonly end: AbortController } | undefined;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Wakes at this time, or never: in place of what was set before. */
  set(at: MonotonicMillis | undefined): void {
    if (at !== undefined && this.#set?.at === at) return;
    this.#set?.end.abort();
    this.#set = undefined;
    if (at === undefined) return;
    const end = new AbortController();
    const set = { at, end };
    this.#set = set;
    this.#clock.sleep(at - this.#clock.monotonic(), { signal: end.signal }).then(
      () => {
        if (this.#set === set) this.#set = undefined;
        this.#wake();
      },
      () => undefined,
    );
  }
}
