/**
 * `npm run rig -- [--rounds N] [--seed S] [--times T] [--only NAME]`: the long form of the rig. With
 * `--validators` it is that of the ledger's four processes.
 */

import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { requirePart } from "../../real-parts.ts";
import { runValidators } from "../validators/run.ts";
import { scenarios } from "./scenarios/all.ts";
import { planted, plants } from "./scenarios/planted.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    seed: { type: "string" },
    times: { type: "string", default: "1" },
    only: { type: "string" },
    validators: { type: "boolean", default: false },
  },
});

/** Readings a second at which every kill of the long form has to happen. */
const killRate = 2_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const wanted = (name: string) => values.only === undefined || name.includes(values.only);
let failed = 0;

async function attempt(name: string, run: () => Promise<boolean>): Promise<void> {
  const begin = performance.now();
  const ok = await run().catch((error: unknown) => {
    say(error instanceof Error ? `${error.message}\n${error.cause}` : String(error));
    return false;
  });
  if (!ok) failed++;
  say(`${ok ? "ok" : "FAILED"} ${name} in ${Math.round((performance.now() - begin) / 1_000)} s`);
}

if (values.validators) {
  const rounds = Number(values.rounds);
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  failed = await runValidators({ rounds, seed, times: Number(values.times), only: values.only });
}
for (let time = 0; !values.validators && time < Number(values.times); time++) {
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed) + time;
  for (const plant of plants) {
    if (!wanted(plant.name)) continue;
    await attempt(`planted ${plant.name}`, async () => {
      const found = await planted(plant, seed);
      say(`planted ${plant.name}: ${[...new Set(found.map(({ code }) => code))].join(", ")}`);
      return found.some(({ code }) => code === plant.code);
    });
  }
  for (const [name, run] of scenarios) {
    if (!wanted(name) || (name === "sigterm-token" && !requirePart("softhsm2"))) continue;
    await attempt(name, async () => {
      const rounds = Number(values.rounds);
      const { summary, violations } = await run({
        ...{ seed, rounds, receiptsMax: 100_000 },
        ...{ rateWanted: killRate, rateMin: killRate },
      });
      say(summary);
      for (const { code, what } of violations) say(`  ${code}: ${what}`);
      return violations.length === 0;
    });
  }
}
process.exitCode = failed === 0 ? 0 : 1;
