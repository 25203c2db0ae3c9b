/**
 * One site of real processes for scenarios: an emulated meter, an agent and a gateway, with a line
 * between the latter two that can be cut. Everything lies in one temporary directory.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linkChunkBytesMax } from "@tamga/agent/limits";
import { burstMax } from "@tamga/firmware-stubs/emulate";
import { EmulatedP1Meter } from "@tamga/firmware-stubs/p1-meter";
import type { KillMark } from "./account-types.ts";
import { LinkProxy } from "./link-proxy.ts";
import { PromiseBook } from "./promise-book.ts";
import type { AgentSettings } from "./rig-files.ts";
import { device, writeAgentConfig, writeGatewayConfig } from "./rig-files.ts";
import type { ProcessEnd } from "./rig-process.ts";
import { RigProcess } from "./rig-process.ts";
import type { RigAgentStatus, RigGatewayStatus } from "./rig-status.ts";
import { agentStatusSchema, gatewayStatusSchema } from "./rig-status.ts";
import { unreadBytes } from "./unread-bytes.ts";
import { ProcessGone } from "./wait.ts";
import { lastOfWireLog } from "./wire-log.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const scripts = {
  gateway: join(root, "gateway/src/main.ts"),
  agent: join(root, "agent/src/main.ts"),
  emulator: join(root, "firmware-stubs/src/main.ts"),
} as const;

export type RigOptions = {
  readonly seed: number;
  /** Readings a second that the emulated meter offers. */
  readonly rate: number;
  /** Of the agent's key; in a file of the agent's directory unless given. */
  readonly key?: string;
  readonly agent?: Partial<Pick<AgentSettings, "quota" | "whenFull" | "maxCount">>;
  /** MiB of the agent's heap of long-lived objects; the runtime's own choice unless given. */
  readonly heapMiBMax?: number;
  /** How often the lane's head goes to the ledger. */
  readonly orderEvery?: string;
  /** Modules that plant a defect into a process: see `plants/`. */
  readonly plants?: { readonly agent?: string; readonly gateway?: string };
};

/** Milliseconds that a reading may be in an agent's memory alone. */
const journalAfterMs = 50;
/** Milliseconds on top, of a machine that is busy and of a commit that is under way. */
const lateMs = 1_500;
/** Bytes of the telegram that the meter sends: each has the same length. */
const frameBytes = new EmulatedP1Meter({ telegram: "small", seed: 1, firstSequence: 0 }).next(0)
  .bytes.length;
/** Frames that a link has read ahead of the driver, with one chunk on its way; they end with the process. */
const readAhead = Math.ceil((2 * linkChunkBytesMax) / frameBytes);

export class Rig {
  readonly dir: string;
  readonly book = new PromiseBook();
  readonly kills: KillMark[] = [];
  readonly line: LinkProxy;
  readonly #options: RigOptions;
  #emulator: RigProcess | undefined;
  #agent: RigProcess | undefined;
  #gateway: RigProcess | undefined;
  #meterPort = 0;
  #agentHttp = "";
  #gatewayHttp = "";

  private constructor(dir: string, line: LinkProxy, options: RigOptions) {
    this.dir = dir;
    this.line = line;
    this.#options = options;
  }

