/** A process of the site: its lines are followed, and it is ended by its own id. */

import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";

export type ChildOptions = {
  readonly name: string;
  /** Script and arguments, for this very Node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
  /** Lines of the child's log (stderr). */
  readonly onLog?: (line: string) => void;
};

export class Child {
  readonly name: string;
  readonly exited: Promise<number>;
  readonly #process: ChildProcessByStdio<null, Readable, Readable>;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#process = spawn(process.execPath, options.args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      // Of its own group: Ctrl-C reaches the site first, which ends its processes in order.
      detached: true,
    });
    const follow = (stream: Readable, use: ((line: string) => void) | undefined) =>
      createInterface({ input: stream }).on("line", (line) => use?.(line));
    follow(this.#process.stdout, options.onLine);
    follow(this.#process.stderr, options.onLog);
    this.exited = new Promise((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("exit", (code) => resolve(code ?? 70));
    });
  }

  /** SIGTERM, and SIGKILL after ten seconds. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.exited.finally(() => clearTimeout(timer));
  }
}

/** Runs a command to its end. Throws OperationalError SITE_STEP_FAILED with what it said. */
export async function runToEnd(options: Omit<ChildOptions, "onLine" | "onLog">): Promise<string> {
  const out: string[] = [];
  const log: string[] = [];
  const child = new Child({
    ...options,
    onLine: (line) => out.push(line),
    onLog: (line) => log.push(line),
  });
  const code = await child.exited;
  if (code === 0) return out.join("\n");
  const sentence = `${options.name} failed: ${log.slice(-3).join(" ")}`;
  throw new OperationalError("SITE_STEP_FAILED", sentence, { details: { exitCode: code } });
}
