#!/usr/bin/env node
/** `tamga-agent`: the command line of the agent. */

import process from "node:process";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes, runMain } from "@tamga/ledger-core/daemon/exit-code";
import { Command, CommanderError } from "commander";
import { addAttestCommand } from "./attest-command.ts";
import { addDecodeCommand } from "./decode.ts";
import { addDoctorCommand } from "./doctor/doctor-command.ts";
import { addTokensCommand } from "./doctor/tokens-command.ts";
import { addEnrolCommand } from "./enrol-command.ts";
import { addRotateCommand } from "./rotate-command.ts";
import { run } from "./run.ts";
import { keepMemoryOutOfCores } from "./signer/no-core-memory.ts";
import { addStatusCommand } from "./status-command.ts";
import { agentVersion } from "./version.ts";

await runMain(main);

async function main(): Promise<ExitCode> {
  keepMemoryOutOfCores();
  const program = new Command("tamga-agent")
    .description("reads meters and RFID readers and signs what they say")
    .version(agentVersion)
    .exitOverride();
  addDecodeCommand(program);
  addEnrolCommand(program);
  addStatusCommand(program);
  addDoctorCommand(program);
  addTokensCommand(program);
  addAttestCommand(program);
  addRotateCommand(program);
  program
    .command("run")
    .description("read, sign, store and deliver, until told to stop")
    .option("--config <file>", "configuration")
    .option("--data <dir>", "data directory; its agent.toml is the configuration")
    .option("--events", "print a line of JSON for each step of each reading on stdout")
    .action(async (options: Parameters<typeof run>[0]) => {
      process.exitCode = await run(options);
    });
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  return Object.values(exitCodes).find((code) => code === process.exitCode) ?? exitCodes.done;
}
