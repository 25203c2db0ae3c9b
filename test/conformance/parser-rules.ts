/** What every driver promises, as checks that a corpus of captured bytes is put through. */

import type { Driver, DriverOutput } from "@tamga/agent/driver";
import { concat, toHex } from "@tamga/ledger-core/base/bytes";
import fc from "fast-check";
import { expect } from "vitest";

/** A driver that tells how much it holds, so that a test can see that it is bounded. */
export type MeasuredDriver = Driver & { readonly heldBytes: number };

/** Everything that a driver said of a stream that was fed to it in these pieces, added up. */
export function feed(driver: Driver, pieces: Iterable<Uint8Array>) {
  const outputs: DriverOutput[] = [];
  for (const piece of pieces) outputs.push(driver.push(piece));
  outputs.push(driver.end());
  return {
    frames: outputs.flatMap((output) => output.frames),
    rejections: outputs.flatMap((output) => output.rejections),
    discardedBytes: outputs.reduce((sum, output) => sum + output.discardedBytes, 0),
  };
}

/** The frames by their bytes, in order. */
export function frameBytes(output: Pick<DriverOutput, "frames">): string[] {
  return output.frames.map((frame) => toHex(frame.frame));
}

/** Whole, byte by byte and in random pieces: the same output, each byte accounted for. */
export function checkSplits(create: () => Driver, bytes: Uint8Array): void {
  const whole = feed(create(), [bytes]);
  const inFrames = whole.frames.reduce((sum, { frame }) => sum + frame.length, 0);
  const inRejections = whole.rejections.reduce((sum, rejection) => sum + rejection.bytes, 0);
  expect(inFrames + inRejections + whole.discardedBytes).toBe(bytes.length);
  expect(feed(create(), piecesOf(bytes, Array.from(bytes.keys())))).toEqual(whole);
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 20 });
  fc.assert(
    fc.property(cuts, (at) => {
      expect(feed(create(), piecesOf(bytes, at))).toEqual(whole);
    }),
    { numRuns: 30 },
  );
}

/** Cuts the bytes at these offsets, in any order. */
export function piecesOf(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const sorted = [0, ...offsets.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

/** A line that comes up in mid-noise: of three frames at most the first is lost. */
export function checkGarbagePrefix(
  create: () => Driver,
  bytes: Uint8Array,
  garbage: fc.Arbitrary<Uint8Array>,
): void {
  const single = frameBytes(feed(create(), [bytes]));
  fc.assert(
    fc.property(garbage, (prefix) => {
      const found = frameBytes(feed(create(), [prefix, bytes, bytes, bytes]));
      expect(found.slice(-2 * single.length)).toEqual([...single, ...single]);
    }),
    { numRuns: 100 },
  );
}

/** A frame whose tail was lost costs itself alone: what was before and what follows is there. */
export function checkCutTail(create: () => Driver, bytes: Uint8Array): void {
  const single = frameBytes(feed(create(), [bytes]));
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    const found = frameBytes(feed(create(), [bytes, cut, bytes]));
    expect(found[0], `cut at ${length}`).toBe(single[0]);
    expect(found.at(-1), `cut at ${length}`).toBe(single[0]);
    expect(frameBytes(feed(create(), [bytes, cut]))[0]).toBe(single[0]);
  }
}

/**
 * Every single bit of a frame flipped in turn: never a reading, neither where the line falls silent
 * after it nor where the next frame follows, which is there unharmed. Returns the number of flips.
 */
export function checkBitFlips(create: () => Driver, bytes: Uint8Array): number {
  const single = frameBytes(feed(create(), [bytes]));
  const flipped = bytes.slice();
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const [offset, mask] = [bit >> 3, 1 << (bit & 7)];
    flipped[offset] = (flipped[offset] ?? 0) ^ mask;
    const alone = feed(create(), [flipped]).frames.length;
    const followed = frameBytes(feed(create(), [flipped, bytes]));
    if (alone > 0 || followed.length !== 1 || followed[0] !== single[0])
      expect.fail(`bit ${bit & 7} of byte ${offset} passed unseen, or cost the next frame`);
    flipped[offset] = (flipped[offset] ?? 0) ^ mask;
  }
  return 8 * bytes.length;
}

/** These pieces again and again, 64 KiB in all: what is held stays under the limit, nothing throws. */
export function checkBoundedMemory(
  create: () => MeasuredDriver,
  garbage: fc.Arbitrary<Uint8Array>,
  limit: number,
): void {
  fc.assert(
    fc.property(fc.array(garbage, { minLength: 1, maxLength: 8 }), (pieces) => {
      const driver = create();
      const lap = concat(...pieces, Uint8Array.of(0x55));
      let held = 0;
      let fed = 0;
      while (fed < 65_536) {
        driver.push(lap);
        fed += lap.length;
        held = Math.max(held, driver.heldBytes);
      }
      expect(held).toBeLessThanOrEqual(limit);
      driver.end();
      expect(driver.heldBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
}
