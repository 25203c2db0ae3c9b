/** Bounds of the back-off. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const limits = { msMin: 500, msMax: 30_000 };

test("each step lies between half of itself and itself, and never above the cap", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 40 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, r) => {
        const ms = backoffMs(limits, { attempt: n, random: r });
        const step = Math.min(limits.msMax, limits.msMin * 2 ** Math.min(n, 30));
        expect(ms).toBeGreaterThanOrEqual(Math.floor(step / 2));
        expect(ms).toBeLessThanOrEqual(step);
        expect(Number.isInteger(ms)).toBe(true);
      },
    ),
  );
});

test("doubles until the cap", () => {
  const at = (attempt: number) => backoffMs(limits, { attempt, random: 0 });
  expect([0, 1, 2, 6, 7, 1_000].map(at)).toEqual([250, 500, 1_000, 15_000, 15_000, 15_000]);
});
