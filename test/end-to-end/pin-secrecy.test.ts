/** The PIN of a token goes from its file to the token, and nowhere else that another could read. */

import { execFile, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { present } from "@tamga/ledger-core/base/assert";
import { afterEach, describe, expect, test, vi } from "vitest";
import { requirePart } from "../real-parts.ts";
import { answerRequest } from "../support/answer-request.ts";
import { createSoftHsm } from "../support/softhsm.ts";
import { soon } from "../support/soon.ts";
import { SyntheticChannel } from "../support/synthetic-channel.ts";

const run = promisify(execFile);
const main = new URL("../../agent/src/main.ts", import.meta.url).pathname;
/** Some sandboxes let nobody look into another process, not even root. */
const canDump = requirePart("gdb") && mayTrace();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** All that a process said. */
type Said = { stdout: string; stderr: string };

function start(...parameters: readonly string[]) {
  const child = spawn(process.execPath, [main, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  const said: Said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += String(chunk);
  });
  return { child, said, ended: once(child, "close").then(([code]) => Number(code)) };
}

async function stickReader(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const timer = setInterval(() => socket.write("LA 999 000000012345\r\n"), 20);
    socket.on("close", () => clearInterval(timer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `tcp://127.0.0.1:${address.port}`;
}

/** In which of the places one of the secrets stands, as it is or in a usual dress. */
function leaks(places: ReadonlyMap<string, Buffer>, secrets: readonly string[]): readonly string[] {
  const dresses = secrets.flatMap((secret) => {
    const bytes = Buffer.from(secret);
    const utf16 = Buffer.from(secret, "utf16le");
    return [
      bytes,
      utf16,
      ...[bytes.toString("hex"), inBase64(bytes)].map((text) => Buffer.from(text)),
    ];
  });
  return [...places].flatMap(([name, bytes]) =>
    dresses.some((dress) => bytes.includes(dress)) ? [name] : [],
  );
}

/** Without its last digits, which depend on what stands behind. */
const inBase64 = (bytes: Buffer) => bytes.toString("base64").replace(/.?.?=*$/, "");

function mayTrace(): boolean {
  const script = 'sleep 60 & gcore -o "$0" $! && s=0 || s=1; kill $!; rm -f "$0".*; exit $s';
  const tried = spawnSync("sh", ["-c", script, join(tmpdir(), `tamga-trace-${process.pid}`)]);
  if (tried.status === 0) return true;
  process.stderr.write(
    "*** tamga: SKIPPED ALOUD: no process may be traced here, so no core is made ***\n",
  );
  return false;
}

/** What a debugger, or the kernel at a crash, would write of a process. */
async function coreOf(pid: number, directory: string): Promise<Buffer> {
  const file = join(directory, "core");
  await run("gcore", ["-o", file, String(pid)]);
  renameSync(`${file}.${pid}`, file);
  const core = readFileSync(file);
  expect(core.subarray(1, 4).toString()).toBe("ELF");
  return core;
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

test.runIf(canDump)("a core of a process that nobody guards shows its secrets", async () => {
  const secret = randomBytes(12).toString("hex");
  const directory = mkdtempSync(join(tmpdir(), "tamga-core-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const child = spawn("sleep", ["600"], { env: { ...process.env, SECRET: secret } });
  cleanups.push(() => child.kill("SIGKILL"));
  await once(child, "spawn");
  const core = await coreOf(present(child.pid, "process"), directory);
  expect(leaks(new Map([["core", core]]), [secret])).toEqual(["core"]);
});

describe.runIf(requirePart("softhsm2"))("a PIN", () => {
  test("is found in no log, file, page, argument or environment of an agent that uses it", async () => {
    const pin = `sesame-${randomBytes(12).toString("hex")}`;
    const wrong = `barley-${randomBytes(12).toString("hex")}`;
    const hsm = createSoftHsm({ pin });
    cleanups.push(() => hsm.remove());
    const folder = hsm.addToken("site");
    const dataDir = mkdtempSync(join(tmpdir(), "tamga-pin-"));
    cleanups.push(() => rmSync(dataDir, { recursive: true }));
    const places = new Map<string, Buffer>();
    const note = (name: string, text: string | Buffer) => places.set(name, Buffer.from(text));
    /** @returns its exit status. */
    const ran = async (name: string, ...parameters: readonly string[]) => {
      const { said, ended } = start(...parameters);
      const code = await ended;
      note(`${name}: what it says`, said.stdout + said.stderr);
      return code;
    };

    const [request, answer] = [join(dataDir, "request"), join(dataDir, "answer")];
    const enrol = ["enrol", "--data", dataDir, "--key", hsm.keyUri("site", "box-1")];
    expect(await ran("enrol", ...enrol, "--device", "box-1", "--out", request)).toBe(0);
    const site = new SyntheticChannel();
    writeFileSync(
      answer,
      answerRequest(site, readFileSync(request, "utf8"), ["mqtts://localhost:1"]),
    );
    expect(await ran("answer", ...enrol, "--answer", answer)).toBe(0);
    const config = [
      ...['device = "box-1"', `channel = "${site.policy.channel}"`, 'log_level = "debug"'],
      ...[`key = "${hsm.keyUri("site", "box-1")}"`, 'events = "stdout"', "[http]", "port = 0"],
      ...["[[stream]]", 'name = "stick"', `link = "${await stickReader()}"`, "emulated = true"],
      ...['protocol = "iso11784-stick"', 'max_age = "50ms"'],
    ];
    writeFileSync(join(dataDir, "agent.toml"), `${config.join("\n")}\n`);
    expect(await ran("doctor", "doctor", "--data", dataDir, "--seconds", "1")).toBe(1);

    const { child, said, ended } = start("run", "--data", dataDir);
    const signed = () => said.stdout.split('"event":"signed"').length - 1;
    /** Not of a process that has ended. */
    const until = (isSo: () => boolean) =>
      vi.waitUntil(() => {
        if (child.exitCode !== null) throw new Error(said.stderr);
        return isSo();
      }, soon);
    await until(() => signed() > 2);
    // A token that goes and comes back sees the PIN a second time.
    hsm.takeAway(folder);
    await until(() => said.stderr.includes('"component":"signer"'));
    hsm.bringBack(folder);
    const before = signed();
    await until(() => signed() > before + 2);
    for (const name of ["cmdline", "environ"])
      note(`/proc/PID/${name}`, readFileSync(`/proc/${present(child.pid, "process")}/${name}`));
    // In its memory the PIN is, as a string that nobody can overwrite: no segment of that goes into a core.
    const filter = `/proc/${present(child.pid, "process")}/coredump_filter`;
    expect(readFileSync(filter, "utf8").trim()).toBe("00000000");
    if (canDump) note("core", await coreOf(present(child.pid, "process"), dataDir));
    const address = readFileSync(join(dataDir, "http.address"), "utf8").trim();
    for (const path of ["/", "/status.json", "/metrics"]) {
      const response = await fetch(`${address}${path}`);
      expect(response.status).toBe(200);
      note(path, await response.text());
    }
    expect(await ran("status", "status", "--data", dataDir)).toBe(0);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    note("run: what it says", said.stdout + said.stderr);

    writeFileSync(hsm.pinFile, `${wrong}\n`);
    expect(await ran("run with a wrong PIN", "run", "--data", dataDir)).toBe(78);
    expect(String(places.get("run with a wrong PIN: what it says"))).toContain("PIN_REFUSED");
    expect(
      await ran("doctor with a wrong PIN", "doctor", "--data", dataDir, "--seconds", "1"),
    ).toBe(1);

    rmSync(join(dataDir, "core"), { force: true });
    for (const path of filesBelow(dataDir)) note(path, readFileSync(path));
    expect(places.size).toBeGreaterThan(15);
    expect(leaks(places, [pin, wrong])).toEqual([]);
    // The search finds what there is: the PIN in its file, and dressed up.
    const planted = [`{"pin":"${pin}"}`, Buffer.from(`x${pin}`).toString("hex"), `${btoa(pin)}`];
    const found = leaks(new Map(planted.map((text) => [text, Buffer.from(text)])), [pin]);
    expect(found).toEqual(planted);
    expect(leaks(new Map([["file", readFileSync(hsm.pinFile)]]), [wrong])).toEqual(["file"]);
  });
});
