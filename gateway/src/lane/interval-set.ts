/** Which sequences of one stream incarnation were received: disjoint ranges in order, bounded. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import { intervalsPerIncarnationMax } from "../limits.ts";

export type IntervalFault = {
  readonly code: "SEQUENCE_OVERLAP" | "SEQUENCE_INTERVALS_FULL";
};

const sequenceMax = 2n ** 64n;

/**
 * Ranges of 64-bit sequences. Neighbours that touch are one interval, so a stream that arrives in
 * order takes one, however long it is. Only its own methods change its fields.
 */
export class IntervalSet {
  readonly #max: number;
  /** Interval i is starts[i] … ends[i] − 1; ends[i] < starts[i + 1]. */
  readonly #starts: bigint[] = [];
  readonly #ends: bigint[] = [];

  /** @param max intervals that it holds at most. */
  constructor(max: number = intervalsPerIncarnationMax) {
    this.#max = max;
  }

  /** Intervals, not sequences. */
  get size(): number {
    return this.#starts.length;
  }

  /**
   * Takes in a range that is new in every sequence. Nothing changes on a fault.
   * Faults: SEQUENCE_OVERLAP, SEQUENCE_INTERVALS_FULL (a range that touches none, at the limit).
   */
  add(range: SequenceRange): Result<void, IntervalFault> {
    const fault = this.judge(range);
    if (fault !== undefined) return err(fault);
    const { first, end } = boundsOf(range);
    const at = this.#firstEndingAfter(first);
    const touchesLeft = at > 0 && this.#ends[at - 1] === first;
    const touchesRight = this.#starts[at] === end;
    if (touchesLeft && touchesRight) {
      this.#ends[at - 1] = present(this.#ends[at], "right neighbour");
      this.#starts.splice(at, 1);
      this.#ends.splice(at, 1);
    } else if (touchesLeft) {
      this.#ends[at - 1] = end;
    } else if (touchesRight) {
      this.#starts[at] = first;
    } else {
      this.#starts.splice(at, 0, first);
      this.#ends.splice(at, 0, end);
    }
    return ok(undefined);
  }

  /** What {@link add} would say, without adding; undefined where it would take the range. */
  judge(range: SequenceRange): IntervalFault | undefined {
    if (this.overlaps(range)) return { code: "SEQUENCE_OVERLAP" };
    if (this.size < this.#max) return undefined;
    const { first, end } = boundsOf(range);
    const at = this.#firstEndingAfter(first);
    const touches = this.#ends[at - 1] === first || this.#starts[at] === end;
    return touches ? undefined : { code: "SEQUENCE_INTERVALS_FULL" };
  }

  /** True when at least one sequence of the range was received. */
  overlaps(range: SequenceRange): boolean {
    const { first, end } = boundsOf(range);
    const start = this.#starts[this.#firstEndingAfter(first)];
    return start !== undefined && start < end;
  }

  /** True when every sequence of the range was received. */
  contains(range: SequenceRange): boolean {
    const { first, end } = boundsOf(range);
    const at = this.#firstEndingAfter(first);
    const start = this.#starts[at];
    return start !== undefined && start <= first && present(this.#ends[at], "end") >= end;
  }

  /** The parts of the range that were not received, in order. */
  missing(range: SequenceRange): SequenceRange[] {
    const { first, end } = boundsOf(range);
    const gaps: SequenceRange[] = [];
    let from = first;
    for (let at = this.#firstEndingAfter(first); at < this.size && from < end; at++) {
      const start = present(this.#starts[at], "start");
      if (start >= end) break;
      if (start > from) gaps.push(rangeOf(from, start));
      from = present(this.#ends[at], "end");
    }
    if (from < end) gaps.push(rangeOf(from, end));
    return gaps;
  }

  /** All of it, in order; an interval past 2^53−1 sequences would be an assertion. */
  ranges(): SequenceRange[] {
    return this.#starts.map((start, at) => rangeOf(start, present(this.#ends[at], "end")));
  }

  /** Distances between successive bounds as LEB128: a stream in order takes a few bytes. */
  encode(): Uint8Array {
    const bytes: number[] = [];
    let previous = 0n;
    for (let at = 0; at < this.size; at++) {
      const start = present(this.#starts[at], "start");
      const end = present(this.#ends[at], "end");
      pushVarint(bytes, start - previous);
      pushVarint(bytes, end - start);
      previous = end;
    }
    return Uint8Array.from(bytes);
  }

  /** Reads what {@link encode} wrote; undefined for anything else. */
  static parse(
    bytes: Uint8Array,
    max: number = intervalsPerIncarnationMax,
  ): IntervalSet | undefined {
    const set = new IntervalSet(max);
    const bounds = { bytes, offset: 0 };
    let previous = 0n;
    while (bounds.offset < bytes.length) {
      const gap = takeVarint(bounds);
      const length = takeVarint(bounds);
      if (gap === undefined || length === undefined || length === 0n) return undefined;
      if (gap === 0n && set.size > 0) return undefined;
      const start = previous + gap;
      previous = start + length;
      if (previous > sequenceMax || set.size === max) return undefined;
      set.#starts.push(start);
      set.#ends.push(previous);
    }
    return set;
  }

  /** The first interval that reaches beyond `sequence`; the number of intervals if there is none. */
  #firstEndingAfter(sequence: bigint): number {
    const last = this.#ends.at(-1);
    // Streams grow at their end.
    if (last === undefined || last <= sequence) return this.size;
    let low = 0;
    let high = this.size - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (present(this.#ends[middle], "end") > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function boundsOf(range: SequenceRange): { readonly first: bigint; readonly end: bigint } {
  const end = range.first + BigInt(range.count);
  assert(range.first >= 0n && range.count > 0 && end <= sequenceMax, "range inside 64 bits");
  return { first: range.first, end };
}

function rangeOf(start: bigint, end: bigint): SequenceRange {
  const count = Number(end - start);
  assert(Number.isSafeInteger(count), "interval below 2^53 sequences");
  return { first: start, count };
}

function pushVarint(bytes: number[], value: bigint): void {
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
}

/** Ten bytes hold 64 bits; a longer one is none of ours. */
function takeVarint(source: { readonly bytes: Uint8Array; offset: number }): bigint | undefined {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = source.bytes[source.offset++];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return undefined;
}
