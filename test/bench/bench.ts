/** What every bench is given and gives back. */

import type { DiskSync } from "./machine.ts";
import type { Row } from "./row.ts";

export type BenchContext = {
  /** Repetitions; three or more unless `quick`. */
  readonly runs: number;
  /** Small sizes, to see that it works: its numbers mean little. */
  readonly quick: boolean;
  readonly sync: DiskSync;
  /** Arguments for the gateway's own Node, such as `--cpu-prof`. */
  readonly nodeArguments: readonly string[];
  /** Progress, for whoever watches. */
  readonly say: (line: string) => void;
};

export type Bench = {
  readonly name: string;
  readonly run: (context: BenchContext) => Promise<readonly Row[]>;
};

/** One of these numbers, by the size of the whole. */
export function sized(context: BenchContext, full: number, quick: number): number {
  return context.quick ? quick : full;
}
