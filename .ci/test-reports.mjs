// `node .ci/test-reports.mjs FOLDER STATUS FILE`: counts what vitest's reports in FOLDER say, prints
// `PASSED FAILED`, and adds to FILE a short word on each test that failed or was skipped.
//
// A skip counts as a failure: every part that a test needs is a package away.

import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

/** One run for all tests and one for each of the rigs. */
const reportsWanted = 3;
const entriesMax = 12;
const lineMax = 160;
const linesMax = 10;

const [folder, status, file] = process.argv.slice(2);
const results = readReports();
const tests = results.flatMap(({ name, assertionResults }) =>
  assertionResults.map((test) => ({ ...test, file: relative(process.cwd(), name) })),
);
const bad = tests.filter((test) => test.status !== "passed");
const entries = bad.map((test) => entry(`${test.file} > ${test.fullName}`, test));
let failed = bad.length;

// A file that fails outside of its tests has no test to show for it.
for (const { name, status: verdict, message, assertionResults } of results) {
  if (verdict !== "failed" || assertionResults.some((test) => test.status === "failed")) continue;
  failed++;
  entries.push(
    entry(relative(process.cwd(), name), { status: verdict, failureMessages: [message] }),
  );
}
if (results.length === 0 || reportCount() < reportsWanted) {
  failed++;
  entries.push(`FAILED: ${reportCount()} of ${reportsWanted} runs of tests left a report\n`);
}
if (status !== "0" && failed === 0) {
  failed++;
  entries.push(
    `FAILED: npm test ended with ${status} beside its tests: an error outside of them\n`,
  );
}
const more = entries.length - entriesMax;
if (more > 0) entries.splice(entriesMax, more, `and ${more} more\n`);
appendFileSync(file, entries.join(""));
process.stdout.write(`${tests.length - bad.length} ${failed}\n`);

function reportNames() {
  return readdirSync(folder).filter((name) => /^tests-\d+\.json$/.test(name));
}

function reportCount() {
  return reportNames().length;
}

/** @returns one result a test file. */
function readReports() {
  return reportNames().flatMap((name) => {
    try {
      return JSON.parse(readFileSync(join(folder, name), "utf8")).testResults;
    } catch {
      return [{ name, status: "failed", message: "not readable", assertionResults: [] }];
    }
  });
}

function entry(title, { status: verdict, failureMessages = [] }) {
  const head = verdict === "failed" ? "FAILED" : `NOT RUN (${verdict})`;
  const lines = stripVTControlCharacters(failureMessages.join("\n"))
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.includes("node_modules"))
    .slice(0, linesMax);
  return [`${head}: ${title}`, ...lines.map((line) => `  ${line}`)]
    .map((line) => `${line.slice(0, lineMax)}\n`)
    .join("");
}
