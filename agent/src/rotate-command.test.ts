/** What `tamga-agent rotate-key` refuses, and what it leaves for the agent. */

import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { beforeEach, expect, test } from "vitest";
import { EnrolledDevice } from "../../test/support/enrolled-device.ts";
import { readNextKey, writeRotation } from "./rotation/rotation-file.ts";

const program = fileURLToPath(new URL("./main.ts", import.meta.url));
const run = promisify(execFile);
let device: EnrolledDevice;
let first: string;
let second: string;

beforeEach(() => {
  device = new EnrolledDevice();
  const { dataDir, address } = device;
  first = `file:${join(dataDir, "signing.key")}`;
  second = `file:${join(dataDir, "b.key")}`;
  const config = `device = "${address.device}"\nchannel = "${address.channel}"\n`;
  writeFileSync(join(dataDir, "agent.toml"), config);
  return () => device.remove();
});

const rotate = (...more: readonly string[]) =>
  run(process.execPath, [program, "rotate-key", "--data", device.dataDir, ...more]);

function proving(): void {
  const kid = new Uint8Array(32);
  const chain = [new Uint8Array(3)];
  const kids = { from: first, fromKid: kid, toKid: kid };
  const step = {
    phase: "proving",
    ...kids,
    signing: chain,
    tls: chain,
    oldSigning: chain,
  } as const;
  const record = { key: second, earlier: [first], step: { ...step, after: 0 } };
  writeRotation(device.dataDir, record);
}

test("makes the key once, and leaves the wish", async () => {
  const said = await rotate("--to", second);
  expect(said.stderr).toMatch(/the next key is [0-9a-f]{64}\n/);
  expect(readNextKey(device.dataDir)).toMatchObject({ to: second });
  const key = readFileSync(join(device.dataDir, "b.key"));
  expect((await rotate("--to", second)).stderr).toBe(said.stderr);
  expect(readFileSync(join(device.dataDir, "b.key"))).toEqual(key);
  await rotate("--cancel");
  expect(readNextKey(device.dataDir)).toMatchObject({ cancel: true });
});

test.each([
  ["ROTATION_SAME_KEY", () => ["--to", first], exitCodes.unavailable],
  ["USAGE_ROTATE", () => [], exitCodes.usage],
  ["ROTATION_NOT_UNDER_WAY", () => ["--back"], exitCodes.unavailable],
  ["KEY_URI_SCHEME_UNKNOWN", () => ["--to", "b.key"], exitCodes.config],
  ["KEY_ALGORITHM_REFUSED", () => ["--to", second, "--key-algorithm", "des"], exitCodes.config],
])("%s", async (code, parameters, exit) => {
  const failed = await rotate(...parameters()).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: exit, stderr: expect.stringContaining(code) });
  expect(existsSync(join(device.dataDir, "next-key.json"))).toBe(false);
});

test("begins nothing before the last key has its receipt, but goes back", async () => {
  proving();
  await expect(rotate("--to", `file:${join(device.dataDir, "c.key")}`)).rejects.toThrow(
    "ROTATION_UNDER_WAY",
  );
  expect(existsSync(join(device.dataDir, "c.key"))).toBe(false);
  await rotate("--back");
  expect(readNextKey(device.dataDir)).toMatchObject({ back: true });
});

test("makes no key file where the profile is for production", async () => {
  const file = join(device.dataDir, "agent.toml");
  writeFileSync(file, `profile = "production"\n${readFileSync(file, "utf8")}`);
  await expect(rotate("--to", second)).rejects.toThrow("KEY_FILE_IN_PRODUCTION");
  expect(existsSync(join(device.dataDir, "b.key"))).toBe(false);
});
