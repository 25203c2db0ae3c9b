/** The short form of the validators' rig: every scenario once; `npm run rig -- --validators` is the long one. */

import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsortiumTemplate } from "./consortium-template.ts";
import { validatorScenarios } from "./scenarios/all.ts";

const seed = Number(process.env["RIG_SEED"] ?? randomInt(2 ** 31));
/** On a busy machine a scenario may take minutes; each of its own waits is bounded. */
const scenarioMsMax = 900_000;
const verifyMax = 1;

describe(`validators, RIG_SEED=${seed}`, () => {
  let template: ConsortiumTemplate;

  beforeAll(async () => {
    template = await ConsortiumTemplate.make();
  }, scenarioMsMax);
  afterAll(() => template.remove());

  for (const { name, run, rounds, canRun } of validatorScenarios) {
    test.skipIf(canRun?.() === false)(
      name,
      async () => {
        const report = await run({ template, seed, rounds, verifyMax });
        process.stdout.write(`${report.summary}\n`);
        const found = report.violations.map(({ code, what }) => `${code}: ${what}`).join("\n");
        expect(report.violations, `${found}\n${report.summary}`).toEqual([]);
      },
      scenarioMsMax,
    );
  }
});
