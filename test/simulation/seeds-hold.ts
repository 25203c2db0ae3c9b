/** Plays a run of seeds fifty a test, so that a failure names its seed and the rest go on. */

import { describe, expect, test } from "vitest";
import { runSeed, SimulationFailure } from "./run-seed.ts";

const perTest = 50;

/** Seeds 1 to `count` of channels with `size` validators; `SIM_SEED` plays that one alone. */
export function seedsHold(size: number, count: number): void {
  const only = Number(process.env["SIM_SEED"] ?? Number.NaN);
  describe(`${size} validators`, () => {
    for (let from = 1; from <= count; from += perTest)
      test(`seeds ${from} to ${from + perTest - 1}`, { timeout: 600_000 }, () => {
        const failures: string[] = [];
        for (let seed = from; seed < from + perTest; seed++) {
          if (!Number.isNaN(only) && seed !== only) continue;
          try {
            runSeed(seed, size);
          } catch (error) {
            if (!(error instanceof SimulationFailure)) throw error;
            failures.push(error.message);
          }
        }
        expect(failures).toEqual([]);
      });
  });
}
