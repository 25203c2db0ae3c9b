/** `npm run rig -- --validators [--rounds N] [--seed S] [--times T] [--only NAME]`: the long form. */

import { randomInt } from "node:crypto";
import { ConsortiumTemplate } from "./consortium-template.ts";
import { validatorScenarios } from "./scenarios/all.ts";

const verifyMax = 16;

export type RunOptions = {
  readonly rounds: number;
  readonly seed: number | undefined;
  readonly times: number;
  readonly only: string | undefined;
};

/** @returns how many scenarios failed. */
export async function runValidators(options: RunOptions): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const template = await ConsortiumTemplate.make();
  let failed = 0;
  try {
    for (let time = 0; time < options.times; time++) {
      const seed = options.seed === undefined ? randomInt(2 ** 31) : options.seed + time;
      for (const { name, run, canRun } of validatorScenarios) {
        if (options.only !== undefined && !name.includes(options.only)) continue;
        if (canRun?.() === false) continue;
        const begin = performance.now();
        const { rounds } = options;
        const ok = await run({ template, seed, rounds, verifyMax }).then(
          ({ summary, violations }) => {
            say(summary);
            for (const { code, what } of violations) say(`  ${code}: ${what}`);
            return violations.length === 0;
          },
          (error: unknown) => {
            say(error instanceof Error ? `${error.message}\n${error.cause}` : String(error));
            return false;
          },
        );
        if (!ok) failed++;
        const seconds = Math.round((performance.now() - begin) / 1_000);
        say(`${ok ? "ok" : "FAILED"} ${name} in ${seconds} s`);
      }
    }
  } finally {
    template.remove();
  }
  return failed;
}
