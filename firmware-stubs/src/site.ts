#!/usr/bin/env node
/**
 * `npm start`: a small field site on this machine. Two emulated devices, an agent each, and one gateway with
 * a ledger of one validator, or several of as many organisations; every reading is followed to a receipt that is verified here from its bytes.
 */

import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { quorumOf } from "@tamga/ledger-core/base/quorum";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes, runMain } from "@tamga/ledger-core/daemon/exit-code";
import { ensureDir } from "@tamga/ledger-core/daemon/state-dir";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { Child, runToEnd } from "./site/child.ts";
import { beginConsortium, requireShape } from "./site/site-consortium.ts";
import { SiteJournal } from "./site/site-journal.ts";
import type { SiteKeys } from "./site/site-keys.ts";
import { openSiteKeys } from "./site/site-keys.ts";
import type { PlannedDevice, PlannedGateway } from "./site/site-plan.ts";
import {
  plannedDevices,
  scripts,
  sitePlan,
  writeAgentConfig,
  writeGatewayConfigs,
} from "./site/site-plan.ts";
import { SiteReceipts } from "./site/site-receipts.ts";

/** Gateways of a demo site: each is a process. */
const validatorsMax = 16;
/** How long `--stop-after` waits for its receipts, in milliseconds. */
const patienceMs = 60_000;

type Options = {
  stopAfter?: number;
  data: string;
  keys: "auto" | "pkcs11" | "file";
  validators: number;
};

async function main(): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.done;
  const program = new Command("npm start --")
    .description("run a demo site: two emulated devices, their agents, a gateway, a ledger")
    .option("--stop-after <n>", "end after so many readings with verified final receipts", count)
    .option("--data <dir>", "where the site lives; a second start goes on with it", "data")
    .option("--validators <n>", "organisations that order together, a gateway each", validators, 1)
    .addOption(
      new Option("--keys <kind>", "where devices keep their keys; decided at the first start")
        .choices(["auto", "pkcs11", "file"])
        .default("auto"),
    )
    .exitOverride()
    .action(async (options: Options) => {
      const callerDir = process.env["TAMGA_CALLER_DIR"] ?? process.cwd();
      exitCode = await new FieldSite(resolve(callerDir, options.data), options).run();
    });
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  return exitCode;
}

class FieldSite {
  readonly #dataDir: string;
  readonly #options: Options;
  readonly #children: Child[] = [];
  readonly #journal: SiteJournal;
  readonly #done = Promise.withResolvers<ExitCode>();
  readonly #plan: ReturnType<typeof sitePlan>;
  readonly #addresses = new Map<string, string>();
  #stopping = false;

