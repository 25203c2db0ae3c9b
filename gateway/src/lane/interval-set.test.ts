/** The interval set against a plain set of numbers. */

import type { SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { intervalsPerIncarnationMax } from "../limits.ts";
import { IntervalSet } from "./interval-set.ts";

const span = 60;
const ranges = fc
  .tuple(fc.nat(span - 1), fc.integer({ min: 1, max: 8 }))
  .map(([first, count]): SequenceRange => ({ first: BigInt(first), count }));

function sequences(range: SequenceRange): bigint[] {
  return Array.from({ length: range.count }, (_, i) => range.first + BigInt(i));
}

describe("an interval set", () => {
  it("agrees with a set of numbers over any sequence of additions", () => {
    fc.assert(
      fc.property(fc.array(ranges, { maxLength: 60 }), ranges, (added, probe) => {
        const set = new IntervalSet();
        const model = new Set<bigint>();
        for (const range of added) {
          const overlap = sequences(range).some((sequence) => model.has(sequence));
          expect(set.overlaps(range)).toBe(overlap);
          const result = set.add(range);
          expect(result.ok).toBe(!overlap);
          if (result.ok) for (const sequence of sequences(range)) model.add(sequence);
        }
        expect(set.ranges().flatMap(sequences)).toEqual([...model].sort((a, b) => Number(a - b)));
        const wanted = sequences(probe);
        expect(set.contains(probe)).toBe(wanted.every((sequence) => model.has(sequence)));
        expect(set.missing(probe).flatMap(sequences)).toEqual(
          wanted.filter((sequence) => !model.has(sequence)),
        );
        const again = IntervalSet.parse(set.encode());
        expect(again?.ranges()).toEqual(set.ranges());
      }),
    );
  });

  it("joins neighbours, so that a stream in order takes one interval", () => {
    const set = new IntervalSet();
    for (let i = 0; i < 10_000; i++) set.add({ first: BigInt(i) * 512n, count: 512 });
    expect(set.ranges()).toEqual([{ first: 0n, count: 5_120_000 }]);
    expect(set.encode().length).toBeLessThan(8);
  });

  it("reaches its limit, and there takes only what touches an interval", () => {
    const set = new IntervalSet();
    for (let i = 0; i < intervalsPerIncarnationMax; i++)
      expect(set.add({ first: BigInt(i) * 3n, count: 1 }).ok).toBe(true);
    const apart = { first: BigInt(intervalsPerIncarnationMax) * 3n, count: 1 };
    expect(set.add(apart)).toEqual({ ok: false, fault: { code: "SEQUENCE_INTERVALS_FULL" } });
    expect(set.add({ first: 1n, count: 1 }).ok).toBe(true);
    expect(set.add({ first: 2n, count: 1 }).ok).toBe(true);
    expect(set.size).toBe(intervalsPerIncarnationMax - 1);
    expect(set.add(apart).ok).toBe(true);
    expect(IntervalSet.parse(set.encode())?.size).toBe(intervalsPerIncarnationMax);
    expect(IntervalSet.parse(set.encode(), intervalsPerIncarnationMax - 1)).toBeUndefined();
  });

  it("reaches the ends of 64 bits", () => {
    const set = new IntervalSet();
    set.add({ first: 2n ** 64n - 2n, count: 2 });
    set.add({ first: 0n, count: 1 });
    expect(IntervalSet.parse(set.encode())?.ranges()).toEqual([
      { first: 0n, count: 1 },
      { first: 2n ** 64n - 2n, count: 2 },
    ]);
    expect(() => set.add({ first: 2n ** 64n - 1n, count: 2 })).toThrow("inside 64 bits");
  });

  it("takes no other bytes than it wrote, and never throws on them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const set = IntervalSet.parse(bytes);
        if (set === undefined) return;
        const again = IntervalSet.parse(set.encode());
        expect(again?.encode()).toEqual(set.encode());
      }),
    );
    expect(IntervalSet.parse(Uint8Array.of(0))).toBeUndefined();
    expect(IntervalSet.parse(Uint8Array.of(0, 0))).toBeUndefined();
    expect(IntervalSet.parse(Uint8Array.of(0, 1, 0, 1))).toBeUndefined();
    expect(IntervalSet.parse(new Uint8Array(11).fill(0x80))).toBeUndefined();
  });
});
