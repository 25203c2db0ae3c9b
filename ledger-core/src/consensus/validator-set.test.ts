import { describe, expect, test } from "vitest";
import { entryOf, setOf } from "../../../test/support/consensus-fixture.ts";
import { InvariantError } from "../base/assert.ts";
import { validatorsPerEpochMax } from "./limits.ts";
import { ValidatorSet } from "./validator-set.ts";

describe("ValidatorSet", () => {
  test("lets each validator lead once in as many views as there are, in every epoch", () => {
    for (const n of [1, 4, 5, 7, 16])
      for (const epoch of [0, 1, 9]) {
        const set = setOf(n, epoch);
        const leaders = Array.from({ length: n }, (_, view) => set.leaderOf(view));
        expect([...leaders].sort((a, b) => a - b)).toEqual(leaders.map((_, at) => at));
        for (let view = 0; view < 3 * n; view++)
          expect(set.leaderOf(view + n)).toBe(set.leaderOf(view));
      }
  });

  test("begins the rotation elsewhere in the next epoch", () => {
    expect(setOf(4, 0).leaderOf(1)).not.toBe(setOf(4, 1).leaderOf(1));
  });

  test("knows its members by index alone", () => {
    const set = setOf(4);
    expect([-1, 0, 3, 4, 0.5].map((index) => set.has(index))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(set.keyOf(2)).toEqual({ algorithm: "EdDSA", point: entryOf("v2").publicKey });
    expect(() => set.keyOf(4)).toThrow(InvariantError);
    expect(() => set.entryOf(-1)).toThrow(InvariantError);
  });

  test("has one validator at least and validatorsPerEpochMax at most", () => {
    const full = Array.from({ length: validatorsPerEpochMax }, () => entryOf("v0"));
    expect(new ValidatorSet(0, full).quorum).toBe(43);
    expect(() => new ValidatorSet(0, [...full, entryOf("v1")])).toThrow(InvariantError);
    expect(() => new ValidatorSet(0, [])).toThrow(InvariantError);
  });
});
