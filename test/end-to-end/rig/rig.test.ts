/** The short form of the rig: every scenario and every planted defect; `npm run rig` is the long one. */

import { randomInt } from "node:crypto";
import { describe, expect, test } from "vitest";
import { requirePart } from "../../real-parts.ts";
import { scenarios } from "./scenarios/all.ts";
import { planted, plants } from "./scenarios/planted.ts";

const seed = Number(process.env["RIG_SEED"] ?? randomInt(2 ** 31));
const receiptsMax = 400;
/** On a busy machine a scenario may take minutes; each of its own waits is bounded. */
const scenarioMsMax = 900_000;
/**
 * Kills are wanted at this load. Where the machine has no room for it they count all the same, with
 * statements in flight: what is asked here is what a kill loses; the long form insists on the load.
 */
const rateWanted = 2_000;
const rateMin = 1;
/** Ten kills where the scenario is about kills; one round of SIGTERMs. */
const rounds: Readonly<Record<string, number>> = { "kill-gateway": 10, "kill-agent": 10 };

describe(`planted defects, RIG_SEED=${seed}`, () => {
  test.each(plants.map((plant) => [plant.name, plant.code, plant] as const))(
    "%s is named %s",
    async (_name, code, plant) => {
      const found = await planted(plant, seed);
      expect(found.map((violation) => violation.code)).toContain(code);
    },
    scenarioMsMax,
  );
});

describe(`scenarios, RIG_SEED=${seed}`, () => {
  for (const [name, run] of scenarios) {
    const skip = name === "sigterm-token" && !requirePart("softhsm2");
    test.skipIf(skip)(
      name,
      async () => {
        const report = await run({
          ...{ seed, rounds: rounds[name] ?? 1, receiptsMax },
          ...{ rateWanted, rateMin },
        });
        process.stdout.write(`${report.summary}\n`);
        const found = report.violations.map(({ code, what }) => `${code}: ${what}`).join("\n");
        expect(report.violations, `${found}\n${report.summary}`).toEqual([]);
      },
      scenarioMsMax,
    );
  }
});
