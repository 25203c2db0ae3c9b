/** How much may be on its way to a gateway at one time. Pure. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";

type InFlight = { readonly bytes: number; readonly at: MonotonicMillis };

/**
 * Opens by one message an acknowledgement, i.e. doubles a round trip, up to its maximum; halves when
 * something was lost. Bytes are bounded beside it: a gateway cuts off who exceeds its share.
 */
export class SendWindow {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  readonly #inFlight = new Map<number, InFlight>();
  #bytes = 0;
  #limit: number;

  constructor(max: { readonly messages: number; readonly bytes: number }) {
    this.#messagesMax = max.messages;
    this.#bytesMax = max.bytes;
    this.#limit = Math.min(initialMessages, max.messages);
  }

  /** Messages that may be in flight now. */
  get limit(): number {
    return this.#limit;
  }

  get messages(): number {
    return this.#inFlight.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest in flight was sent. */
  get oldestAt(): MonotonicMillis | undefined {
    const first = this.#inFlight.values().next();
    return first.done === true ? undefined : first.value.at;
  }

  /** Whether one more message of this size may go; the first always may. */
  fits(bytes: number): boolean {
    if (this.#inFlight.size === 0) return true;
    return this.#inFlight.size < this.#limit && this.#bytes + bytes <= this.#bytesMax;
  }

  sent(id: number, { bytes, at }: InFlight): void {
    assert(this.fits(bytes), "no more is sent than the window holds");
    assert(!this.#inFlight.has(id), "what is in flight is not sent again");
    this.#inFlight.set(id, { bytes, at });
    this.#bytes += bytes;
  }

  /** @returns false for what is not in flight. */
  acknowledged(id: number): boolean {
    const known = this.#inFlight.get(id);
    if (known === undefined) return false;
    this.#inFlight.delete(id);
    this.#bytes -= known.bytes;
    this.#limit = Math.min(this.#limit + 1, this.#messagesMax);
    return true;
  }

  /** The connection is gone and with it what was in flight. */
  lost(): void {
    if (this.#inFlight.size > 0) this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#inFlight.clear();
    this.#bytes = 0;
  }
}

const initialMessages = 8;
