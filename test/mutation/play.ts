/**
 * A child process: plays the runs of one mutation up to the one that kills it, and prints what came of each;
 * without a name all runs of the table, with the engine as it is.
 */

import { loadMutant } from "./mutant.ts";
import { mutations } from "./mutations.ts";

/** Drawn runs that are tried where no run of the table kills any more. */
const triedMax = 60;
const triedSeeds = Array.from({ length: 200 }, (_, at) => at + 1);

const [, , name] = process.argv;
const mutation = mutations.find((one) => one.name === name);
if (mutation === undefined && name !== undefined) throw new Error(`no mutation is called ${name}`);
const { play, liarsOf } = await loadMutant(mutation?.edits ?? []);
const kill = mutation?.kill;
const runs = kill?.runs ?? [...new Set(mutations.flatMap((one) => one.kill.runs))];
const more = triedSeeds
  .flatMap((seed) => [4, 5, 7].map((size) => ({ size, seed })))
  .filter(({ size, seed }) => kill?.liar === undefined || liarsOf(size, seed).includes(kill.liar))
  .map(({ size, seed }) => `${size}:${seed}`);
for (const run of kill === undefined ? runs : [...runs, ...more.slice(0, triedMax)]) {
  const played = play(run);
  process.stdout.write(`${JSON.stringify(played)}\n`);
  if (kill !== undefined && played.rule === kill.rule) break;
}
