/** Hands the newest seal to any number of readers, each at its own pace. */

import type { SealedCheckpoint } from "./ledger.ts";

export class SealFeed {
  #newest: SealedCheckpoint | undefined;
  #ended = false;
  #next = Promise.withResolvers<void>();

  push(seal: SealedCheckpoint): void {
    this.#newest = seal;
    this.#wake();
  }

  /** Ends every reader after the newest seal. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** What is pushed after this call; a reader that was slow gets only the newest. */
  follow({ signal }: { readonly signal: AbortSignal }): AsyncIterable<SealedCheckpoint> {
    return this.#follow(this.#newest, signal);
  }

  async *#follow(
    start: SealedCheckpoint | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<SealedCheckpoint, void, undefined> {
    let seen = start;
    for (;;) {
      signal.throwIfAborted();
      const newest = this.#newest;
      if (newest !== undefined && newest !== seen) {
        seen = newest;
        yield newest;
      } else if (this.#ended) {
        return;
      } else {
        await orAbort(this.#next.promise, signal);
      }
    }
  }

  #wake(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}

/** Waits, but no longer than until the abort, which rejects with the signal's reason. */
function orAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}
