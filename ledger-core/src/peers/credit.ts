/** One link's share of a relayed stream, both ways: nobody sends more than the other has room for. Pure. */

import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";

export type CreditFault = { readonly code: "PEER_RELAY_OVERRUN" };

/** Both ends begin with a full window each way. */
export class RelayCredit {
  readonly #window: number;
  #mayDeliver: number;
  #maySend: number;
  #consumed = 0;

  constructor(window: number) {
    this.#window = window;
    this.#maySend = window;
    this.#mayDeliver = window;
  }

  /** Bytes that the other end has room for. */
  get maySend(): number {
    return this.#maySend;
  }

  /** Bytes that came in and are not yet given back: what this end may have to hold. */
  get held(): number {
    return this.#window - this.#mayDeliver;
  }

  sent(bytes: number): void {
    this.#maySend -= bytes;
  }

  /** The other end has room for more. Faults where it would have more than a window. */
  granted(bytes: number): Result<undefined, CreditFault> {
    if (this.#maySend + bytes > this.#window) return err({ code: "PEER_RELAY_OVERRUN" });
    this.#maySend += bytes;
    return ok(undefined);
  }

  /** Bytes came in. Faults where there was no room for them. */
  delivered(bytes: number): Result<undefined, CreditFault> {
    if (bytes > this.#mayDeliver) return err({ code: "PEER_RELAY_OVERRUN" });
    this.#mayDeliver -= bytes;
    return ok(undefined);
  }

  /** Bytes that came in are used up. @returns what to grant now; 0 until a quarter window is worth a frame. */
  consumed(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed * 4 < this.#window) return 0;
    const grant = this.#consumed;
    this.#consumed = 0;
    this.#mayDeliver += grant;
    return grant;
  }
}
