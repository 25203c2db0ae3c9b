/** A program of benches: its options, its progress, and the table in the end. Nothing here fails on a number. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Bench, BenchContext } from "./bench.ts";
import { machineConditions, measureSync } from "./machine.ts";
import type { Row } from "./row.ts";
import { conditionLines, markdownTable } from "./row.ts";

type Options = {
  readonly json?: string;
  readonly only?: readonly string[];
  readonly runs: number;
  readonly quick?: true;
  readonly cpuProf?: string;
};

export type BenchProgram = {
  /** As it is called. */
  readonly name: string;
  readonly description: string;
  readonly benches: readonly Bench[];
};

/** Runs what the command line asks for. */
export async function runProgram({ name, description, benches }: BenchProgram): Promise<ExitCode> {
  const names = benches.map((bench) => bench.name);
  const program = new Command(name)
    .description(description)
    .option("--json <file>", "write the rows there, too")
    .option("--only <name...>", `only these: ${names.join(", ")}`)
    .option("--runs <n>", "repetitions, of which the median counts", positive, 3)
    .option("--quick", "small sizes, one run: to see that it works")
    .option("--cpu-prof <dir>", "have the measured processes write CPU profiles there")
    .exitOverride();
  try {
    program.parse();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  const options = program.opts<Options>();
  const unknown = options.only?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    say(`no bench has the name ${unknown}; there are: ${names.join(", ")}`);
    return exitCodes.usage;
  }
  await runBenches(benches, options);
  return exitCodes.done;
}

async function runBenches(benches: readonly Bench[], options: Options): Promise<void> {
  const callerDir = process.env["TAMGA_CALLER_DIR"] ?? process.cwd();
  const sync = measureSync();
  const machine = machineConditions(sync);
  const context: BenchContext = {
    runs: options.quick === true ? 1 : options.runs,
    quick: options.quick === true,
    sync,
    nodeArguments:
      options.cpuProf === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${resolve(callerDir, options.cpuProf)}`],
    say,
  };
  say(machine);
  const rows: Row[] = [];
  for (const bench of benches) {
    if (options.only !== undefined && !options.only.includes(bench.name)) continue;
    say(`— ${bench.name}`);
    const found = await bench.run(context);
    rows.push(...found.map((row) => ({ ...row, conditions: `${row.conditions}; ${machine}` })));
    process.stdout.write(`${markdownTable(found)}\n\n`);
    if (options.json !== undefined) writeRows(resolve(callerDir, options.json), rows);
  }
  const own = rows.map((row) => ({
    ...row,
    conditions: row.conditions.replace(`; ${machine}`, ""),
  }));
  process.stdout.write(`${markdownTable(rows)}\n\n${conditionLines(own)}\n\nMachine: ${machine}\n`);
}

/** After each bench: what was measured stays, whatever comes of the next. */
function writeRows(file: string, rows: readonly Row[]): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= 1_000) return value;
  throw new InvalidArgumentError("a whole number from 1 to 1000");
}
