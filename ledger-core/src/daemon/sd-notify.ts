/**
 * Tells systemd that the daemon is ready, alive or stopping (sd_notify(3)). Node opens no datagram
 * socket in the file system, so `systemd-notify` does it; since that is another process, the unit
 * needs `NotifyAccess=all` beside `Type=notify`.
 */

import { execFile } from "node:child_process";
import type { Logger } from "./logger.ts";
import type { Clock } from "./system-clock.ts";

/** What systemd hands over; undefined where it is not our parent. */
export type NotifyEnvironment = {
  readonly socket: string | undefined;
  /** Milliseconds of the unit's `WatchdogSec=`. */
  readonly watchdogMs: number | undefined;
};

/** The one reading of `NOTIFY_SOCKET` and `WATCHDOG_USEC`. */
export function notifyEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): NotifyEnvironment {
  const microseconds = Number(environment["WATCHDOG_USEC"]);
  const pid = environment["WATCHDOG_PID"];
  const ours = pid === undefined || Number(pid) === process.pid;
  return {
    socket: environment["NOTIFY_SOCKET"] || undefined,
    watchdogMs: ours && microseconds >= 1_000 ? Math.floor(microseconds / 1_000) : undefined,
  };
}

export class SdNotify {
  readonly #environment: NotifyEnvironment;
  readonly #logger: Logger;
  readonly #command: string;

  /** @param command the program, for a system that keeps it elsewhere. */
  constructor(environment: NotifyEnvironment, logger: Logger, command = "systemd-notify") {
    this.#environment = environment;
    this.#logger = logger;
    this.#command = command;
  }

  ready(): Promise<void> {
    return this.#send("READY=1");
  }

  stopping(): Promise<void> {
    return this.#send("STOPPING=1");
  }

  /**
   * Pings the watchdog at half its interval for as long as `alive` says so; returns when the signal
   * aborts, and at once where systemd watches nothing.
   */
  async watch(
    clock: Clock,
    alive: () => boolean,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const { socket, watchdogMs } = this.#environment;
    if (socket === undefined || watchdogMs === undefined) return;
    while (!signal.aborted) {
      if (alive()) await this.#send("WATCHDOG=1");
      else this.#logger.error({ event: "watchdog.withheld" }, "not alive, watchdog not fed");
      await clock.sleep(watchdogMs / 2, { signal }).catch(() => undefined);
    }
  }

  /** Never rejects: to be unheard by systemd is systemd's to act on. */
  #send(state: "READY=1" | "STOPPING=1" | "WATCHDOG=1"): Promise<void> {
    const { socket } = this.#environment;
    if (socket === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const options = {
        env: { NOTIFY_SOCKET: socket, PATH: process.env["PATH"] },
        timeout: answerMsMax,
      };
      execFile(this.#command, [state], options, (error) => {
        if (error !== null)
          this.#logger.warn({ event: "systemd.unheard", state, error }, "systemd-notify failed");
        resolve();
      });
    });
  }
}

/**
 * The command waits until systemd has taken the message, since systemd asks whose it was; a daemon
 * that stops cannot wait long.
 */
const answerMsMax = 2_000;