  constructor(dataDir: string, options: Options) {
    this.#dataDir = dataDir;
    this.#options = options;
    this.#plan = sitePlan(dataDir, options.validators);
    this.#journal = new SiteJournal({
      write: (line) => process.stdout.write(`${line}\n`),
      wanted: options.stopAfter,
      reached: () => this.#done.resolve(exitCodes.done),
    });
  }

  async run(): Promise<ExitCode> {
    const stop = () => this.#done.resolve(exitCodes.done);
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    const timer =
      this.#options.stopAfter === undefined
        ? undefined
        : setTimeout(() => this.#giveUp(), patienceMs);
    try {
      const work = this.#start().then(() => this.#done.promise);
      return await Promise.race([work, this.#done.promise]);
    } finally {
      clearTimeout(timer);
      this.#stopping = true;
      // Agents first: what they still hold goes to their outboxes, then the gateway ends.
      for (const child of this.#children.reverse()) await child.stop();
      for (const line of this.#journal.summary(this.#verifyCommand()))
        process.stdout.write(`${line}\n`);
    }
  }

  async #start(): Promise<void> {
    const { gateways, shape, channelFile, receipts: directory, trust } = this.#plan;
    ensureDir(this.#dataDir, 0o700);
    requireShape(shape, gateways.length, existsSync(join(this.#dataDir, "gateway")));
    await writeGatewayConfigs(gateways);
    const keys = openSiteKeys(join(this.#dataDir, "keys"), this.#options.keys);
    this.#journal.say(keys.sentence);
    await beginConsortium(gateways, channelFile);
    await Promise.all(gateways.map((gateway) => this.#startGateway(gateway)));
    this.#journal.say(ledgerSentence(gateways));
    for (const { name } of gateways) {
      const http = this.#addresses.get(name);
      this.#journal.say(
        `status page of ${name}: ${http}/  (the same as JSON: ${http}/status.json)`,
      );
    }
    const gatewayOf = (device: string) => this.#addresses.get(this.#homeOf(device).name) ?? "";
    this.#journal.follow(new SiteReceipts({ directory, gatewayOf, trust }));
    await Promise.all(plannedDevices.map((device) => this.#startDevice(device, keys)));
  }

  /** The gateway that a device is enrolled with. */
  #homeOf(device: string): PlannedGateway {
    const { gateways } = this.#plan;
    const home = plannedDevices.find((planned) => planned.device === device)?.home ?? 0;
    return present(gateways[Math.min(home, gateways.length - 1)], "a gateway");
  }

  #startGateway({ name, directory }: PlannedGateway): Promise<void> {
    return new Promise((resolve, reject) => {
      const gateway = this.#spawn({
        name,
        args: [scripts.gateway, "--data", directory, "run"],
        onLog: (line) => {
          const http = /"event":"gateway.listening","http":"([^"]+)"/.exec(line)?.[1];
          if (http === undefined) return;
          this.#addresses.set(name, http);
          resolve();
        },
      });
      gateway.exited.then(
        () => reject(new OperationalError("SITE_GATEWAY_ENDED", `${name} ended.`)),
        reject,
      );
    });
  }

  async #startDevice(plan: PlannedDevice, keys: SiteKeys): Promise<void> {
    const dir = this.#plan.agentOf(plan.device);
    ensureDir(dir, 0o700);
    const key = keys.uriOf(plan.device, dir);
    if (!existsSync(join(dir, "device.json"))) await this.#enrol(plan, dir, { key, env: keys.env });
    const link = await this.#startEmulator(plan);
    writeAgentConfig(dir, { plan, link, key });
    this.#spawn({
      name: plan.device,
      args: [scripts.agent, "run", "--data", dir],
      env: keys.env,
      onLine: (line) => this.#journal.agentLine(plan.device, line),
    });
  }

  /** The way of the USB stick: a request file, an operator's approval, an answer file. */
  async #enrol(
    plan: PlannedDevice,
    dir: string,
    { key, env }: { readonly key: string; readonly env: SiteKeys["env"] },
  ): Promise<void> {
    const { device } = plan;
    const request = join(dir, "request.json");
    const answer = join(dir, "answer.json");
    const { directory: gateway, organisation } = this.#homeOf(device);
    const asked = ["enrol", "--device", device, "--data", dir, "--key", key, "--out", request];
    const approved = [
      "--data",
      gateway,
      "devices",
      "approve",
      "--request",
      request,
      "--out",
      answer,
    ];
    await runToEnd({ name: `enrol ${device}`, args: [scripts.agent, ...asked], env });
    await runToEnd({ name: `approve ${device}`, args: [scripts.gateway, ...approved] });
    const taken = ["enrol", "--data", dir, "--key", key, "--answer", answer];
    await runToEnd({ name: `enrol ${device}`, args: [scripts.agent, ...taken], env });
    this.#journal.say(
      `${device}: enrolled, and approved by the operator of ${organisation} (here: by this demo)`,
    );
  }

  #startEmulator(plan: PlannedDevice): Promise<string> {
    return new Promise((resolve, reject) => {
      const emulator = this.#spawn({
        name: `${plan.device} emulator`,
        args: [scripts.emulator, ...plan.emulator],
        onLine: (line) => {
          const address = /"address":"([^"]+)"/.exec(line)?.[1];
          if (address !== undefined)
            resolve(address.startsWith("tcp:") ? address : `tcp://${address}`);
        },
      });
      emulator.exited.then(
        () => reject(new OperationalError("SITE_EMULATOR_ENDED", "An emulator ended.")),
        reject,
      );
    });
  }

  #spawn(options: ConstructorParameters<typeof Child>[0]): Child {
    const tail: string[] = [];
    const child = new Child({
      ...options,
      onLog: (line) => {
        tail.push(line);
        if (tail.length > 5) tail.shift();
        options.onLog?.(line);
        const warned = /"level":"(?:warn|error)".*"msg":"([^"]+)"/.exec(line)?.[1];
        if (warned !== undefined) this.#journal.say(`${options.name}: ${warned}`);
      },
    });
    this.#children.push(child);
    child.exited.then((code) => {
      if (this.#stopping) return;
      const sentence = `${options.name} ended by itself (${code}): ${tail.slice(-2).join(" ")}`;
      this.#done.reject(new OperationalError("SITE_PROCESS_ENDED", sentence));
    }, this.#done.reject);
    return child;
  }

  #giveUp(): void {
    const sentence = `No ${this.#options.stopAfter} verified final receipts within ${patienceMs / 1_000} s; see the lines above.`;
    this.#done.reject(new OperationalError("SITE_TOO_SLOW", sentence));
  }

  /** As short as it can be where npm was started: in the checkout `npx` finds the command. */
  #verifyCommand(): (file: string) => string {
    const root = join(import.meta.dirname, "..", "..");
    const callerDir = process.env["TAMGA_CALLER_DIR"] ?? process.cwd();
    const short = (path: string) => {
      const near = relative(callerDir, path);
      return near.startsWith("..") ? path : near;
    };
    const node = short(join(root, "node_modules", ".bin", "node"));
    const verify = callerDir === root ? "npx tamga-verify" : `${node} ${short(scripts.verify)}`;
    const trust = short(this.#plan.trust);
    return (file) => `${verify} receipt ${short(file)} --trust ${trust}`;
  }
}

function ledgerSentence(gateways: readonly PlannedGateway[]): string {
  const { length } = gateways;
  if (length === 1)
    return "ledger: one validator, 1 of 1 organisations; bodies are kept in one copy";
  const names = gateways.map(({ organisation }) => organisation).join(", ");
  return `ledger: ${length} validators of ${names}; ${quorumOf(length)} of them seal; bodies are kept in one copy`;
}

function validators(text: string): number {
  const value = count(text);
  if (value <= validatorsMax) return value;
  throw new InvalidArgumentError(`at most ${validatorsMax} on one machine`);
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("a whole number from 1");
}

await runMain(main);
