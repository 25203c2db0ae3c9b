/** One gateway of the rig, with its validator: a data directory, and the process that runs in it or does not. */

import { join } from "node:path";
import { z } from "zod";
import type { ProcessEnd } from "../rig/rig-process.ts";
import { RigProcess } from "../rig/rig-process.ts";
import { ProcessGone } from "../rig/wait.ts";
import { scripts } from "./consortium-template.ts";

const statusSchema = z.looseObject({
  /** By the gateway's own clock. */
  at: z.string(),
  ledger: z.looseObject({
    size: z.int(),
    sealedSize: z.int(),
    pendingTransactions: z.int(),
    frozenLanes: z.int(),
  }),
  lane: z.looseObject({ size: z.int(), orderedSize: z.int(), incarnations: z.int() }),
});
export type ValidatorStatus = z.output<typeof statusSchema>;

const listening = z.looseObject({
  event: z.literal("gateway.listening"),
  http: z.string(),
  mqttPort: z.int(),
});
const logged = z.looseObject({ level: z.string(), event: z.string().optional() });
const answerMsMax = 60_000;

export class Validator {
  readonly name: string;
  readonly dir: string;
  /** Events, or messages, that it logged as errors or worse, over all its processes. */
  readonly errors: string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  #process: RigProcess | undefined;
  #http = "";
  #mqttPort = 0;

  /** @param options.env beside the rig's own environment. */
  constructor(options: {
    readonly name: string;
    readonly dir: string;
    readonly env?: Readonly<Record<string, string>>;
  }) {
    this.name = options.name;
    this.dir = options.dir;
    this.#env = options.env ?? {};
  }

  get http(): string {
    return this.#http;
  }

  get mqttPort(): number {
    return this.#mqttPort;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  get tail(): string {
    return this.#process?.tail ?? "";
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const process = new RigProcess({
      name: this.name,
      args: [scripts.gateway, "--data", this.dir, "run"],
      env: this.#env,
      onLine: (line) => this.#note(line),
    });
    this.#process = process;
    const line = await process.line(/^(\{.*"event":"gateway\.listening".*\})$/);
    const { http, mqttPort } = listening.parse(JSON.parse(line));
    this.#http = http;
    this.#mqttPort = mqttPort;
  }

  /** @returns how it ended; SIGTERM has to end with 0. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<ProcessEnd> {
    return (await this.#process?.end(signal)) ?? { status: 0, ms: 0 };
  }

  /** An operator's command on its directory. */
  command(...args: readonly string[]): Promise<void> {
    const all = [scripts.gateway, "--data", this.dir, ...args];
    return RigProcess.command({ name: `${args[0]} of ${this.name}`, args: all, env: this.#env });
  }

  /** @throws ProcessGone where nobody ended it. */
  requireAlive(): void {
    const process = this.#process;
    if (process !== undefined && !process.isRunning && !process.wasEnded)
      throw new ProcessGone(`${this.name} ended by itself\n${process.tail}`);
  }

  async status(): Promise<ValidatorStatus> {
    this.requireAlive();
    const signal = AbortSignal.timeout(answerMsMax);
    const answer = await fetch(`${this.#http}/status.json`, { signal });
    return statusSchema.parse(await answer.json());
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  #note(line: string): void {
    if (!/"level":"(?:error|fatal)"/.test(line)) return;
    const parsed = logged.safeParse(JSON.parse(line));
    this.errors.push(parsed.data?.event ?? line);
  }
}
