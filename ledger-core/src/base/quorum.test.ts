import { describe, expect, test } from "vitest";
import { faultsTolerated, quorumOf } from "./quorum.ts";

const sizes = Array.from({ length: 64 }, (_, at) => at + 1);

describe("quorumOf", () => {
  test.each(sizes)(
    "of %i: any two quorums share an honest validator, and the honest are one",
    (n) => {
      const f = faultsTolerated(n);
      const q = quorumOf(n);
      // Two quorums share at least 2q − n validators, of which f may lie.
      expect(2 * q - n).toBeGreaterThan(f);
      // One less would not do, so q is the smallest.
      expect(2 * (q - 1) - n).toBeLessThanOrEqual(f);
      expect(n - f).toBeGreaterThanOrEqual(q);
      expect(3 * f).toBeLessThan(n);
      expect(3 * (f + 1)).toBeGreaterThanOrEqual(n);
    },
  );

  test("is what the specification's table says", () => {
    const table = { 1: 1, 4: 3, 5: 4, 6: 4, 7: 5, 10: 7, 13: 9, 16: 11 };
    for (const [n, q] of Object.entries(table)) expect(quorumOf(Number(n))).toBe(q);
  });

  test("is not 2f + 1, which lets two quorums meet in nobody honest wherever n ≠ 3f + 1", () => {
    const wrong = sizes.filter((n) => {
      const f = faultsTolerated(n);
      return 2 * (2 * f + 1) - n <= f;
    });
    expect(wrong).toEqual(sizes.filter((n) => n !== 3 * faultsTolerated(n) + 1));
    expect(wrong).toContain(5);
    expect(wrong).toContain(6);
  });
});
