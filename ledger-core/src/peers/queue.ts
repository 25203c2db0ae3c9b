/** What waits for one peer, bounded in frames and bytes: votes overtake bulk and outlive it. Pure. */

import type { PeerFrame, PeerUrgency } from "./network.ts";

export type PeerQueueLimits = { readonly queueFramesMax: number; readonly queueBytesMax: number };

/** Votes that go first in a row while bulk waits: a flood of votes must not stop a proposal. */
export const votesInRowMax = 32;

export class PeerQueue {
  readonly #limits: PeerQueueLimits;
  readonly #lines: Readonly<Record<PeerUrgency, Line>> = { vote: new Line(), bulk: new Line() };
  readonly #dropped: Record<PeerUrgency, number> = { vote: 0, bulk: 0 };
  #votesInRow = 0;

  constructor(limits: PeerQueueLimits) {
    this.#limits = limits;
  }

  get frames(): number {
    return this.#lines.vote.frames + this.#lines.bulk.frames;
  }

  get bytes(): number {
    return this.#lines.vote.bytes + this.#lines.bulk.bytes;
  }

  /** How many frames had to go, by urgency. */
  get dropped(): Readonly<Record<PeerUrgency, number>> {
    return this.#dropped;
  }

  /** Takes the frame and drops what is then too much; it may be this very frame. @returns how many. */
  push(frame: PeerFrame): number {
    this.#lines[frame.urgency].push(frame);
    let dropped = 0;
    while (this.frames > this.#limits.queueFramesMax || this.bytes > this.#limits.queueBytesMax) {
      const urgency = this.#lines.bulk.frames > 0 ? "bulk" : "vote";
      this.#lines[urgency].shift();
      this.#dropped[urgency]++;
      dropped++;
    }
    return dropped;
  }

  /** The next frame to send. */
  shift(): PeerFrame | undefined {
    const { vote, bulk } = this.#lines;
    const votesFirst = bulk.frames === 0 || this.#votesInRow < votesInRowMax;
    const frame = votesFirst ? (vote.shift() ?? bulk.shift()) : bulk.shift();
    this.#votesInRow = frame?.urgency === "vote" ? this.#votesInRow + 1 : 0;
    return frame;
  }

  /** Forgets everything, uncounted: the peer is no member any more. */
  clear(): void {
    while (this.shift() !== undefined);
  }
}

/** First in, first out, without moving the others at each step. */
class Line {
  #items: (PeerFrame | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  get frames(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(frame: PeerFrame): void {
    this.#items.push(frame);
    this.#bytes += frame.payload.length;
  }

  shift(): PeerFrame | undefined {
    const frame = this.#items[this.#head];
    if (frame === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.#bytes -= frame.payload.length;
    // Half of it is gone: the rest moves once, so that each frame moves once on average.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }
}
