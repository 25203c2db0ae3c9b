/** A whole agent in this process: enrolled by files at a gateway, with a line on which a test's meter speaks. */

import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import type { ReadingEvent } from "@tamga/agent/agent-event";
import type { AgentStatus } from "@tamga/agent/agent-status";
import type { Agent } from "@tamga/agent/compose";
import { compose } from "@tamga/agent/compose";
import { loadAgentConfig } from "@tamga/agent/config";
import { checkAnswer, defaultKey, makeRequest, writeEnrolment } from "@tamga/agent/enrol";
import { EmulatedP1Meter } from "@tamga/firmware-stubs/p1-meter";
import { present } from "@tamga/ledger-core/base/assert";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { notifyEnvironment } from "@tamga/ledger-core/daemon/sd-notify";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { name } from "./wire-samples.ts";

const { signal: never } = new AbortController();

type Running = {
  readonly agent: Agent;
  readonly end: AbortController;
  readonly runs: Promise<unknown>;
};

export class RunningAgent {
  readonly device: string;
  readonly directory: string;
  /** What was verified, oldest first, over all its runs. */
  readonly events: ReadingEvent[] = [];
  readonly #meter = new EmulatedP1Meter({ telegram: "small", seed: 1, firstSequence: 0 });
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
  });
  #running: Running | undefined;

  private constructor(directory: string, device: string) {
    this.directory = directory;
    this.device = device;
  }

  /**
   * @param approve has a gateway answer the request of this file into that file.
   * @param mqttPort of the gateway.
   * @param channel `herd` where left out.
   * @param bundle further lines of `[bundle]`.
   * @param algorithm of the signing key, ES256 where left out.
   */
  static async enrol(
    directory: string,
    device: string,
    gateway: {
      readonly approve: (request: string, answer: string) => Promise<unknown>;
      readonly mqttPort: number;
      readonly channel?: string;
      readonly bundle?: string;
      readonly algorithm?: Algorithm;
    },
  ): Promise<RunningAgent> {
    const agent = new RunningAgent(directory, device);
    mkdirSync(directory, { recursive: true });
    const keys = {
      dataDir: directory,
      key: defaultKey(directory),
      profile: "development",
      algorithm: gateway.algorithm,
    } as const;
    const files = { request: join(directory, "request"), answer: join(directory, "answer") };
    const { text } = await makeRequest(name(device), keys, { signal: never });
    writeFileSync(files.request, text);
    await gateway.approve(files.request, files.answer);
    writeEnrolment(
      await checkAnswer(readFileSync(files.answer, "utf8"), keys, { signal: never }),
      keys,
    );
    agent.#server.listen(0, "127.0.0.1");
    await once(agent.#server, "listening");
    agent.#configure(gateway);
    return agent;
  }

  async start(): Promise<void> {
    const config = loadAgentConfig(join(this.directory, "agent.toml"));
    const agent = await compose(config, {
      clock: new SystemClock(),
      logger: silentLogger,
      notify: notifyEnvironment({}),
      events: (event) => {
        if (event.event !== "ready") this.events.push(event);
      },
    });
    const end = new AbortController();
    const { signal } = end;
    for (const service of agent.services) await service.open({ signal });
    const runs = Promise.all(
      agent.services.map((service) => service.run?.({ signal }).catch(() => undefined)),
    );
    this.#running = { agent, end, runs };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.end.abort();
    await running.runs;
    for (const service of running.agent.services.toReversed()) await service.close();
  }

  async close(): Promise<void> {
    await this.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  status(): AgentStatus {
    return present(this.#running, "running agent").agent.status();
  }

  /** Whether the agent listens to its meter. */
  get hasLine(): boolean {
    return this.#sockets.size > 0;
  }

  /** The meter says what it measures, once. */
  measure(): void {
    const { bytes } = this.#meter.next(Date.now());
    for (const socket of this.#sockets) socket.write(bytes);
  }

  /** Bundles that the agent itself verified as final. */
  finalBundles(): readonly ReadingEvent[] {
    return this.events.filter(({ event, kind }) => event === "final" && kind === "bundle");
  }

  #configure(gateway: {
    readonly mqttPort: number;
    readonly channel?: string;
    readonly bundle?: string;
  }): void {
    const { mqttPort, channel = "herd", bundle = "" } = gateway;
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no line");
    const text = `device = "${this.device}"
channel = "${channel}"

[bundle]
max_age = "50ms"
${bundle}

[outbox]
journal_after = "10ms"

[uplink]
gateways = ["mqtts://127.0.0.1:${mqttPort}"]

[http]
port = 0

[[stream]]
name = "main"
protocol = "dsmr-p1"
link = "tcp://127.0.0.1:${address.port}"
emulated = true
`;
    writeFileSync(join(this.directory, "agent.toml"), text);
  }
}
