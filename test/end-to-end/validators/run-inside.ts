/** Plays one scenario inside the namespaces that `namespace.ts` made; its report is a line of JSON. */

import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { ConsortiumTemplate } from "./consortium-template.ts";
import { diskFull } from "./scenarios/disk-full.ts";
import { loss } from "./scenarios/loss.ts";
import type { Scenario } from "./scenarios/scenario.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    template: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "1" },
    verify: { type: "string", default: "1" },
  },
});

const scenarios: Readonly<Record<string, Scenario>> = { loss, "disk-full": diskFull };
const run = scenarios[values.only];
if (run === undefined) throw new Error(`no scenario ${values.only}`);
// A new network namespace begins with its loopback down.
execFileSync("ip", ["link", "set", "lo", "up"]);
const report = await run({
  template: ConsortiumTemplate.open(values.template),
  seed: Number(values.seed),
  rounds: Number(values.rounds),
  verifyMax: Number(values.verify),
});
process.stdout.write(`${JSON.stringify(report)}\n`);
