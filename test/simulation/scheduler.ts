/** Virtual time in one thread: actions in order of their time, and of their arrival where times are equal. */

import { present } from "@tamga/ledger-core/base/assert";

type Entry = { readonly at: number; readonly order: number; readonly act: () => void };

export class Scheduler {
  /** Virtual milliseconds since the simulation began. */
  now = 0;
  #order = 0;
  /** A binary heap, earliest first. */
  readonly #heap: Entry[] = [];

  /** Runs `act` at a time, not before now. */
  at(time: number, act: () => void): void {
    const entry = { at: Math.max(time, this.now), order: this.#order++, act };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = present(heap[parent], "parent");
      if (!isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  in(delay: number, act: () => void): void {
    this.at(this.now + delay, act);
  }

  /** Runs what is due up to `time`, or until `stop` says so after an action; returns whether it did. */
  runUntil(time: number, stop: () => boolean = () => false): boolean {
    for (;;) {
      const [next] = this.#heap;
      if (next === undefined || next.at > time) {
        this.now = Math.max(this.now, time);
        return false;
      }
      this.#pop();
      this.now = next.at;
      next.act();
      if (stop()) return true;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let smallest = heap[child];
      if (smallest === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, smallest)) {
        child++;
        smallest = right;
      }
      if (!isBefore(smallest, last)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
