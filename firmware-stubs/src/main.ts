#!/usr/bin/env node
/** Command line of the emulated field devices. They are emulators: what they send, nobody measured. */

import process from "node:process";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { Command, InvalidArgumentError, Option } from "commander";
import { emulate, rateMax } from "./emulate.ts";
import type { EmulatedDevice } from "./p1-meter.ts";
import { EmulatedP1Meter } from "./p1-meter.ts";
import type { LineFormat } from "./stick-reader.ts";
import { EmulatedStickReader, lineFormats } from "./stick-reader.ts";
import type { TelegramName } from "./telegrams.ts";
import { telegramNames } from "./telegrams.ts";
import type { VirtualLine } from "./virtual-line.ts";
import { PtyLine, TcpLine } from "./virtual-line.ts";

type LineOptions = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly pty?: string;
  readonly rate: number;
  readonly seed: number;
  readonly count?: number;
  readonly firstSequence: number;
  readonly wireLog?: string;
  readonly hold?: boolean;
};

const program = new Command("tamga-emulator")
  .description("Emulated field devices for tests and demonstrations")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64));

addDevice("p1-meter", "emulated DSMR P1 meter")
  .addOption(
    new Option("--telegram <name>", "which telegram").choices(telegramNames).default("dsmr5"),
  )
  .action((options: LineOptions & { telegram: TelegramName }) =>
    run("emulated DSMR P1 meter", new EmulatedP1Meter(options), options),
  );

addDevice("stick-reader", "emulated ISO 11784 ear-tag stick reader")
  .addOption(new Option("--format <name>", "line format").choices(lineFormats).default("default"))
  .option("--herd-size <animals>", "animals in the herd", wholeNumber, 40)
  .action((options: LineOptions & { format: LineFormat; herdSize: number }) =>
    run("emulated ISO 11784 stick reader", new EmulatedStickReader(options), options),
  );

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof OperationalError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 69;
}

function addDevice(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option("--listen <host:port>", "serve the line over TCP", hostPort, hostPort("127.0.0.1:0"))
    .option("--pty <path>", "serve the line as a serial port at this path (needs socat)")
    .option("--rate <per-second>", `emissions a second, 0.1 to ${rateMax}`, rate, 1)
    .option("--seed <number>", "decides identity and values", wholeNumber, 1)
    .option("--count <number>", "stop after so many", wholeNumber)
    .option("--first-sequence <number>", "sequence of the first", wholeNumber, 1)
    .option("--wire-log <file>", "append sequence and SHA-256 of each")
    .option("--hold", "after --count, keep the line open until stopped");
}

/** Prints one line of JSON, `{ device, emulated, address, pid }`, when the line can be opened. */
async function run(name: string, device: EmulatedDevice, options: LineOptions): Promise<void> {
  const stop = new AbortController();
  for (const event of ["SIGINT", "SIGTERM"]) process.once(event, () => stop.abort());
  const { signal } = stop;
  const clock = new SystemClock();
  const line = await openLine(options, clock, signal);
  // A reader that takes no more would otherwise hold up the write that is under way.
  signal.addEventListener("abort", () => line.close(), { once: true });
  const { address } = line;
  const opened = { device: name, emulated: true, address, pid: process.pid };
  process.stdout.write(`${JSON.stringify(opened)}\n`);
  try {
    await emulate({ device, line, clock }, options, { signal });
    while (options.hold === true) await clock.sleep(60_000, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await line.close();
  }
}

async function openLine(
  options: LineOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<VirtualLine> {
  if (options.pty !== undefined) return PtyLine.open(options.pty, clock, signal);
  const line = new TcpLine();
  await line.listen(options.listen.host, options.listen.port);
  return line;
}

function hostPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? -1);
  if (match === null || port > 65_535) throw new InvalidArgumentError("expected host:port");
  return { host: match[1] ?? match[2] ?? "127.0.0.1", port };
}

function wholeNumber(text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (value < 0) throw new InvalidArgumentError("expected a whole number");
  return value;
}

function rate(text: string): number {
  const value = Number(text);
  if (!(value >= 0.1 && value <= rateMax))
    throw new InvalidArgumentError(`expected 0.1 to ${rateMax}`);
  return value;
}
