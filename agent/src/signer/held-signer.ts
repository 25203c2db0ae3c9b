/** The signing key that is in use now, for those who ask it seldom: it changes when a rotation comes to its end. */

import type { Signer } from "./signer.ts";

export class HeldSigner implements Signer {
  #current: Signer;
  /** Those before it: what they were asked to sign may be under way. */
  readonly #earlier: Signer[] = [];

  constructor(signer: Signer) {
    this.#current = signer;
  }

  get current(): Signer {
    return this.#current;
  }

  use(next: Signer): void {
    this.#earlier.push(this.#current);
    this.#current = next;
  }

  get algorithm(): Signer["algorithm"] {
    return this.#current.algorithm;
  }

  get keyKind(): Signer["keyKind"] {
    return this.#current.keyKind;
  }

  publicKey(): ReturnType<Signer["publicKey"]> {
    return this.#current.publicKey();
  }

  sign(...args: Parameters<Signer["sign"]>): ReturnType<Signer["sign"]> {
    return this.#current.sign(...args);
  }

  state(): ReturnType<Signer["state"]> {
    return this.#current.state();
  }

  /** Closes all that it ever held. */
  async close(): Promise<void> {
    await Promise.all([this.#current, ...this.#earlier].map((signer) => signer.close()));
  }
}
