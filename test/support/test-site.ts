/** A real gateway process in a directory of its own, for tests, the rig and benches. */

import type { ChildProcessByStdio } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readGatewayConfig } from "@tamga/gateway/config";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import { approveEnrolment } from "@tamga/gateway/registry/enrolment";
import { openCa, sitePaths } from "@tamga/gateway/site/site";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { encodeEnrolmentRequest, parseEnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { z } from "zod";
import { createDeviceKeys } from "./device-keys.ts";
import { TestDevice } from "./test-device.ts";
import { unwrap } from "./unwrap.ts";
import { name } from "./wire-samples.ts";

const program = fileURLToPath(new URL("../../gateway/src/main.ts", import.meta.url));
const run = promisify(execFile);
const startMsMax = 120_000;
const stopMsMax = 60_000;
const stderrLinesKept = 200;
/** Tests wait for one final receipt after the other. */
const quickHeads = 'ledger = { order_every = "100ms", order_every_max = "100ms" }';

const statusSchema = z.looseObject({
  lane: z.looseObject({
    size: z.int(),
    orderedSize: z.int(),
    conflicts: z.int(),
    refused: z.int(),
    quarantineBytes: z.int(),
    quarantineDropped: z.int(),
  }),
  devices: z.array(z.looseObject({ device: z.string(), state: z.string(), online: z.boolean() })),
  refusals: z.record(z.string(), z.int()),
});
export type SiteStatus = z.output<typeof statusSchema>;

type Listening = { readonly http: string; readonly mqttPort: number };
const listeningSchema = z.looseObject({
  event: z.literal("gateway.listening"),
  http: z.string(),
  mqttPort: z.int(),
});

export type TestSiteOptions = {
  /** TOML beside the ports; top-level keys first, tables after. Unless given, heads follow each other fast. */
  readonly config?: string;
  /** The gateway's own, e.g. `["--max-old-space-size=200"]`. */
  readonly nodeArguments?: readonly string[];
};

export class TestSite {
  readonly dir: string;
  readonly #nodeArguments: readonly string[];
  #child: ChildProcessByStdio<null, null, Readable> | undefined;
  #listening: Listening | undefined;
  #stderr: string[] = [];
  readonly #devices: TestDevice[] = [];

  private constructor(dir: string, nodeArguments: readonly string[]) {
    this.dir = dir;
    this.#nodeArguments = nodeArguments;
  }

  /** Makes a directory and starts a gateway in it; free ports on loopback. */
  static async start(options: TestSiteOptions = {}): Promise<TestSite> {
    const dir = mkdtempSync(join(tmpdir(), "tamga-site-"));
    const site = new TestSite(dir, options.nodeArguments ?? []);
    const ports = 'mqtt = { host = "127.0.0.1", port = 0 }\nhttp = { port = 0 }\n';
    writeFileSync(join(dir, "gateway.toml"), `${ports}${options.config ?? quickHeads}\n`);
    try {
      await site.launch();
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  get pid(): number {
    return present(this.#child?.pid, "pid of the gateway");
  }

  get mqttPort(): number {
    return present(this.#listening, "gateway that listens").mqttPort;
  }

  get http(): string {
    return present(this.#listening, "gateway that listens").http;
  }

  /** What the gateway wrote last, for the message of a test that fails. */
  get log(): string {
    return this.#stderr.join("\n");
  }

  /** Starts the process; resolves when it listens. */
  async launch(): Promise<void> {
    const args = [...this.#nodeArguments, program, "--data", this.dir, "run"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    this.#listening = undefined;
    this.#listening = await new Promise<Listening>((resolve, reject) => {
      const limit = AbortSignal.timeout(startMsMax);
      limit.addEventListener("abort", () => reject(new Error(`no gateway yet\n${this.log}`)));
      child.once("exit", (code) => reject(new Error(`the gateway ended: ${code}\n${this.log}`)));
      this.#readLines(child.stderr, (line) => {
        const parsed = listeningSchema.safeParse(parseJson(line));
        if (parsed.success) resolve(parsed.data);
      });
    });
  }

  /** Ends the process by its own pid and waits for its end; @returns its exit code or signal. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | NodeJS.Signals> {
    const child = this.#child;
    if (child === undefined) return 0;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit", { signal: AbortSignal.timeout(stopMsMax) });
      child.kill(signal);
      await ended;
    }
    this.#child = undefined;
    return child.exitCode ?? child.signalCode ?? 0;
  }

  async restart(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.stop(signal);
    await this.launch();
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Runs `tamga-gateway ARGS` on this directory; rejects on another exit code than 0. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [program, "--data", this.dir, ...args]);
    return stdout;
  }

  /** Enrols a device by files, through the operator's commands. */
  async enrol(device: string): Promise<TestDevice> {
    const keys = await createDeviceKeys(name(device));
    const requestFile = join(this.dir, `${device}.request.json`);
    const answerFile = join(this.dir, `${device}.answer.json`);
    writeFileSync(requestFile, encodeEnrolmentRequest(keys.request));
    await this.cli("devices", "approve", "--request", requestFile, "--out", answerFile);
    const answer = unwrap(parseEnrolmentAnswer(readFileSync(answerFile, "utf8")));
    return this.#known(new TestDevice(keys, answer));
  }

  /** Enrols many devices in this process: the same code as the command, without its start. */
  async enrolMany(devices: readonly string[]): Promise<readonly TestDevice[]> {
    const config = readGatewayConfig({ data: this.dir });
    const now = unixMillis(Date.now());
    const ca = await openCa(config, now);
    const registry = new DeviceRegistry(sitePaths(this.dir).registry);
    const facts = {
      channel: config.channel,
      gateway: config.gateway,
      uplink: [`mqtts://127.0.0.1:${this.mqttPort}`],
      trust: readFileSync(sitePaths(this.dir).trust, "utf8"),
      certificateDays: config.certificates.device_days,
    };
    try {
      const enrolled: TestDevice[] = [];
      for (const device of devices) {
        const keys = await createDeviceKeys(name(device));
        const { request } = keys;
        const answer = unwrap(await approveEnrolment({ ca, registry }, facts, { request, now }));
        enrolled.push(this.#known(new TestDevice(keys, answer)));
      }
      return enrolled;
    } finally {
      registry.close();
    }
  }

  /** Enrols a device and brings it on the line. */
  async online(device: string): Promise<TestDevice> {
    const enrolled = await this.enrol(device);
    await enrolled.connect(this.mqttPort);
    return enrolled;
  }

  async status(): Promise<SiteStatus> {
    const answer = await fetch(`${this.http}/status.json`);
    return statusSchema.parse(await answer.json());
  }

  /** How often the gateway refused for this reason since its start. */
  async refusals(code: string): Promise<number> {
    return (await this.status()).refusals[code] ?? 0;
  }

  /** The samples of `/metrics` by their name with labels. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    const samples = text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map(
        (line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))] as const,
      );
    return new Map(samples);
  }

  /** The receipt file of one reading. */
  async receipt(
    device: Identifier,
    incarnation: Uint8Array,
    sequence: bigint,
  ): Promise<Uint8Array> {
    const path = `/receipts/${device}/${toHex(incarnation)}/${sequence}`;
    const answer = await fetch(`${this.http}${path}`);
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** Resident memory of the gateway's process. */
  residentBytes(): number {
    const text = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1_024;
  }

  /** CPU time of the gateway's process with all its threads, user and system, in seconds. */
  cpuSeconds(): number {
    const text = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticksPerSecond = 100;
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** Ends everything that it started and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.#devices.map((device) => device.disconnect().catch(() => undefined)));
    await this.stop("SIGKILL").catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #known(device: TestDevice): TestDevice {
    this.#devices.push(device);
    return device;
  }

  #readLines(stream: Readable, take: (line: string) => void): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        this.#stderr = [...this.#stderr.slice(1 - stderrLinesKept), line];
        take(line);
      }
    });
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
