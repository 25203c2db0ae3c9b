/**
 * An emulated slow token around a real signer: one signature at a time, each after so many milliseconds. It was held
 * against no slow token; old smart cards take 0.1 to 2 s for a signature.
 */

import type { Signer, SignerState } from "@tamga/agent/signer/signer";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";

export class EmulatedSlowToken implements Signer {
  readonly #signer: Signer;
  readonly #clock: Clock;
  readonly #ms: number;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** The most requests that it had under way or waiting. */
  mostWaiting = 0;
  signatures = 0;
  /** The clock had its part of a signature, and the real signer works. */
  isSigning = false;

  constructor(signer: Signer, { ms, clock }: { readonly ms: number; readonly clock: Clock }) {
    this.#signer = signer;
    this.#clock = clock;
    this.#ms = ms;
  }

  get algorithm() {
    return this.#signer.algorithm;
  }

  get keyKind() {
    return this.#signer.keyKind;
  }

  publicKey(): PublicKey {
    return this.#signer.publicKey();
  }

  state(): SignerState {
    return this.#signer.state();
  }

  async sign(message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    this.#waiting++;
    this.mostWaiting = Math.max(this.mostWaiting, this.#waiting);
    const signed = this.#last.then(() => this.#sign(message, options));
    this.#last = signed.catch(() => undefined);
    try {
      return await signed;
    } finally {
      this.#waiting--;
    }
  }

  close(): Promise<void> {
    return this.#signer.close();
  }

  async #sign(message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    await this.#clock.sleep(this.#ms, options);
    this.isSigning = true;
    try {
      return await this.#signer.sign(message, options);
    } finally {
      this.isSigning = false;
      this.signatures++;
    }
  }
}
