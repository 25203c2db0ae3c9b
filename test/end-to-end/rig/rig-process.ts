/** One real process of the rig: started, followed line by line, and ended by its own id. */

import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

export type RigProcessOptions = {
  readonly name: string;
  /** Script and arguments, for this very Node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Every line of stdout and of stderr. */
  readonly onLine?: (line: string) => void;
};

export type ProcessEnd = { readonly status: number | NodeJS.Signals; readonly ms: number };

const startMsMax = 300_000;
const endMsMax = 60_000;
const linesKept = 40;

/** What still runs when the rig itself ends. */
const running = new Set<ChildProcessByStdio<null, Readable, Readable>>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class RigProcess {
  readonly name: string;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #tail: string[] = [];
  readonly #waiting = new Set<(line: string) => void>();
  readonly #gone: Promise<void>;
  #ended = false;
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(options: RigProcessOptions) {
    this.name = options.name;
    this.#onLine = options.onLine;
    const child = spawn(process.execPath, options.args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    this.#child = child;
    this.#gone = new Promise((resolve) => child.once("close", () => resolve()));
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.#follow(child.stdout);
    this.#follow(child.stderr);
  }

  /** Runs a command to its end. Rejects with its last lines where its status is not 0. */
  static async command(options: RigProcessOptions): Promise<void> {
    const command = new RigProcess(options);
    const [code] = await once(command.#child, "close");
    if (code !== 0) throw new Error(`${options.name} ended with ${code}\n${command.tail}`);
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.name} was not started`);
    return pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** True once the rig itself told it to end. */
  get wasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves when it is gone and all that it wrote was read. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  /** The last lines, for the message of whatever fails. */
  get tail(): string {
    return this.#tail.join("\n");
  }

  /** The first group of the first line that matches, from now on. */
  line(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const take = (line: string) => {
        const found = pattern.exec(line);
        if (found === null) return;
        done();
        resolve(found[1] ?? "");
      };
      const fail = (why: string) => {
        done();
        reject(new Error(`${this.name}: ${why}\n${this.tail}`));
      };
      const limit = AbortSignal.timeout(startMsMax);
      const late = () => fail("said nothing in time");
      const ended = () => fail("ended");
      const done = () => {
        this.#waiting.delete(take);
        limit.removeEventListener("abort", late);
        this.#child.off("exit", ended);
      };
      this.#waiting.add(take);
      limit.addEventListener("abort", late);
      this.#child.once("exit", ended);
    });
  }

  /** Holds it where it is, or lets it go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** @returns once it is gone and all that it wrote was read. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<ProcessEnd> {
    const begin = performance.now();
    this.#ended = true;
    if (this.isRunning) {
      const ended = once(this.#child, "close", { signal: AbortSignal.timeout(endMsMax) });
      this.#child.kill(signal);
      await ended.catch(() => {
        this.#child.kill("SIGKILL");
        throw new Error(`${this.name} did not end on ${signal}\n${this.tail}`);
      });
    }
    const status = this.#child.exitCode ?? this.#child.signalCode ?? 0;
    return { status, ms: performance.now() - begin };
  }

  #follow(stream: Readable): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    });
  }

  #take(line: string): void {
    // One line a reading would push everything else out.
    if (!line.startsWith('{"event":')) {
      this.#tail.push(line);
      if (this.#tail.length > linesKept) this.#tail.shift();
    }
    this.#onLine?.(line);
    for (const waiting of [...this.#waiting]) waiting(line);
  }
}
