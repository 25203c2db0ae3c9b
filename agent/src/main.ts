#!/usr/bin/env node
/** `tamga-agent`: the command line of the agent. */

import process from "node:process";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes, runMain } from "@tamga/ledger-core/daemon/exit-code";
import { Command, CommanderError } from "commander";
import { addDecodeCommand } from "./decode.ts";

await runMain(main);

async function main(): Promise<ExitCode> {
  const program = new Command("tamga-agent")
    .description("reads meters and RFID readers and signs what they say")
    .exitOverride();
  addDecodeCommand(program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  return Object.values(exitCodes).find((code) => code === process.exitCode) ?? exitCodes.done;
}
