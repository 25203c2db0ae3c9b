import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createLogger, silentLogger } from "./logger.ts";
import { ManualClock } from "./manual-clock.ts";
import { notifyEnvironment, SdNotify } from "./sd-notify.ts";
import { deadline, SystemClock } from "./system-clock.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-notify-"));
afterAll(() => rmSync(directory, { recursive: true }));

const missing = ["systemd-notify", "socat"].filter(
  (program) => spawnSync("which", [program]).status !== 0,
);
const inCi = process.env["CI"] !== undefined;
if (missing.length > 0) process.stderr.write(`sd-notify: skipped, missing ${missing.join(", ")}\n`);

describe("notifyEnvironment", () => {
  it("reads socket and watchdog, and leaves another process's watchdog alone", () => {
    expect(notifyEnvironment({})).toEqual({ socket: undefined, watchdogMs: undefined });
    const both = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "30000000" };
    expect(notifyEnvironment(both)).toEqual({ socket: "/run/x", watchdogMs: 30_000 });
    expect(notifyEnvironment({ ...both, WATCHDOG_PID: "1" }).watchdogMs).toBeUndefined();
    expect(notifyEnvironment({ ...both, WATCHDOG_PID: `${process.pid}` }).watchdogMs).toBe(30_000);
    expect(notifyEnvironment({ WATCHDOG_USEC: "nonsense" }).watchdogMs).toBeUndefined();
  });
});

describe("SdNotify", () => {
  it("does nothing where systemd is not our parent", async () => {
    const environment = { socket: undefined, watchdogMs: 10 };
    const notify = new SdNotify(environment, silentLogger, "/nonexistent");
    await notify.ready();
    await notify.stopping();
    const clock = new ManualClock();
    await notify.watch(clock, () => true, { signal: new AbortController().signal });
    expect(clock.sleeperCount).toBe(0);
  });

  it("says in the log that it was not heard, and goes on", async () => {
    const lines: unknown[] = [];
    const sink = { write: (line: string) => lines.push(JSON.parse(line)) };
    const logger = createLogger({ daemon: "test", level: "warn", sink });
    const environment = { socket: "/nonexistent", watchdogMs: undefined };
    await new SdNotify(environment, logger, "/nonexistent").ready();
    expect(lines).toMatchObject([{ event: "systemd.unheard", state: "READY=1" }]);
  });

  it.skipIf(missing.length > 0 && !inCi)("reaches a real socket", async () => {
    const socket = join(directory, "notify");
    const receiver = spawn("socat", ["-u", `UNIX-RECV:${socket}`, "-"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const signal = deadline(60_000);
      const clock = new SystemClock();
      while (!existsSync(socket)) await clock.sleep(5, { signal });
      let text = "";
      receiver.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      // Unlike systemd, socat keeps the descriptor by whose closing the command sees it was heard.
      const command = join(directory, "systemd-notify");
      writeFileSync(command, '#!/bin/sh\nexec systemd-notify --no-block "$@"\n', { mode: 0o755 });
      const notify = new SdNotify({ socket, watchdogMs: 20 }, silentLogger, command);
      await notify.ready();
      const stop = new AbortController();
      let beats = 0;
      const alive = () => {
        if (++beats === 3) stop.abort();
        return beats !== 2;
      };
      await notify.watch(clock, alive, { signal: stop.signal });
      await notify.stopping();
      while (!text.includes("STOPPING=1")) await clock.sleep(5, { signal });
      expect(text.match(/READY=1|WATCHDOG=1|STOPPING=1/g)).toEqual([
        "READY=1",
        "WATCHDOG=1",
        "WATCHDOG=1",
        "STOPPING=1",
      ]);
    } finally {
      receiver.kill();
      await once(receiver, "exit");
    }
  });
});
