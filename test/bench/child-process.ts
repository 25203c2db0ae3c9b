/** Child processes of a bench: started, talked to by lines, looked at in /proc, and ended by their own pid. */

import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { present } from "@tamga/ledger-core/base/assert";

const stderrCharactersKept = 8_192;
const stopMsMax = 20_000;
const bytesPerKibibyte = 1_024;
/** USER_HZ, which Linux fixes for what it shows in /proc. */
const ticksPerSecond = 100;

export class BenchChild {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #listeners = new Set<() => void>();
  readonly #lines: string[] = [];
  #stderr = "";
  #ended = false;

  constructor(
    command: string,
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ) {
    this.#child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.setEncoding("utf8");
    let rest = "";
    this.#child.stdout.on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#wake();
    });
    this.#child.stderr.on("data", (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-stderrCharactersKept);
      this.#wake();
    });
    // Without a listener a command that is not there would end this process.
    this.#child.on("error", () => this.#end());
    this.#child.on("exit", () => this.#end());
    this.#child.stdin.on("error", () => undefined);
  }

  get pid(): number {
    return present(this.#child.pid, "pid of a child process");
  }

  /** What it last said on standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** @returns its exit code; 1 where a signal ended it. */
  async ended(): Promise<number> {
    await this.until(() => (this.#ended ? true : undefined));
    return this.#child.exitCode ?? 1;
  }

  writeLine(text: string): void {
    this.#child.stdin.write(`${text}\n`);
  }

  /** Waits for a line of standard output; rejects where the process ends without it. */
  async line(found: (line: string) => boolean, timeoutMs: number): Promise<string> {
    return this.until((lines) => lines.find(found), timeoutMs);
  }

  /** Waits until `look` finds something; it is asked again after each output, and at the end. */
  until<T>(look: (lines: readonly string[]) => T | undefined, timeoutMs = 600_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#listeners.delete(listen);
        clearTimeout(timer);
      };
      const listen = () => {
        const value = look(this.#lines);
        if (value === undefined && !this.#ended) return;
        stop();
        if (value === undefined) reject(new Error(`a process ended early:\n${this.#stderr}`));
        else resolve(value);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`a process took longer than ${timeoutMs} ms:\n${this.#stderr}`));
      }, timeoutMs);
      this.#listeners.add(listen);
      listen();
    });
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (this.#ended) return;
    const ended = once(this.#child, "exit", { signal: AbortSignal.timeout(stopMsMax) });
    this.#child.kill(signal);
    await ended;
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const listen of [...this.#listeners]) listen();
  }
}

/** CPU seconds of a process, all threads, user and system. */
export function cpuSecondsOfProcess(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident bytes now, and the most that there were. */
export function residentBytes(pid: number): { readonly now: number; readonly peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * bytesPerKibibyte;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}
