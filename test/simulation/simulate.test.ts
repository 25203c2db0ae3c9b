import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { OracleViolation } from "./oracle-violation.ts";
import { runSeed, SimulationFailure } from "./run-seed.ts";
import { playSeeds } from "./simulate.ts";
import { parseSimulation } from "./simulate-options.ts";

/** The command's own process, with or without a seed to play again. */
function sim(args: readonly string[], seed?: string) {
  const { SIM_SEED: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("run.ts", import.meta.url)), ...args],
    { encoding: "utf8", env: seed === undefined ? env : { ...env, SIM_SEED: seed } },
  );
  return { status, stderr, lines: stdout.trimEnd().split("\n") };
}

/** A run in which seed 6 breaks a rule. */
const brokenAtSix: typeof runSeed = (seed, size, traceLines) => {
  if (seed !== 6) return runSeed(seed, size, traceLines);
  throw new SimulationFailure(seed, size, new OracleViolation("S1", "v1 notarized twice"), []);
};

test("the command plays seeds and sums up in its last line", () => {
  const { status, lines } = sim(["--seeds", "2", "--n", "4", "--from", "5"]);
  expect(status).toBe(0);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^sim: 2 seeds \(5 to 6\), n 4, 0 failures, \d+\.\d s$/);
});

test("SIM_SEED plays that one seed", () => {
  const { status, lines } = sim(["--n", "5"], "11");
  expect(status).toBe(0);
  expect(lines[0]).toMatch(/^sim: 1 seed \(11\), n 5, 0 failures, /);
});

test("refuses what makes no sense with its usage", () => {
  const { status, stderr, lines } = sim(["--n", "17"]);
  expect([status, lines]).toEqual([64, [""]]);
  expect(stderr).toContain("usage: npm run sim -- ");
});

test("options are whole numbers in their range; without any a thousand seeds are drawn", () => {
  expect(parseSimulation([])).toEqual({ seeds: 1_000, from: 1 });
  expect(parseSimulation(["--n", "7"], "42")).toEqual({
    seeds: 1,
    from: 42,
    size: 7,
    traceLines: 200,
  });
  expect(parseSimulation([], "0")).toEqual({ seeds: 1, from: 0, traceLines: 200 });
  const wrong = [
    ["--seeds", "0"],
    ["--n", "3"],
    ["--n", ""],
    ["--from", "x"],
    ["--from", "-1"],
  ];
  expect(wrong.map((args) => parseSimulation(args))).toEqual(wrong.map(() => undefined));
  expect(parseSimulation(["--what"])).toBeUndefined();
  expect(parseSimulation([], "1.5")).toBeUndefined();
});

test("a failure names seed and size, and the command that plays it again; the others go on", () => {
  const lines: string[] = [];
  const failures = playSeeds(
    { seeds: 3, from: 5, size: 4 },
    (line) => lines.push(line),
    brokenAtSix,
  );
  expect(failures).toBe(1);
  expect(lines[0]).toBe(
    "FAILED: seed 6, n 4: SIM_SEED=6 npm run sim -- --n 4: S1: v1 notarized twice",
  );
  expect(lines.at(-1)).toMatch(/^sim: 3 seeds \(5 to 7\), n 4, 1 failures, /);
  const drawn: string[] = [];
  playSeeds({ seeds: 1, from: 6 }, (line) => drawn.push(line), brokenAtSix);
  expect(drawn[0]).toBe("FAILED: seed 6, n drawn: SIM_SEED=6 npm run sim: S1: v1 notarized twice");
});
