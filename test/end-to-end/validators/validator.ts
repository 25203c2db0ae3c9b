/** One gateway of the rig, with its validator: a data directory, and the process that runs in it or does not. */

import { join } from "node:path";
import { z } from "zod";
import type { ProcessEnd } from "../rig/rig-process.ts";
import { RigProcess } from "../rig/rig-process.ts";
import { ProcessGone, patienceMs, until } from "../rig/wait.ts";
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

export type HttpAnswer = {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly text: string;
};

const listening = z.looseObject({
  event: z.literal("gateway.listening"),
  http: z.string(),
  mqttPort: z.int(),
});
const logged = z.looseObject({
  event: z.string(),
  error: z.looseObject({ code: z.string() }).optional(),
});
const answerMsMax = 60_000;

export class Validator {
  readonly name: string;
  readonly dir: string;
  /** What it logged as errors or worse, over all its processes: `EVENT CODE`, or the whole line. */
  readonly errors: string[] = [];
  /** How often a supervisor started it again, see `supervised`. */
  restarts = 0;
  /** What it may say at its end for a supervisor to start it again; nothing in most scenarios. */
  supervised: RegExp | undefined;
  #endedByItself: string | undefined;
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
    process.gone.then(
      () => this.#gone(process),
      () => undefined,
    );
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
    if (this.#endedByItself !== undefined)
      throw new ProcessGone(`${this.name} ended by itself\n${this.#endedByItself}`);
  }

  async status(): Promise<ValidatorStatus> {
    const { status, text } = await this.get("/status.json");
    if (status !== 200) throw new Error(`${this.name} answers ${status}: ${text}`);
    return statusSchema.parse(JSON.parse(text));
  }

  /**
   * Asks over HTTP, again where the connection broke: one that was kept may have been closed meanwhile.
   *
   * @throws ProcessGone where nobody ended the process.
   */
  async get(path: string): Promise<HttpAnswer> {
    return until(
      () => `an answer of ${this.name} to ${path}`,
      patienceMs,
      async () => {
        this.requireAlive();
        const signal = AbortSignal.timeout(answerMsMax);
        const answer = await fetch(`${this.#http}${path}`, { signal });
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return { status: answer.status, bytes, text: new TextDecoder().decode(bytes) };
      },
      100,
    );
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  /** As its unit says: `Restart=on-failure`. */
  #gone(process: RigProcess): void {
    if (process.wasEnded || process !== this.#process) return;
    if (this.supervised?.test(process.tail) !== true) {
      this.#endedByItself = process.tail;
      return;
    }
    this.restarts++;
    this.start().catch((error: unknown) => {
      this.#endedByItself = String(error);
    });
  }

  #note(line: string): void {
    if (!/"level":"(?:error|fatal)"/.test(line)) return;
    const parsed = logged.safeParse(JSON.parse(line));
    const { event, error } = parsed.data ?? {};
    this.errors.push(event === undefined ? line : [event, error?.code ?? ""].join(" ").trim());
  }
}
