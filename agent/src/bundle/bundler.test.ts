/** When bundles close, and their roots. */

import { equal } from "@tamga/ledger-core/base/bytes";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { saltedLeaf, saltOf } from "@tamga/ledger-core/wire/salted-leaf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundleRoot } from "./bundle-root.ts";
import type { BundlerEffect, BundlerEvent } from "./bundler.ts";
import { Bundler } from "./bundler.ts";

const limits = { maxCount: 4, maxBytes: 1_000, maxAgeMs: 2_000 };

function reading(
  sequence: number,
  part: Partial<{ bytes: number; at: number; urgent: boolean }> = {},
) {
  const { bytes = 100, at = 0, urgent = false } = part;
  return {
    type: "reading",
    sequence: BigInt(sequence),
    bytes,
    receiveTime: unixMillis(1_000_000 + at),
    monotonic: monotonicMillis(at),
    urgent,
  } as const;
}
const tick = (at: number): BundlerEvent => ({ type: "tick", monotonic: monotonicMillis(at) });
const shape = (effects: readonly BundlerEffect[]) =>
  effects.map(({ range, reason }) => [Number(range.first), range.count, reason]);

describe("Bundler", () => {
  it("closes on count, and a bundle of one at once", () => {
    const bundler = new Bundler(limits);
    expect([1, 2, 3].flatMap((n) => bundler.step(reading(n)))).toEqual([]);
    expect(shape(bundler.step(reading(4)))).toEqual([[1, 4, "count"]]);
    const single = new Bundler({ ...limits, maxCount: 1 });
    expect(shape(single.step(reading(9)))).toEqual([[9, 1, "count"]]);
  });

  it("closes before what does not fit, and keeps one long reading alone", () => {
    const bundler = new Bundler(limits);
    bundler.step(reading(1, { bytes: 600 }));
    expect(shape(bundler.step(reading(2, { bytes: 500 })))).toEqual([[1, 1, "bytes"]]);
    expect(shape(bundler.step(reading(3, { bytes: 5_000 })))).toEqual([
      [2, 1, "bytes"],
      [3, 1, "bytes"],
    ]);
  });

  it("closes on age, by the monotonic clock, and says when", () => {
    const bundler = new Bundler(limits);
    expect(bundler.closesAt).toBeUndefined();
    bundler.step(reading(1, { at: 500 }));
    bundler.step(reading(2, { at: 900 }));
    expect(bundler.closesAt).toBe(2_500);
    expect(bundler.step(tick(2_499))).toEqual([]);
    expect(shape(bundler.step(tick(2_500)))).toEqual([[1, 2, "age"]]);
    expect(bundler.step(tick(9_999))).toEqual([]);
  });

  it("closes on urgency, on a break in the sequence and when told", () => {
    const bundler = new Bundler(limits);
    bundler.step(reading(1));
    expect(shape(bundler.step(reading(2, { urgent: true })))).toEqual([[1, 2, "urgent"]]);
    bundler.step(reading(3));
    expect(shape(bundler.step(reading(5, { urgent: true })))).toEqual([
      [3, 1, "break"],
      [5, 1, "urgent"],
    ]);
    bundler.step(reading(6));
    expect(shape(bundler.step({ type: "flush" }))).toEqual([[6, 1, "flush"]]);
    expect(bundler.step({ type: "flush" })).toEqual([]);
  });

  it("spans the receive times of a clock that steps back", () => {
    const bundler = new Bundler(limits);
    bundler.step(reading(1, { at: 900 }));
    bundler.step({ ...reading(2), monotonic: monotonicMillis(901) });
    expect(bundler.step({ type: "flush" })[0]?.time).toEqual({ from: 1_000_000, to: 1_000_900 });
  });

  it("puts every reading into exactly one bundle within the limits", () => {
    const event = fc.record({
      skip: fc.nat({ max: 1 }),
      bytes: fc.integer({ min: 1, max: 1_500 }),
      wait: fc.nat({ max: 900 }),
      urgent: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const bundler = new Bundler(limits);
        const sent = new Map<number, number>();
        const effects: BundlerEffect[] = [];
        let sequence = 0;
        let at = 0;
        for (const { skip, bytes, wait, urgent } of events) {
          sequence += 1 + skip;
          at += wait;
          effects.push(...bundler.step(tick(at)));
          effects.push(...bundler.step(reading(sequence, { bytes, at, urgent })));
          sent.set(sequence, bytes);
        }
        effects.push(...bundler.step({ type: "flush" }));
        const covered: number[] = [];
        for (const { range } of effects) {
          let bytes = 0;
          for (let i = 0; i < range.count; i++) {
            covered.push(Number(range.first) + i);
            bytes += sent.get(Number(range.first) + i) ?? Number.NaN;
          }
          expect(range.count).toBeLessThanOrEqual(limits.maxCount);
          expect(range.count === 1 || bytes <= limits.maxBytes).toBe(true);
        }
        expect(covered).toEqual([...sent.keys()]);
      }),
    );
  });
});

describe("bundleRoot", () => {
  const { sha256 } = nodeCrypto;
  const seed = new Uint8Array(32).fill(7);
  const leaf = (i: number) => saltedLeaf(sha256, saltOf(sha256, seed, i), Uint8Array.of(i));

  it("of one reading is its salted leaf; of three, RFC 9162's tree", () => {
    const one = bundleRoot(sha256, { seed, readings: [Uint8Array.of(0)] });
    expect(equal(one, leaf(0))).toBe(true);
    const { node } = treeHasher(sha256);
    const three = bundleRoot(sha256, { seed, readings: [0, 1, 2].map((i) => Uint8Array.of(i)) });
    expect(equal(three, node(node(leaf(0), leaf(1)), leaf(2)))).toBe(true);
  });
});
