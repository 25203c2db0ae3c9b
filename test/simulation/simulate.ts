/** Plays many seeds, one after the other, and says of each failure how to see it again. */

import { runSeed, SimulationFailure } from "./run-seed.ts";

export type SeedsToPlay = {
  readonly seeds: number;
  readonly from: number;
  /** Validators; drawn from each seed where absent. */
  readonly size?: number;
  /** Lines of a failure's trace. */
  readonly traceLines?: number;
};

/** Lets a person see that a long run goes on. */
const progressEvery = 500;

/** @returns how many failed; the last line printed sums up. */
export function playSeeds(
  { seeds, from, size, traceLines = 0 }: SeedsToPlay,
  print: (line: string) => void,
  play: typeof runSeed = runSeed,
): number {
  const startedAt = performance.now();
  let failures = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      play(seed, size, traceLines);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      failures++;
      print(`FAILED: seed ${seed}, n ${size ?? "drawn"}: ${error.message}`);
    }
    const played = seed - from + 1;
    if (played % progressEvery === 0 && played < seeds)
      print(`… ${played} of ${seeds} seeds, ${failures} failures`);
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const which =
    seeds === 1 ? `1 seed (${from})` : `${seeds} seeds (${from} to ${from + seeds - 1})`;
  print(`sim: ${which}, n ${size ?? "drawn"}, ${failures} failures, ${seconds} s`);
  return failures;
}
