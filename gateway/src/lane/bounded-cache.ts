/** A map that forgets what was not asked for longest. */

export class BoundedCache<V> {
  readonly #max: number;
  readonly #values = new Map<string, V>();

  /** @param max values that it holds at most. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#values.delete(key);
    if (this.#values.size >= this.#max) {
      const oldest = this.#values.keys().next();
      if (oldest.done !== true) this.#values.delete(oldest.value);
    }
    this.#values.set(key, value);
  }

  clear(): void {
    this.#values.clear();
  }
}
