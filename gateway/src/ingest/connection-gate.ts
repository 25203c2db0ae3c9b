/** How many clients may knock: open connections and new handshakes a second. Pure: time arrives. */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";

export type GateVerdict = "open" | "CONNECTIONS_FULL" | "HANDSHAKES_TOO_FAST";

/** A token bucket over handshakes, one second deep, and a count of what is open. */
export class ConnectionGate {
  readonly #openMax: number;
  readonly #perSecond: number;
  #open = 0;
  #tokens: number;
  #at: number | undefined;

  constructor(limits: { readonly openMax: number; readonly perSecond: number }) {
    this.#openMax = limits.openMax;
    this.#perSecond = limits.perSecond;
    this.#tokens = limits.perSecond;
  }

  get open(): number {
    return this.#open;
  }

  /** Counts the connection in when it answers "open"; the caller counts it out with `leave`. */
  enter(now: MonotonicMillis): GateVerdict {
    const elapsed = now - (this.#at ?? now);
    this.#at = now;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (elapsed * this.#perSecond) / 1_000);
    if (this.#open >= this.#openMax) return "CONNECTIONS_FULL";
    if (this.#tokens < 1) return "HANDSHAKES_TOO_FAST";
    this.#tokens--;
    this.#open++;
    return "open";
  }

  leave(): void {
    this.#open--;
  }
}
