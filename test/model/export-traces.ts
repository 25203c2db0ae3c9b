/** Finds runs of the Quint model that a replica can follow to their end, and writes them to `traces/`. */

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { four, simulate } from "./quint.ts";
import { replay } from "./replay.ts";
import { traceOfItf } from "./trace.ts";

const goals = ["twoAreFinal", "finalBySkipping", "finalAfterALoss"];
const perGoal = 2;
const eager = { ...four, rules: "{ ...sound, lateNotarize: false }" };
const folder = fileURLToPath(new URL("traces/", import.meta.url));

/** Takes minutes; equal models and replicas give equal files. */
export async function exportTraces(): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const goal of goals) {
    let found = 0;
    for (let seed = 1; found < perGoal && seed <= 400; seed++) {
      const simulation = {
        invariants: [`not(${goal})`],
        samples: 2_000,
        steps: 60,
        seed: seed * 7_919,
      };
      const ran = await simulate(eager, simulation);
      if (ran.type === "holds") continue;
      const trace = traceOfItf(ran.trace, { validators: four.n, liars: four.liars });
      const honest = Array.from({ length: four.n }, (_, at) => at).filter(
        (at) => !four.liars.includes(at),
      );
      const parted = honest.map((self) => replay(trace, self).parted);
      process.stdout.write(`${goal}, seed ${seed}: ${parted.map((why) => why ?? "followed")}\n`);
      if (parted.some((why) => why !== undefined)) continue;
      found++;
      const name = goal.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      await writeFile(`${folder}${name}-${found}.json`, `${JSON.stringify(trace)}\n`);
    }
  }
}