  /** A site with its device enrolled: the gateway runs, agent and meter do not yet. */
  static async open(options: RigOptions): Promise<Rig> {
    const dir = mkdtempSync(join(tmpdir(), "tamga-rig-"));
    const rig = new Rig(dir, await LinkProxy.listen(), options);
    try {
      mkdirSync(rig.agentDir, { mode: 0o700 });
      mkdirSync(rig.gatewayDir, { mode: 0o700 });
      writeGatewayConfig(rig.gatewayDir, options.orderEvery ?? "50ms");
      await rig.startGateway();
      await rig.#enrol();
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  get agentDir(): string {
    return join(this.dir, "agent");
  }

  get gatewayDir(): string {
    return join(this.dir, "gateway");
  }

  get wireLog(): string {
    return join(this.dir, "wire.log");
  }

  get gatewayHttp(): string {
    return this.#gatewayHttp;
  }

  /** Newest lines of all processes, for the message of a scenario that fails. */
  get tail(): string {
    const processes = [this.#emulator, this.#agent, this.#gateway];
    return processes.flatMap((one) => (one === undefined ? [] : [one.name, one.tail])).join("\n");
  }

  /** Starts the meter where it stopped; it stands still until an agent reads it. */
  async startMeter(rate = this.#options.rate): Promise<void> {
    const emulator = new RigProcess({
      name: "meter",
      args: [
        ...[scripts.emulator, "p1-meter", "--telegram", "small", "--rate", String(rate)],
        ...["--seed", String(this.#options.seed), "--wire-log", this.wireLog],
        ...["--first-sequence", String(this.lastFrame + 1)],
        ...["--listen", `127.0.0.1:${this.#meterPort}`],
      ],
    });
    this.#emulator = emulator;
    this.#meterPort = Number(await emulator.line(/"address":"tcp:\/\/127\.0\.0\.1:(\d+)"/));
  }

  /** The meter stands still until it may go on: what is checked meanwhile does not grow. */
  holdMeter(): void {
    this.#emulator?.signal("SIGSTOP");
  }

  letMeterGo(): void {
    this.#emulator?.signal("SIGCONT");
  }

  async stopMeter(): Promise<void> {
    await this.#emulator?.end("SIGTERM");
    this.#emulator = undefined;
  }

  async startAgent(): Promise<void> {
    this.#configureAgent();
    const agent = new RigProcess({
      name: "agent",
      args: [
        ...preload(this.#options.plants?.agent),
        ...heap(this.#options.heapMiBMax),
        ...[scripts.agent, "run", "--data", this.agentDir, "--events"],
      ],
      onLine: (line) => this.book.take(line),
    });
    this.#agent = agent;
    this.#agentHttp = await agent.line(/"event":"ready","http":"([^"]+)"/);
  }

  async stopAgent(): Promise<ProcessEnd> {
    return (await this.#agent?.end("SIGTERM")) ?? { status: 0, ms: 0 };
  }

  /** kill -9, noting where the wire was. */
  async killAgent(): Promise<void> {
    const inMemoryMs = journalAfterMs + lateMs;
    await this.#endOnTheLine("SIGKILL", Math.ceil((this.#options.rate * inMemoryMs) / 1_000));
  }

  /** SIGTERM while the meter speaks: what is under way on the line then is read by nobody. */
  stopAgentOnTheLine(): Promise<ProcessEnd> {
    return this.#endOnTheLine("SIGTERM", readAhead);
  }

  /**
   * What the agent may lose: so many frames in its memory, what the kernel holds for it however busy the
   * machine is, and what is written until it is gone.
   */
  async #endOnTheLine(signal: "SIGTERM" | "SIGKILL", inMemory: number): Promise<ProcessEnd> {
    const before = this.lastFrame;
    const inKernel = Math.ceil(unreadBytes(this.#meterPort) / frameBytes);
    const ended = (await this.#agent?.end(signal)) ?? { status: 0, ms: 0 };
    const atFrame = this.lastFrame;
    // A write that is under way is not in the log yet.
    const lostMax = inMemory + inKernel + (atFrame - before) + burstMax;
    this.kills.push({ atFrame, lostMax });
    return ended;
  }

  async startGateway(): Promise<void> {
    const gateway = new RigProcess({
      name: "gateway",
      args: [
        ...preload(this.#options.plants?.gateway),
        ...[scripts.gateway, "--data", this.gatewayDir, "run"],
      ],
    });
    this.#gateway = gateway;
    const listening = gateway.line(/("event":"gateway\.listening".*)/);
    const facts = await listening;
    this.#gatewayHttp = /"http":"([^"]+)"/.exec(facts)?.[1] ?? "";
    this.line.target = Number(/"mqttPort":(\d+)/.exec(facts)?.[1]);
  }

  async stopGateway(): Promise<ProcessEnd> {
    return (await this.#gateway?.end("SIGTERM")) ?? { status: 0, ms: 0 };
  }

  async killGateway(): Promise<void> {
    await this.#gateway?.end("SIGKILL");
  }

  /** Throws {@link ProcessGone} where a process is gone that nobody ended. */
  requireAlive(): void {
    for (const one of [this.#emulator, this.#agent, this.#gateway])
      if (one !== undefined && !one.isRunning && !one.wasEnded)
        throw new ProcessGone(`${one.name} ended by itself\n${one.tail}`);
  }

  async agentStatus(): Promise<RigAgentStatus> {
    this.requireAlive();
    return agentStatusSchema.parse(await getJson(`${this.#agentHttp}/status.json`));
  }

  async gatewayStatus(): Promise<RigGatewayStatus> {
    return gatewayStatusSchema.parse(await getJson(`${this.#gatewayHttp}/status.json`));
  }

  /** Sequence of the newest frame in the wire log. */
  get lastFrame(): number {
    return lastOfWireLog(this.wireLog);
  }

  /** Resident memory of the agent's process. */
  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  async close(): Promise<void> {
    const processes = [this.#emulator, this.#agent, this.#gateway];
    await Promise.all(processes.map((one) => one?.end("SIGKILL").catch(() => undefined)));
    await this.line.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #configureAgent(): void {
    const { agent } = this.#options;
    writeAgentConfig(this.agentDir, {
      key: this.#key,
      linkPort: this.#meterPort,
      uplinkPort: this.line.port,
      journalAfterMs,
      maxCount: 64,
      ...agent,
    });
  }

  get #key(): string {
    return this.#options.key ?? `file:${join(this.agentDir, "signing.key")}`;
  }

  /** By request and answer files, as with a USB stick. */
  async #enrol(): Promise<void> {
    const request = join(this.dir, "request.json");
    const answer = join(this.dir, "answer.json");
    const data = ["--data", this.agentDir, "--key", this.#key];
    const step = (name: string, ...args: readonly string[]) => RigProcess.command({ name, args });
    await step("enrol", scripts.agent, "enrol", "--device", device, ...data, "--out", request);
    const approve = ["devices", "approve", "--request", request, "--out", answer];
    await step("approve", scripts.gateway, "--data", this.gatewayDir, ...approve);
    await step("enrol", scripts.agent, "enrol", ...data, "--answer", answer);
  }
}

function preload(plant: string | undefined): readonly string[] {
  return plant === undefined ? [] : ["--import", plant];
}

/** Young objects get little room too: the runtime takes what it commits for them from the same limit. */
function heap(mib: number | undefined): readonly string[] {
  return mib === undefined ? [] : [`--max-old-space-size=${mib}`, "--max-semi-space-size=4"];
}

async function getJson(url: string): Promise<unknown> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  return answer.json();
}
