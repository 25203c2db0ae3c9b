/** Loads the simulation with an engine whose text was changed: once a process, since modules stay loaded. */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Edit } from "./mutation.ts";
import { mutated } from "./mutation.ts";

/** What came of one run. */
export type Played = {
  readonly run: string;
  /** The rule that the oracle names; `exception` for whatever else was thrown; absent where all held. */
  readonly rule?: string;
  readonly sentence?: string;
};

export type Mutant = {
  /** @param run as in a `Kill`. */
  readonly play: (run: string) => Played;
  /** Names of the written schedules. */
  readonly schedules: readonly string[];
  /** Which liars a drawn run has. */
  readonly liarsOf: (size: number, seed: number) => readonly string[];
};

const folder = "/ledger-core/src/consensus/";

export async function loadMutant(edits: readonly Edit[]): Promise<Mutant> {
  const changed = new Set<string>();
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const at = url.lastIndexOf(folder);
      const file = at < 0 ? "" : url.slice(at + folder.length);
      if (!edits.some((edit) => edit.file === file)) return loaded;
      changed.add(file);
      return { ...loaded, source: mutated(file, readFileSync(fileURLToPath(url), "utf8"), edits) };
    },
  });
  const { runSeed, SimulationFailure } = await import("../simulation/run-seed.ts");
  const { directedSchedules } = await import("../simulation/directed-schedules.ts");
  const { drawScenario } = await import("../simulation/scenario.ts");
  for (const { file } of edits)
    if (!changed.has(file)) throw new Error(`${file} is no part of the simulation`);
  const play = (run: string): Played => {
    const [of = "", seed = ""] = run.split(":");
    const schedule = directedSchedules.get(of);
    if (schedule !== undefined) return { run, ...schedule(Number(seed)) };
    try {
      runSeed(Number(seed), Number(of));
      return { run };
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      const [sentence = ""] = error.message.split("\n");
      return { run, rule: error.rule, sentence };
    }
  };
  return {
    play,
    schedules: [...directedSchedules.keys()],
    liarsOf: (size, seed) => [...drawScenario(seed, size).liars.values()],
  };
}
