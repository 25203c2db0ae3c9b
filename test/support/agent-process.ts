/** A real agent process in a directory of its own, enrolled by files, with a line on which a test's meter speaks. */

import type { ChildProcessByStdio } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ReadingEvent } from "@tamga/agent/agent-event";
import type { AgentStatus } from "@tamga/agent/agent-status";
import { EmulatedP1Meter } from "@tamga/firmware-stubs/p1-meter";
import { pause } from "../end-to-end/rig/wait.ts";
import type { TestSite } from "./test-site.ts";

const program = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const run = promisify(execFile);
const logLinesKept = 2_000;

export type AgentProcessOptions = {
  readonly device: string;
  /** Key URI; a file in its directory where none is given. */
  readonly key?: string;
  /** More of `enrol`, such as the certificates of a TPM's maker. */
  readonly enrol?: readonly string[];
  /** TOML, of the table `outbox`. */
  readonly outbox?: string;
};

export class AgentProcess {
  readonly device: string;
  readonly dir: string;
  /** Of all its runs, oldest first. */
  readonly events: ReadingEvent[] = [];
  /** The `event` of each line of its log, over all its runs. */
  readonly log: string[] = [];
  readonly #site: TestSite;
  readonly #meter = new EmulatedP1Meter({ telegram: "small", seed: 1, firstSequence: 0 });
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #outbox: string;
  #child: ChildProcessByStdio<null, Readable, Readable> | undefined;
  /** Telegrams that a line took. */
  measured = 0;

  private constructor(site: TestSite, options: AgentProcessOptions) {
    this.#site = site;
    this.device = options.device;
    this.#outbox = options.outbox ?? "";
    this.dir = mkdtempSync(join(tmpdir(), "tamga-agent-"));
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
    });
  }

  static async enrol(site: TestSite, options: AgentProcessOptions): Promise<AgentProcess> {
    const agent = new AgentProcess(site, options);
    const { key, device } = options;
    const keys = key === undefined ? [] : ["--key", key];
    const [request, answer] = [agent.file("request.json"), agent.file("answer.json")];
    const asking = ["enrol", "--data", agent.dir, "--device", device, ...keys];
    await agent.cli(...asking, ...(options.enrol ?? []), "--out", request);
    await site.cli("devices", "approve", "--request", request, "--out", answer);
    await agent.cli("enrol", "--data", agent.dir, ...keys, "--answer", answer);
    agent.#server.listen(0, "127.0.0.1");
    await once(agent.#server, "listening");
    agent.configure(key);
    return agent;
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  /** Writes agent.toml anew: for the gateway's port of now or another one, and the key that it is to name. */
  configure(key?: string, port = this.#site.mqttPort): void {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no line");
    const text = `device = "${this.device}"
channel = "${JSON.parse(readFileSync(this.file("device.json"), "utf8")).channel}"
${key === undefined ? "" : `key = "${key}"`}
heartbeat_every = "2s"
[bundle]
max_age = "50ms"
[outbox]
journal_after = "10ms"
${this.#outbox}
[uplink]
gateways = ["mqtts://127.0.0.1:${port}"]
[http]
port = 0
[[stream]]
name = "main"
protocol = "dsmr-p1"
link = "tcp://127.0.0.1:${address.port}"
emulated = true
`;
    writeFileSync(this.file("agent.toml"), text);
  }

  /** `tamga-agent ARGS`; rejects on another exit code than 0. @returns standard output and error. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await run(process.execPath, [program, ...args]);
    return `${stdout}${stderr}`;
  }

  start(): void {
    const child = spawn(process.execPath, [program, "run", "--data", this.dir, "--events"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line));
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      const parsed: { event?: string; code?: string } = line.startsWith("{")
        ? JSON.parse(line)
        : { event: line };
      this.log.push(parsed.event ?? "");
      this.log.splice(0, this.log.length - logLinesKept);
    });
  }

  /** Ends the process by its own pid, if it runs. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  get hasLine(): boolean {
    return this.#sockets.size > 0;
  }

  /** The meter says what it measures, once. */
  measure(): void {
    const { bytes } = this.#meter.next(Date.now());
    for (const socket of this.#sockets) {
      socket.write(bytes);
      this.measured++;
    }
  }

  /** Undefined while it does not answer. */
  async status(): Promise<AgentStatus | undefined> {
    try {
      const address = readFileSync(this.file("http.address"), "utf8").trim();
      const answer = await fetch(`${address}/status.json`);
      return (await answer.json()) as AgentStatus;
    } catch {
      return undefined;
    }
  }

  /** Measures ten times a second until this is so. */
  async measureUntil(isSo: () => boolean | Promise<boolean>, msMax = 300_000): Promise<void> {
    for (const end = Date.now() + msMax; !(await isSo()); ) {
      if (Date.now() > end)
        throw new Error(`not so in time; log: ${this.log.slice(-40).join(" ")}`);
      this.measure();
      await pause(100);
    }
  }

  async close(): Promise<void> {
    await this.stop("SIGKILL");
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
