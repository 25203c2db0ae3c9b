/** The end of a relayed stream as a Node stream, for TLS to run in: the relay sees ciphertext alone. */

import { Duplex } from "node:stream";
import { OperationalError } from "../base/operational-error.ts";
import { explainPeerCode } from "./code.ts";
import type { RelayChannel, RelayEnd } from "./relay-mux.ts";

/** Holds at most a window of what came; a window is granted again as the reader takes bytes. */
export class RelayStream extends Duplex {
  #channel: RelayChannel | undefined;
  readonly #arrived: Uint8Array[] = [];
  #isWanted = false;
  #hasEnded = false;

  constructor() {
    super({ allowHalfOpen: true });
  }

  attach(channel: RelayChannel): void {
    this.#channel = channel;
  }

  /** What the link gives what comes to. */
  readonly relayEnd: RelayEnd = {
    arrived: (bytes) => {
      if (bytes.length > 0) this.#arrived.push(bytes);
      this.#pass();
    },
    ended: () => {
      this.#hasEnded = true;
      this.#pass();
    },
    closed: (code) => {
      this.#channel = undefined;
      this.destroy(new OperationalError(code, explainPeerCode(code)));
    },
  };

  override _read(): void {
    this.#isWanted = true;
    this.#pass();
  }

  override _write(chunk: Uint8Array, _encoding: string, taken: () => void): void {
    this.#channel?.send(chunk, taken);
  }

  override _final(done: () => void): void {
    this.#channel?.finish();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel?.close("PEER_LINK_LOST");
    this.#channel = undefined;
    done(error);
  }

  #pass(): void {
    while (this.#isWanted) {
      const bytes = this.#arrived.shift();
      if (bytes === undefined) break;
      this.#isWanted = this.push(bytes);
      this.#channel?.consumed(bytes.length);
    }
    if (!this.#hasEnded || this.#arrived.length > 0) return;
    this.#hasEnded = false;
    this.push(null);
  }
}
