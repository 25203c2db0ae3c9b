/** Whole gateways of several organisations in this process, over real links on loopback, and their commands. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { composeGateway } from "@tamga/gateway/compose";
import { readGatewayConfig } from "@tamga/gateway/config";
import { addLedgerCommand } from "@tamga/gateway/consortium/ledger-command";
import { addDevicesCommand } from "@tamga/gateway/devices-command";
import { readAddress } from "@tamga/gateway/site/address";
import { sitePaths } from "@tamga/gateway/site/site";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import type { Service } from "@tamga/ledger-core/daemon/service";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { Command } from "commander";
import { vi } from "vitest";
import { freePorts } from "./free-ports.ts";

type Running = {
  readonly services: readonly Service[];
  readonly end: AbortController;
  readonly runs: Promise<unknown>;
};

const { signal: never } = new AbortController();

export class GatewayConsortium {
  readonly #directory: string;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #running = new Map<string, Running>();

  private constructor(directory: string, ports: ReadonlyMap<string, number>) {
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Configures a node of an organisation of its own for each name; none has a channel yet. */
  static async create(directory: string, names: readonly string[]): Promise<GatewayConsortium> {
    const free = await freePorts(names.length);
    const ports = new Map(names.map((name, at) => [name, present(free[at], "port")]));
    const consortium = new GatewayConsortium(directory, ports);
    for (const name of names) consortium.configure(name, names);
    return consortium;
  }

  /** Writes a node's configuration, with ways to the nodes that it is told of; further channels on free ports. */
  configure(
    name: string,
    others: readonly string[],
    channels: Readonly<Record<string, readonly string[]>> = {},
  ): void {
    mkdirSync(this.directoryOf(name), { recursive: true });
    const nodes = others
      .filter((other) => other !== name)
      .map((other) => `{ name = "${other}", addresses = ["127.0.0.1:${this.#ports.get(other)}"] }`);
    const lines = [
      'consortium = "test"\nchannel = "herd"',
      `organisation = "org-${name}"\ngateway = "${name}"`,
      'mqtt = { host = "127.0.0.1", port = 0 }\nhttp = { port = 0 }',
      "ingest = { verify_threads = 1 }",
      'ledger = { delta = "200ms" }',
      `peers = { host = "127.0.0.1", port = ${this.#ports.get(name)}, nodes = [${nodes.join(", ")}] }`,
      ...Object.entries(channels).map(
        ([channel, devices]) =>
          `[channels.${channel}]\nmqtt_port = 0\ndevices = ${JSON.stringify(devices)}`,
      ),
    ];
    writeFileSync(join(this.directoryOf(name), "gateway.toml"), `${lines.join("\n")}\n`);
  }

  directoryOf(name: string): string {
    return join(this.#directory, name);
  }

  path(file: string): string {
    return join(this.#directory, file);
  }

  /** Makes the channel of these, and gives every one of them its file. */
  async open(names: readonly string[], of = "herd"): Promise<void> {
    const which = ["--channel", of];
    const fileOf = (name: string) =>
      this.path(of === "herd" ? `${name}.json` : `${name}.${of}.json`);
    for (const name of names) await this.run(name, "join", "--out", fileOf(name), ...which);
    const channel = this.path(of === "herd" ? "channel.tamga" : `${of}.tamga`);
    const made = ["--out", channel, ...which, "--member", ...names.map(fileOf)];
    await this.run(present(names[0], "first"), "init", ...made);
    for (const name of names) await this.run(name, "join", "--take", channel, ...which);
  }

  async start(name: string): Promise<void> {
    const config = readGatewayConfig({ data: this.directoryOf(name) });
    const services = composeGateway(config, {
      clock: new SystemClock(),
      logger: silentLogger,
      ready: () => undefined,
    });
    for (const service of services) await service.open({ signal: never });
    const end = new AbortController();
    const { signal } = end;
    const runs = Promise.all(
      services.map((service) => service.run?.({ signal }).catch(() => undefined)),
    );
    this.#running.set(name, { services, end, runs });
  }

  async stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    running.end.abort();
    await running.runs;
    for (const service of running.services) await service.close();
  }

  /** Ends all that run, and removes what they wrote. */
  async close(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.stop(name);
    rmSync(this.#directory, { recursive: true });
  }

  /** Runs `tamga-gateway ledger …` on a node's directory; what it wrote. */
  run(name: string, ...args: string[]): Promise<{ out: string; err: string }> {
    return this.#command(name, ["ledger", ...args]);
  }

  /** Runs `tamga-gateway devices …` on a node's directory. */
  devices(name: string, ...args: string[]): Promise<{ out: string; err: string }> {
    return this.#command(name, ["devices", ...args]);
  }

  /** Where a running gateway listens. */
  addressOf(name: string): { readonly http: string; readonly mqttPort: number } {
    const { address } = sitePaths(this.directoryOf(name));
    const { http, mqttPort } = present(readAddress(address), "address of a running gateway");
    return { http, mqttPort: present(mqttPort, "port of its channel") };
  }

  async #command(name: string, args: readonly string[]): Promise<{ out: string; err: string }> {
    const said = { out: "", err: "" };
    const spies = [
      vi.spyOn(process.stdout, "write").mockImplementation((text) => {
        said.out += String(text);
        return true;
      }),
      vi.spyOn(process.stderr, "write").mockImplementation((text) => {
        said.err += String(text);
        return true;
      }),
    ];
    try {
      const program = new Command().exitOverride();
      const where = () => ({ data: this.directoryOf(name) });
      addLedgerCommand(program, where);
      addDevicesCommand(program, where);
      await program.parseAsync(args, { from: "user" });
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return said;
  }

  /** The object that a command with `--json` gives. */
  async json(name: string, ...args: string[]): Promise<unknown> {
    return JSON.parse((await this.run(name, ...args, "--json")).out);
  }

  /** Orders one transaction through a running gateway: it comes in a block after all that is final. */
  async orderOne(name: string, of = "herd"): Promise<void> {
    const file = this.path(`revocation.${of}.${name}`);
    const key = [
      "--device",
      `meter-${name}`,
      "--key",
      toHex(utf8(name.padEnd(32))),
      "--reason",
      "retired",
    ];
    await this.run(name, "propose", "revoke", ...key, "--to", file, "--channel", of);
    await this.run(name, "submit", file, "--channel", of);
  }

  /** Where other nodes dial this one. */
  peerPort(name: string): number {
    return present(this.#ports.get(name), name);
  }
}
