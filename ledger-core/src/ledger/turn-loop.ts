/**
 * Drives the channels of a process in turns: each takes what has come in, then all that they must not
 * forget is one commit of the votes database, then each commits, sends and delivers (CONSENSUS.md,
 * "Durable votes").
 */

import type { Digest } from "../base/bytes.ts";
import type { VoteStore, VoteStoreWrite } from "./vote-store.ts";

/** A channel as the loop sees it. */
export interface TurnTaker {
  readonly channel: Digest;
  /** Takes what has come in. @returns what must be durable before anything leaves. */
  take(): readonly VoteStoreWrite[];
  /** What was taken is durable: commits, sends and delivers. */
  carryOut(): void;
  /** The disk, or our own code, failed: nothing of this turn leaves. */
  fail(error: unknown): void;
}

/** One for each process. A turn runs to its end before the next event of the process is seen. */
export class TurnLoop {
  readonly #votes: Pick<VoteStore, "write">;
  readonly #waiting = new Set<TurnTaker>();
  #scheduled = false;

  constructor(votes: Pick<VoteStore, "write">) {
    this.#votes = votes;
  }

  /** The channel takes part in the next turn, which gathers whatever else is at the door by then. */
  request(taker: TurnTaker): void {
    this.#waiting.add(taker);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.turn();
    });
  }

  /** The channel is closed. */
  remove(taker: TurnTaker): void {
    this.#waiting.delete(taker);
  }

  /** Runs a turn now. */
  turn(): void {
    const takers = [...this.#waiting];
    this.#waiting.clear();
    const taken: { readonly taker: TurnTaker; readonly writes: readonly VoteStoreWrite[] }[] = [];
    for (const taker of takers) attempt(taker, () => taken.push({ taker, writes: taker.take() }));
    try {
      this.#votes.write(taken.map(({ taker, writes }) => ({ channel: taker.channel, writes })));
    } catch (error) {
      for (const { taker } of taken) taker.fail(error);
      return;
    }
    for (const { taker } of taken) attempt(taker, () => taker.carryOut());
  }
}

/** What fails in one channel is that channel's alone. */
function attempt(taker: TurnTaker, work: () => void): void {
  try {
    work();
  } catch (error) {
    taker.fail(error);
  }
}
