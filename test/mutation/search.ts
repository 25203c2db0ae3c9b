/** `npm run mutation`: looks for runs that kill a mutation, among more than the table has. */

import { parseArgs } from "node:util";
import { loadMutant } from "./mutant.ts";
import { mutations } from "./mutations.ts";

const { values } = parseArgs({
  options: {
    /** Whose; `none` plays the engine as it is. */
    mutation: { type: "string", default: "" },
    n: { type: "string", default: "4,5,7,10" },
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "100" },
    /** Only runs with such a liar. */
    liar: { type: "string" },
    /** Ends after so many. */
    kills: { type: "string", default: "5" },
  },
});
const numbers = [values.from, values.seeds, values.kills, ...values.n.split(",")].map(Number);
const mutation = mutations.find(({ name }) => name === values.mutation);
const isNone = values.mutation === "none";
if (!numbers.every((value) => Number.isSafeInteger(value) && value > 0) || !(mutation || isNone)) {
  const names = mutations.map(({ name }) => `  ${name}\n`).join("");
  process.stderr.write(
    "usage: npm run mutation -- --mutation NAME|none [--n 4,5,7,10] [--from SEED] [--seeds N] [--liar KIND]\n" +
      `where NAME is one of\n${names}`,
  );
  process.exit(64);
}

const [from = 1, seeds = 1, killsMax = 1, ...sizes] = numbers;
const { play, schedules, liarsOf } = await loadMutant(mutation?.edits ?? []);
const drawn = Array.from({ length: seeds }, (_, at) => from + at).flatMap((seed) =>
  sizes
    .filter((size) => values.liar === undefined || liarsOf(size, seed).includes(values.liar))
    .map((size) => `${size}:${seed}`),
);
const written = values.liar === undefined ? schedules.map((name) => `${name}:${from}`) : [];
let played = 0;
let kills = 0;
for (const run of [...written, ...drawn]) {
  const start = performance.now();
  const { rule, sentence } = play(run);
  played++;
  if (rule === undefined) continue;
  kills++;
  const ms = Math.round(performance.now() - start);
  process.stdout.write(`{ run: "${run}", rule: "${rule}" } in ${ms} ms: ${sentence}\n`);
  if (kills >= killsMax) break;
}
process.stdout.write(`${kills} of ${played} runs broke a rule\n`);
if (isNone && kills > 0) process.exitCode = 1;
