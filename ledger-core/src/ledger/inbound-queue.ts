/** What peers sent and no turn has taken yet: bounded for each peer, and taken from each in its turn. */

import type { Identifier } from "../base/identifier.ts";

export type InboundLimits = {
  /** Messages, and bytes of them together, that wait for one peer. */
  readonly messagesMax: number;
  readonly bytesMax: number;
};

type Waiting<T> = { readonly item: T; readonly bytes: number };
type Line<T> = { readonly waiting: Waiting<T>[]; bytes: number };

/** A peer that sends more than is taken loses its own newest messages; others lose nothing by it. */
export class InboundQueue<T> {
  readonly #limits: InboundLimits;
  readonly #lines = new Map<Identifier, Line<T>>();
  #size = 0;

  constructor(limits: InboundLimits) {
    this.#limits = limits;
  }

  /** Messages of all peers. */
  get size(): number {
    return this.#size;
  }

  /** @returns false where the peer has as much waiting as it may: this one is dropped. */
  push(peer: Identifier, item: T, bytes: number): boolean {
    const line = this.#lines.get(peer) ?? { waiting: [], bytes: 0 };
    const { messagesMax, bytesMax } = this.#limits;
    const isFull = line.waiting.length >= messagesMax || line.bytes + bytes > bytesMax;
    if (isFull && line.waiting.length > 0) return false;
    this.#lines.set(peer, line);
    line.waiting.push({ item, bytes });
    line.bytes += bytes;
    this.#size++;
    return true;
  }

  /** At most so many, one of each peer in turn, in the order of each. */
  take(max: number): readonly { readonly peer: Identifier; readonly item: T }[] {
    const taken: { readonly peer: Identifier; readonly item: T }[] = [];
    while (this.#size > 0 && taken.length < max) {
      for (const [peer, line] of [...this.#lines]) {
        const next = line.waiting.shift();
        if (next !== undefined) {
          line.bytes -= next.bytes;
          this.#size--;
          taken.push({ peer, item: next.item });
        }
        // Whoever was served stands last in the next turn.
        this.#lines.delete(peer);
        if (line.waiting.length > 0) this.#lines.set(peer, line);
        if (taken.length >= max) break;
      }
    }
    return taken;
  }

  clear(): void {
    this.#lines.clear();
    this.#size = 0;
  }
}
