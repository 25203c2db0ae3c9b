/** Serves those who have something ready in turn, each no more than its share. Pure. */

export type Served = {
  /** What the turn cost; it may pass the share by one unit of work, which the next turn lacks. */
  readonly spent: number;
  readonly more: boolean;
};

/** Deficit round robin: of two that are always ready, neither gets ahead by more than a share and a unit. */
export class FairTurns<Key> {
  readonly #share: number;
  /** Those who are ready in the order of their turns, with what they may still spend. */
  readonly #ready = new Map<Key, number>();

  constructor(share: number) {
    this.#share = share;
  }

  get idle(): boolean {
    return this.#ready.size === 0;
  }

  wake(key: Key): void {
    if (!this.#ready.has(key)) this.#ready.set(key, 0);
  }

  remove(key: Key): void {
    this.#ready.delete(key);
  }

  /** Serves the one whose turn it is. `serve` spends until the allowance is used up or nothing is left. */
  turn(serve: (key: Key, allowance: number) => Served): void {
    const [first] = this.#ready;
    if (first === undefined) return;
    const [key, left] = first;
    this.#ready.delete(key);
    const allowance = left + this.#share;
    // A debt larger than a share is worked off turn by turn.
    const { spent, more } = allowance > 0 ? serve(key, allowance) : { spent: 0, more: true };
    // An end of work also ends a debt and saves nothing up.
    if (more) this.#ready.set(key, Math.min(allowance - spent, 0));
  }
}
