/** A set of sequences as sorted, disjoint, non-touching intervals; small where the sequences adjoin. */

import { assert, present } from "@tamga/ledger-core/base/assert";

/** `from` … `to` − 1. */
export type Interval = { readonly from: number; readonly to: number };

export class IntervalSet {
  #intervals: Interval[] = [];

  /** Intervals held, not sequences: what the memory is. */
  get size(): number {
    return this.#intervals.length;
  }

  intervals(): readonly Interval[] {
    return this.#intervals;
  }

  has(at: number): boolean {
    return this.endOf(at) !== undefined;
  }

  /** The end of the interval that holds `at`; undefined where none does. */
  endOf(at: number): number | undefined {
    const interval = this.#intervals[this.#firstEndingAfter(at)];
    return interval !== undefined && interval.from <= at ? interval.to : undefined;
  }

  add({ from, to }: Interval): void {
    assert(from <= to, "interval runs forward");
    if (from === to) return;
    // Also what only touches is joined.
    const start = this.#firstEndingAfter(from - 1);
    let end = start;
    let joined = { from, to };
    for (;;) {
      const next = this.#intervals[end];
      if (next === undefined || next.from > to) break;
      joined = { from: Math.min(joined.from, next.from), to: Math.max(joined.to, next.to) };
      end++;
    }
    this.#intervals.splice(start, end - start, joined);
  }

  remove({ from, to }: Interval): void {
    assert(from <= to, "interval runs forward");
    if (from === to) return;
    const start = this.#firstEndingAfter(from);
    let end = start;
    const left: Interval[] = [];
    for (;;) {
      const next = this.#intervals[end];
      if (next === undefined || next.from >= to) break;
      if (next.from < from) left.push({ from: next.from, to: from });
      if (next.to > to) left.push({ from: to, to: next.to });
      end++;
    }
    this.#intervals.splice(start, end - start, ...left);
  }

  /** Index of the first interval whose end lies after `at`. */
  #firstEndingAfter(at: number): number {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (present(this.#intervals[middle], "interval").to > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
