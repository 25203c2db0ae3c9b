/** A link that opens its line again whenever it is lost, and says aloud what state it is in. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { linkRetryMsMax, linkRetryMsMin } from "../limits.ts";
import type { ByteLink } from "./byte-link.ts";

/**
 * `down` tells why (a LINK_ code and its sentence) and how long until the next attempt. LINK_CLOSED is
 * a line that the other side hung up.
 */
export type LinkState =
  | { readonly phase: "connecting" }
  | { readonly phase: "up" }
  | {
      readonly phase: "down";
      readonly code: string;
      readonly sentence: string;
      readonly retryInMs: number;
    };

export class ReconnectingLink implements ByteLink {
  readonly name: string;
  readonly #inner: ByteLink;
  readonly #clock: Clock;
  readonly #onState: (state: LinkState) => void;

  /**
   * @param onState called on every change, in order with the chunks: when it says `down`, every byte
   *   of the lost line has been given out, and a driver can be told that its line ended.
   */
  constructor(inner: ByteLink, clock: Clock, onState: (state: LinkState) => void) {
    this.#inner = inner;
    this.#clock = clock;
    this.#onState = onState;
    this.name = inner.name;
  }

  /** Never ends and never throws but the abort's reason. */
  async *open({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    let failures = 0;
    for (;;) {
      signal.throwIfAborted();
      this.#onState({ phase: "connecting" });
      let lost = new OperationalError("LINK_CLOSED", `${this.name}: the other side hung up.`);
      try {
        let opened = false;
        for await (const chunk of this.#inner.open({ signal })) {
          if (!opened) this.#onState({ phase: "up" });
          opened = true;
          // Only bytes prove the line: a port that opens and fails at once must still back off.
          if (chunk.length > 0) failures = 0;
          yield chunk;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof OperationalError)) throw error;
        lost = error;
      }
      const retryInMs = retryDelay(failures++, this.#clock.random());
      const { code, message } = lost;
      this.#onState({ phase: "down", code, sentence: message, retryInMs });
      await this.#clock.sleep(retryInMs, { signal });
    }
  }
}

/**
 * Exponential with jitter, so that many links that fell together do not come back together.
 *
 * @param random 0 ≤ x < 1.
 * @returns milliseconds, {@link linkRetryMsMin} / 2 … {@link linkRetryMsMax}.
 */
export function retryDelay(failures: number, random: number): number {
  const ceiling = Math.min(linkRetryMsMax, linkRetryMsMin * 2 ** Math.min(failures, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
