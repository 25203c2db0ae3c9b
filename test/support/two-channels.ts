/**
 * Five real gateway processes of five organisations in two channels: `milk` of the first four, `power` of the last
 * four, begun by the operators' commands.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addLedgerCommand } from "@tamga/gateway/consortium/ledger-command";
import { addDevicesCommand } from "@tamga/gateway/devices-command";
import { present } from "@tamga/ledger-core/base/assert";
import { encodeEnrolmentRequest, parseEnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import { Command } from "commander";
import { vi } from "vitest";
import { z } from "zod";
import { RigProcess } from "../end-to-end/rig/rig-process.ts";
import { createDeviceKeys } from "./device-keys.ts";
import { freePorts } from "./free-ports.ts";
import { TestDevice } from "./test-device.ts";
import { unwrap } from "./unwrap.ts";
import { name } from "./wire-samples.ts";

const program = fileURLToPath(new URL("../../gateway/src/main.ts", import.meta.url));

export const members = {
  milk: ["g1", "g2", "g3", "g4"],
  power: ["g2", "g3", "g4", "g5"],
} as const;
export type ChannelName = keyof typeof members;
export const gateways = ["g1", "g2", "g3", "g4", "g5"] as const;
export type GatewayName = (typeof gateways)[number];

const listeningSchema = z.looseObject({
  event: z.literal("gateway.listening"),
  http: z.string(),
  mqttPort: z.int().optional(),
  channels: z.record(z.string(), z.int()).optional(),
});

type Running = { readonly process: RigProcess; readonly at: z.output<typeof listeningSchema> };

export class TwoChannels {
  readonly #directory: string;
  readonly #running = new Map<GatewayName, Running>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async begin(directory: string): Promise<TwoChannels> {
    const site = new TwoChannels(directory);
    const free = await freePorts(gateways.length);
    for (const [at, gateway] of gateways.entries()) site.#configure(gateway, free, at);
    for (const channel of ["milk", "power"] as const) {
      const file = join(directory, `${channel}.tamga`);
      const fileOf = (gateway: GatewayName) => join(directory, `${gateway}.${channel}.json`);
      const which = ["--channel", channel];
      for (const gateway of members[channel])
        await site.ledger(gateway, "join", "--out", fileOf(gateway), ...which);
      const all = members[channel].map(fileOf);
      await site.ledger("g2", "init", "--out", file, ...which, "--member", ...all);
      for (const gateway of members[channel])
        await site.ledger(gateway, "join", "--take", file, ...which);
    }
    return site;
  }

  path(gateway: GatewayName, file = ""): string {
    return join(this.#directory, gateway, file);
  }

  async start(gateway: GatewayName): Promise<void> {
    const process = new RigProcess({
      name: gateway,
      args: [program, "--data", this.path(gateway), "run"],
    });
    const line = await process.line(/^(.*"event":"gateway\.listening".*)$/);
    this.#running.set(gateway, { process, at: listeningSchema.parse(JSON.parse(line)) });
  }

  /** @returns its exit status. */
  async stop(gateway: GatewayName): Promise<number | NodeJS.Signals> {
    const running = this.#of(gateway);
    this.#running.delete(gateway);
    return (await running.process.end("SIGTERM")).status;
  }

  /** Where devices of the channel dial; undefined while it is stopped there. */
  port(gateway: GatewayName, channel: ChannelName): number | undefined {
    const { channels, mqttPort } = this.#of(gateway).at;
    return channels === undefined ? mqttPort : channels[channel];
  }

  get(gateway: GatewayName, path: string): Promise<Response> {
    return fetch(`${this.#of(gateway).at.http}${path}`);
  }

  /** The device's answer file says its channel: nothing else does. */
  async enrol(gateway: GatewayName, device: string): Promise<TestDevice> {
    const keys = await createDeviceKeys(name(device));
    const request = this.path(gateway, `${device}.request.json`);
    const answer = this.path(gateway, `${device}.answer.json`);
    writeFileSync(request, encodeEnrolmentRequest(keys.request));
    const command = new Command().exitOverride();
    addDevicesCommand(command, () => ({ data: this.path(gateway) }));
    const args = ["devices", "approve", "--request", request, "--out", answer];
    await quietly(() => command.parseAsync(args, { from: "user" }));
    return new TestDevice(keys, unwrap(parseEnrolmentAnswer(readFileSync(answer, "utf8"))));
  }

  async ledger(gateway: GatewayName, ...args: readonly string[]): Promise<void> {
    const command = new Command().exitOverride();
    addLedgerCommand(command, () => ({ data: this.path(gateway) }));
    await quietly(() => command.parseAsync(["ledger", ...args], { from: "user" }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ process }) => process.end("SIGKILL")));
  }

  #of(gateway: GatewayName): Running {
    return present(this.#running.get(gateway), `${gateway} that runs`);
  }

  #configure(gateway: GatewayName, ports: readonly number[], at: number): void {
    const directory = this.path(gateway);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const nodes = gateways.flatMap((other, index) =>
      other === gateway ? [] : [`{ name = "${other}", addresses = ["127.0.0.1:${ports[index]}"] }`],
    );
    const isIn = (channel: ChannelName) => members[channel].some((member) => member === gateway);
    const lines = [
      `consortium = "valley"\nchannel = "${isIn("milk") ? "milk" : "power"}"`,
      `organisation = "org-${gateway}"\ngateway = "${gateway}"`,
      'mqtt = { host = "127.0.0.1", port = 0, advertised = ["127.0.0.1"] }\nhttp = { port = 0 }',
      "ingest = { verify_threads = 1 }",
      'ledger = { order_every = "50ms", order_every_max = "50ms", retry_after = "200ms" }',
      `peers = { host = "127.0.0.1", port = ${ports[at]}, nodes = [${nodes.join(", ")}] }`,
      ...(isIn("milk") && isIn("power")
        ? ['[channels.power]\nmqtt_port = 0\ndevices = ["meter-*"]']
        : []),
    ];
    writeFileSync(join(directory, "gateway.toml"), `${lines.join("\n")}\n`);
  }
}

/** What a command says to its operator is not the test's output. */
async function quietly(run: () => Promise<unknown>): Promise<void> {
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await run();
  } finally {
    said.mockRestore();
  }
}
