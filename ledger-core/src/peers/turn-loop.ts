/** Reads from all links in turn, each a share at a time, and lets the process do other things in between. */

import type { Served } from "./turns.ts";
import { FairTurns } from "./turns.ts";

export type Reading = { serve(allowance: number): Served };

export class PeerTurnLoop {
  readonly #turns: FairTurns<Reading>;
  #isScheduled = false;

  constructor(share: number) {
    this.#turns = new FairTurns(share);
  }

  /** Something may be read. */
  wake(reading: Reading): void {
    this.#turns.wake(reading);
    this.#schedule();
  }

  remove(reading: Reading): void {
    this.#turns.remove(reading);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#turns.idle) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#turns.turn((reading, allowance) => reading.serve(allowance));
      this.#schedule();
    });
  }
}
