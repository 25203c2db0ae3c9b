/** Seeded pseudo-random numbers: the only source of chance in a simulation. Not for secrets. */

import { assert, present } from "@tamga/ledger-core/base/assert";

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any safe integer; neighbouring seeds give unrelated streams. */
  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = 0x9e3779b9;
    for (let i = 0; i < 16; i++) this.#next();
  }

  /** A stream of its own, so that drawing from one part does not move another. */
  fork(): Random {
    return new Random(this.#next() * 2 ** 20 + (this.#next() & 0xfffff));
  }

  /** 0 … below − 1. */
  int(below: number): number {
    assert(below > 0, "a range to draw from");
    return Math.floor((this.#next() / 2 ** 32) * below);
  }

  /** low … high, both included. */
  between(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability;
  }

  pick<T>(items: readonly T[]): T {
    return present(items[this.int(items.length)], "item to pick");
  }

  /** `count` different items, or all. */
  sample<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) {
      const [item] = left.splice(this.int(left.length), 1);
      taken.push(present(item, "sampled item"));
    }
    return taken;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 255);
  }

  /** The small fast counting generator (sfc32): three words of state and a counter. */
  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}
