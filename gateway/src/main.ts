#!/usr/bin/env node
/** tamga-gateway: run it, decide about devices, fetch receipts, look at its state. */

import { writeFileSync } from "node:fs";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes, runMain } from "@tamga/ledger-core/daemon/exit-code";
import { createLogger } from "@tamga/ledger-core/daemon/logger";
import { notifyEnvironment, SdNotify } from "@tamga/ledger-core/daemon/sd-notify";
import { runServices } from "@tamga/ledger-core/daemon/service";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { watchdogServices } from "@tamga/ledger-core/daemon/watchdog-service";
import { Command, CommanderError } from "commander";
import { askGateway } from "./ask-gateway.ts";
import { addAttestCommand } from "./attest-command.ts";
import { composeGateway } from "./compose.ts";
import { readGatewayConfig } from "./config.ts";
import { addLedgerCommand } from "./consortium/ledger-command.ts";
import { addDevicesCommand } from "./devices-command.ts";
import { addDoctorCommand } from "./doctor-command.ts";
import { addRestoreCommand } from "./restore-command.ts";

type Where = { config?: string; data?: string };

async function main(): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.done;
  const program = new Command("tamga-gateway")
    .description("verifies what edge agents sign, and gives receipts for it")
    .option("--config <file>", "configuration (TOML)")
    .option("--data <dir>", "data directory; its gateway.toml is read when it is there")
    .exitOverride();
  const where = () => program.opts<Where>();
  program
    .command("run")
    .description("run the gateway; the first start makes the site's CA and channel")
    .action(async () => {
      exitCode = await run(where());
    });
  addDevicesCommand(program, where);
  addLedgerCommand(program, where);
  addRestoreCommand(program, where);
  addDoctorCommand(program, where, (code) => {
    exitCode = code;
  });
  addAttestCommand(program, where, (code) => {
    exitCode = code;
  });
  program
    .command("status")
    .description("what the running gateway says of itself")
    .option("--json", "as one JSON object")
    .action(async (options: { json?: boolean }) => {
      const status: unknown = await (
        await askGateway(readGatewayConfig(where()), "/status.json")
      ).json();
      const text = options.json === true ? JSON.stringify(status) : JSON.stringify(status, null, 2);
      process.stdout.write(`${text}\n`);
    });
  program
    .command("receipt")
    .description("write the receipt of one reading")
    .requiredOption("--device <id>")
    .requiredOption("--incarnation <hex>", "the stream's incarnation, 32 hexadecimal digits")
    .requiredOption("--sequence <n>")
    .requiredOption("--out <file>")
    .action(async (at: { device: string; incarnation: string; sequence: string; out: string }) => {
      const path = `/receipts/${at.device}/${at.incarnation}/${at.sequence}`;
      const answer = await askGateway(readGatewayConfig(where()), path);
      writeFileSync(at.out, new Uint8Array(await answer.arrayBuffer()));
      process.stdout.write(`${at.out}\n`);
    });
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  return exitCode;
}

async function run(where: Where): Promise<ExitCode> {
  const config = readGatewayConfig(where);
  const logger = createLogger({ daemon: "tamga-gateway", level: config.log_level });
  const clock = new SystemClock();
  const environment = notifyEnvironment();
  const systemd = new SdNotify(environment, logger.child({ component: "systemd" }));
  const services = composeGateway(config, {
    clock,
    logger,
    ready: (address) => logger.info({ event: "gateway.listening", ...address }, "listening"),
  });
  return runServices([...services, ...watchdogServices(environment, { systemd, clock })], {
    clock,
    logger,
    onReady: () => systemd.ready(),
    onStopping: () => systemd.stopping(),
  });
}

await runMain(main);
