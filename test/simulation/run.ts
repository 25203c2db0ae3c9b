/** `npm run sim`: as many seeds as one likes, or one seed again (`SIM_SEED`). */

import { playSeeds } from "./simulate.ts";
import { parseSimulation } from "./simulate-options.ts";

const usage =
  "usage: npm run sim -- [--seeds N] [--from SEED] [--n VALIDATORS]\n" +
  "       SIM_SEED=SEED npm run sim -- [--n VALIDATORS]\n";

const given = parseSimulation(process.argv.slice(2), process.env["SIM_SEED"]);
if (given === undefined) {
  process.stderr.write(usage);
  process.exit(64);
}
const print = (line: string) => process.stdout.write(`${line}\n`);
const failures = playSeeds(given, print);
process.exitCode = failures === 0 ? 0 : 1;
