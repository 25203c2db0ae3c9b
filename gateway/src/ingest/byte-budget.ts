/** One bound on bytes in flight for the whole gateway, with a share that no device can exceed. */

export type ByteBudgetLimits = { readonly totalMax: number; readonly shareMax: number };

/** Of each of so many budgets that share one bound: never less than one holder's share. */
export function divided({ totalMax, shareMax }: ByteBudgetLimits, count: number): ByteBudgetLimits {
  return { totalMax: Math.max(shareMax, Math.floor(totalMax / count)), shareMax };
}

type Waiting = { readonly holder: string; readonly bytes: number; readonly wake: () => void };

export class ByteBudget {
  readonly #limits: ByteBudgetLimits;
  #total = 0;
  readonly #shares = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(limits: ByteBudgetLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** Bytes that the holder could take now. */
  room(holder: string): number {
    const { totalMax, shareMax } = this.#limits;
    return Math.min(totalMax - this.#total, shareMax - (this.#shares.get(holder) ?? 0));
  }

  /** @returns false, and takes nothing, where the total or the holder's share would be exceeded. */
  take(holder: string, bytes: number): boolean {
    if (bytes > this.room(holder)) return false;
    this.#total += bytes;
    this.#shares.set(holder, (this.#shares.get(holder) ?? 0) + bytes);
    return true;
  }

  /** Gives back what was taken, and wakes those who waited for it, longest first. */
  give(holder: string, bytes: number): void {
    this.#total -= bytes;
    const share = (this.#shares.get(holder) ?? 0) - bytes;
    if (share > 0) this.#shares.set(holder, share);
    else this.#shares.delete(holder);
    for (const waiting of this.#waiting) {
      if (waiting.bytes > this.room(waiting.holder)) continue;
      this.#waiting.delete(waiting);
      waiting.wake();
    }
  }

  /**
   * Calls `wake` once when there is room for so many bytes; it must look again, others may be faster.
   * @returns what calls it off.
   */
  whenRoom(holder: string, bytes: number, wake: () => void): () => void {
    const waiting = { holder, bytes, wake };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }
}
