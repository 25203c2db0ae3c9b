/** `tamga-agent doctor`: one line a check, and what to do where it is not well. */

import process from "node:process";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { loadAgentConfig } from "../config.ts";
import type { ConfigOptions } from "../config-path.ts";
import { configPath } from "../config-path.ts";
import { examine, findHardware } from "./doctor.ts";
import type { Finding } from "./finding.ts";
import { attempt, lineOf, ok } from "./finding.ts";

type DoctorCommandOptions = ConfigOptions & { readonly json?: boolean; readonly seconds: number };

/** It sets `process.exitCode`: 0, or 1 where a check failed. */
export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("check clock, disk, key, TPM, tokens, certificates, gateways and lines")
    .option("--config <file>", "configuration")
    .option("--data <dir>", "data directory; its agent.toml is the configuration")
    .option("--seconds <n>", "how long to listen on each line", seconds, 12)
    .option("--json", "one JSON object a line")
    .action(async (options: DoctorCommandOptions) => {
      process.exitCode = (await doctor(options)) ? exitCodes.done : exitCodes.invalid;
    });
}

async function doctor(options: DoctorCommandOptions): Promise<boolean> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  let isWell = true;
  const print = (finding: Finding) => {
    if (finding.verdict === "fail") isWell = false;
    process.stdout.write(options.json === true ? `${JSON.stringify(finding)}\n` : lineOf(finding));
  };
  const path = configPath(options);
  let config: ReturnType<typeof loadAgentConfig> | undefined;
  const read = await attempt("configuration", async () => {
    config = loadAgentConfig(path);
    return [ok("configuration", `${path} is well formed.`)];
  });
  for (const finding of read) print(finding);
  if (config === undefined) {
    // Before there is a configuration: what could stand in it.
    const { signal } = stop;
    for (const finding of await findHardware(undefined, { signal })) print(finding);
  } else {
    const lineMs = options.seconds * 1_000;
    const { signal } = stop;
    try {
      for await (const finding of examine(config, { lineMs, signal })) print(finding);
    } catch (error) {
      if (!signal.aborted) throw error;
      isWell = false;
    }
  }
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  return isWell;
}

function seconds(text: string): number {
  const value = Number(text);
  if (/^\d{1,4}$/.test(text) && value >= 1 && value <= 3_600) return value;
  throw new InvalidArgumentError("expected 1 to 3600 seconds");
}
