/** Runs the Quint model with its own TypeScript evaluator, in this process: no download, no Java. */

import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  load,
  parse,
  runSimulator,
  runTests,
  type TypecheckedStage,
  typecheck,
} from "@informalsystems/quint/dist/src/cliCommands.js";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** The constants of `simplex.qnt`. */
export type Instance = {
  readonly n: number;
  readonly f: number;
  readonly q: number;
  readonly liars: readonly number[];
  readonly lastView: number;
  readonly losses: number;
  /** A Quint expression. */
  readonly rules: string;
};

export const four: Instance = {
  n: 4,
  f: 1,
  q: 3,
  liars: [2],
  lastView: 4,
  losses: 1,
  rules: "sound",
};

export type Simulation = {
  readonly invariants: readonly string[];
  readonly samples: number;
  readonly steps: number;
  readonly seed: number;
};

/** `trace` is in the Informal Trace Format, of the run that broke an invariant. */
export type Simulated =
  | { readonly type: "holds" }
  | { readonly type: "broken"; readonly trace: string };

/** Random runs of an instance; equal arguments give equal runs. Throws where the model is no model. */
export async function simulate(instance: Instance, simulation: Simulation): Promise<Simulated> {
  const place = await mkdtemp(join(tmpdir(), "tamga-model-"));
  try {
    const file = join(place, "instance.qnt");
    const traceFile = join(place, "trace.itf.json");
    // Quint imports by paths that are relative to the importing file.
    await copyFile(join(folder, "simplex.qnt"), join(place, "simplex.qnt"));
    await writeFile(file, instanceText(instance));
    const checked = await typechecked({
      input: file,
      main: "instance",
      init: "init",
      step: "step",
      invariant: "true",
      invariants: [...simulation.invariants],
      witnesses: [],
      hide: [],
      maxSamples: simulation.samples,
      maxSteps: simulation.steps,
      nTraces: 1,
      seed: BigInt(simulation.seed),
      outItf: traceFile,
      mbt: false,
      backend: "typescript",
      verbosity: 0,
    });
    const ran = await runSimulator(checked);
    if (ran.isRight()) return { type: "holds" };
    const { msg, stage } = ran.value;
    if (stage.status !== "violation") throw new Error(`${msg}: ${explained(stage.errors)}`);
    return { type: "broken", trace: await readFile(traceFile, "utf8") };
  } finally {
    await rm(place, { recursive: true });
  }
}

/** Every `…Test` of the module that the file is named after. */
export async function runDirected(
  name: string,
): Promise<{ readonly passed: readonly string[]; readonly failed: readonly string[] }> {
  const checked = await typechecked({
    input: join(folder, `${name}.qnt`),
    main: name,
    match: "Test$",
    maxSamples: 1,
    seed: 1n,
    backend: "typescript",
    verbosity: 0,
  });
  const ran = await runTests(checked);
  const { passed = [], failed = [] } = ran.isRight() ? ran.value : ran.value.stage;
  return { passed, failed };
}

async function typechecked(args: Readonly<Record<string, unknown>>): Promise<TypecheckedStage> {
  const loaded = await load(args);
  if (loaded.isLeft()) throw new Error(loaded.value.msg);
  const parsed = await parse(loaded.value);
  if (parsed.isLeft())
    throw new Error(`${parsed.value.msg}: ${explained(parsed.value.stage.errors)}`);
  const checked = await typecheck(parsed.value);
  if (checked.isLeft())
    throw new Error(`${checked.value.msg}: ${explained(checked.value.stage.errors)}`);
  return checked.value;
}

function explained(errors: readonly { readonly explanation: string }[]): string {
  return errors.map(({ explanation }) => explanation).join("; ");
}

function instanceText({ n, f, q, liars, lastView, losses, rules }: Instance): string {
  const constants = [
    `N = ${n}, F = ${f}, Q = ${q}, LIARS = Set(${liars.join()})`,
    `LAST_VIEW = ${lastView}, LOSSES = ${losses}, RULES = ${rules}`,
  ].join(", ");
  return [
    "module instance {",
    '  import rules.* from "./simplex"',
    `  import simplex(${constants}).* from "./simplex"`,
    "}",
    "",
  ].join("\n");
}
