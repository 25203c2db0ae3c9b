/** `npm run model`: the Quint model for as long as one likes, or its runs for `traces/` anew. */

import { parseArgs } from "node:util";
import { exportTraces } from "./export-traces.ts";
import { allInvariants, mutants, sharedInvariants, wholeInstances } from "./model-cases.ts";
import { four, simulate } from "./quint.ts";

const { values } = parseArgs({
  options: {
    samples: { type: "string", default: "5000" },
    steps: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    traces: { type: "boolean", default: false },
  },
});
const simulation = {
  samples: Number(values.samples),
  steps: Number(values.steps),
  seed: Number(values.seed),
};
if (!Object.values(simulation).every((value) => Number.isSafeInteger(value) && value > 0)) {
  process.stderr.write("usage: npm run model -- [--samples N] [--steps N] [--seed N] | --traces\n");
  process.exit(64);
}

if (values.traces) {
  await exportTraces();
  process.exit(0);
}

let unexpected = 0;
for (const [name, instance] of wholeInstances) {
  const found = await simulate(instance, { ...simulation, invariants: allInvariants });
  if (found.type === "broken") unexpected++;
  process.stdout.write(
    found.type === "holds" ? `holds: ${name}\n` : `BROKEN: ${name}\n${found.trace}\n`,
  );
}
for (const [name, change] of mutants) {
  const mutant = { ...four, ...change };
  const found = await simulate(mutant, { ...simulation, invariants: sharedInvariants });
  if (found.type === "holds") unexpected++;
  process.stdout.write(
    found.type === "broken" ? `found: without ${name}\n` : `NOT FOUND: without ${name}\n`,
  );
}
process.exitCode = unexpected === 0 ? 0 : 1;
