/** One bound on bytes in flight for the whole gateway, with a share that no device can exceed. */

export class ByteBudget {
  readonly #totalMax: number;
  readonly #shareMax: number;
  #total = 0;
  readonly #shares = new Map<string, number>();

  constructor(limits: { readonly totalMax: number; readonly shareMax: number }) {
    this.#totalMax = limits.totalMax;
    this.#shareMax = limits.shareMax;
  }

  get total(): number {
    return this.#total;
  }

  /** @returns false, and takes nothing, where the total or the holder's share would be exceeded. */
  take(holder: string, bytes: number): boolean {
    const share = (this.#shares.get(holder) ?? 0) + bytes;
    if (this.#total + bytes > this.#totalMax || share > this.#shareMax) return false;
    this.#total += bytes;
    this.#shares.set(holder, share);
    return true;
  }

  give(holder: string, bytes: number): void {
    this.#total -= bytes;
    const share = (this.#shares.get(holder) ?? 0) - bytes;
    if (share > 0) this.#shares.set(holder, share);
    else this.#shares.delete(holder);
  }
}
