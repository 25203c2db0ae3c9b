/** The systemd units: what STYLE asks of each, systemd's own judgement, and a daemon that does its part. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const units = ["gateway/tamga-gateway.service", "agent/tamga-agent.service"]
  .map((path) => join(root, path))
  .filter((path) => existsSync(path));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-units-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(units.map((path) => [basename(path), readFileSync(path, "utf8")]))(
  "%s",
  (name, text) => {
    test("has what every daemon of ours has, in words that systemd understands", () => {
      const keys = new Map(
        [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map((match) => [match[1], match[2]]),
      );
      expect(Object.fromEntries(keys)).toMatchObject({
        Type: "notify",
        NotifyAccess: "all",
        DynamicUser: "yes",
        ProtectSystem: "strict",
        NoNewPrivileges: "yes",
        // Keys, and the PIN of a token, are in a daemon's memory.
        LimitCORE: "0",
        Restart: "on-failure",
        RestartPreventExitStatus: "64 78",
        StateDirectory: name.replace(".service", ""),
      });
      for (const key of ["WatchdogSec", "DeviceAllow", "TimeoutStopSec"])
        expect(keys.get(key), key).toMatch(/./);
      // Commented out where a file that is not there would keep the daemon from starting.
      expect(text).toMatch(/^#?LoadCredential=/m);
      // V8 compiles at run time: with this key Node dies at its first line.
      expect(keys.has("MemoryDenyWriteExecute")).toBe(false);
      expect(Number(keys.get("TimeoutStopSec"))).toBeGreaterThan(10);
      expect(complaintsOfSystemd(name, text)).toEqual([]);
    });
  },
);

describe("tamga-gateway under systemd", () => {
  test("says ready, feeds the watchdog, and ends in order at SIGTERM", async () => {
    // Stands in for systemd-notify(1), which would speak to a manager that is not here.
    const said = join(directory, "said");
    writeFileSync(join(directory, "systemd-notify"), `#!/bin/sh\necho "$1" >> '${said}'\n`, {
      mode: 0o755,
    });
    const data = join(directory, "site");
    const config = join(directory, "gateway.toml");
    const free = 'host = "127.0.0.1"\nport = 0';
    writeFileSync(config, `data_dir = "${data}"\n[mqtt]\n${free}\n[http]\n${free}\n`);
    const main = join(root, "gateway/src/main.ts");
    const daemon = spawn(process.execPath, [main, "--config", config, "run"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: `${directory}:${process.env["PATH"]}`,
        NOTIFY_SOCKET: join(directory, "no-socket"),
        WATCHDOG_USEC: "100000",
      },
    });
    const exited = once(daemon, "exit");
    try {
      const lines = createInterface({ input: daemon.stderr });
      for await (const line of lines) if (line.includes("gateway.listening")) break;
      await expect.poll(() => timesSaid(said, "WATCHDOG=1")).toBeGreaterThan(1);
      expect(timesSaid(said, "READY=1")).toBe(1);
      daemon.kill("SIGTERM");
      expect(await exited).toEqual([0, null]);
      expect(timesSaid(said, "STOPPING=1")).toBe(1);
    } finally {
      daemon.kill("SIGKILL");
      await exited;
    }
  });
});

/** Lines of `systemd-analyze verify` about the unit; where systemd is not, the keys above are all. */
function complaintsOfSystemd(name: string, text: string): readonly string[] {
  const copy = join(directory, name);
  writeFileSync(copy, text.replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`));
  const judged = spawnSync("systemd-analyze", ["verify", copy], { encoding: "utf8" });
  if (judged.error !== undefined) {
    process.stderr.write(`tamga: no systemd-analyze here: ${name} was not judged by systemd\n`);
    return [];
  }
  return judged.stderr.split("\n").filter((line) => line.includes(name));
}

function timesSaid(file: string, state: string): number {
  if (!existsSync(file)) return 0;
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line === state).length;
}
