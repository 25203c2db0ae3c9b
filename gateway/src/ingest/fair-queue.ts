/** Takes turns between those who queue: who brings much waits behind himself alone. Pure. */

export type FairQueueLimits = {
  /** Items in all, and of one holder. */
  readonly totalMax: number;
  readonly perHolderMax: number;
  /** Items of one holder that are taken together while others wait. */
  readonly shareMax: number;
};

export class FairQueue<T> {
  readonly #limits: FairQueueLimits;
  /** Who is next stands first; each holder's items in the order in which they came. */
  readonly #turns = new Map<string, T[]>();
  #length = 0;

  constructor(limits: FairQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#length;
  }

  /** @returns false, and takes nothing, past a limit. */
  push(holder: string, item: T): boolean {
    const { totalMax, perHolderMax } = this.#limits;
    const items = this.#turns.get(holder);
    if (this.#length >= totalMax || (items?.length ?? 0) >= perHolderMax) return false;
    if (items === undefined) this.#turns.set(holder, [item]);
    else items.push(item);
    this.#length++;
    return true;
  }

  /** At most so many, one of each holder in turn. */
  take(max: number): T[] {
    const holders = this.#turns.size;
    const count = holders > 1 ? Math.min(max, holders * this.#limits.shareMax) : max;
    const taken: T[] = [];
    for (const [holder, items] of this.#turns) {
      if (taken.length >= count) break;
      const item = items.shift();
      if (item !== undefined) taken.push(item);
      // A map goes on to what is added behind: the next round.
      this.#turns.delete(holder);
      if (items.length > 0) this.#turns.set(holder, items);
    }
    this.#length -= taken.length;
    return taken;
  }

  /** Everything, of one holder after the other. */
  drain(): T[] {
    const all = [...this.#turns.values()].flat();
    this.#turns.clear();
    this.#length = 0;
    return all;
  }
}
