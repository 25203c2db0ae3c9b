/** Plays runs of seeds, fifty a test, so that a failure names its seed and the rest go on. */

import { describe, expect, test } from "vitest";
import { runSeed, SimulationFailure } from "./run-seed.ts";

const perTest = 50;

/** Seeds 1 to `count` of channels with `size` validators; with `SIM_SEED` set, that one seed alone. */
export function seedsHold(size: number, count: number): void {
  const only = process.env["SIM_SEED"];
  describe(`${size} validators`, () => {
    if (only !== undefined) {
      test(`seed ${only}`, { timeout: 600_000 }, () =>
        expect(play(size, [Number(only)])).toEqual([]),
      );
      return;
    }
    for (let from = 1; from <= count; from += perTest)
      test(`seeds ${from} to ${from + perTest - 1}`, { timeout: 600_000 }, () => {
        const seeds = Array.from({ length: perTest }, (_, at) => from + at);
        expect(play(size, seeds)).toEqual([]);
      });
  });
}

/** @returns what went wrong, a sentence a seed. */
function play(size: number, seeds: readonly number[]): readonly string[] {
  const failures: string[] = [];
  for (const seed of seeds) {
    try {
      runSeed(seed, size);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      failures.push(error.message);
    }
  }
  return failures;
}
