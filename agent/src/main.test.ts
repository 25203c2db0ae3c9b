import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import { afterEach, describe, expect, test, vi } from "vitest";
import { answerRequest } from "../../test/support/answer-request.ts";
import { EnrolledDevice } from "../../test/support/enrolled-device.ts";
import { ScriptedGateway } from "../../test/support/scripted-gateway.ts";
import { soon } from "../../test/support/soon.ts";
import { SyntheticChannel } from "../../test/support/synthetic-channel.ts";
import { loadAgentConfig } from "./config.ts";
import { checkOutboxCovers } from "./outbox/coverage.ts";

const main = new URL("./main.ts", import.meta.url).pathname;
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(...parameters: readonly string[]) {
  const child = spawn(process.execPath, [main, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += String(chunk);
  });
  const ended = once(child, "close").then(([code]) => ({ code: Number(code), ...output }));
  return { child, output, ended };
}

const agent = (...parameters: readonly string[]) => start(...parameters).ended;
function freshDir(): string {
  const directory = mkdtempSync(join(tmpdir(), "tamga-agent-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  return directory;
}

function enrolled(): EnrolledDevice {
  const device = new EnrolledDevice();
  cleanups.push(() => device.remove());
  return device;
}

/** A line of an ISO 11784 stick, again and again, to whoever connects. */
async function stickReader(everyMs: number) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const timer = setInterval(() => socket.write("LA 999 000000000001\r\n"), everyMs);
    socket.on("close", () => clearInterval(timer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `tcp://127.0.0.1:${address.port}`;
}

describe("enrol", () => {
  test("by files: keys of its own, certificates, trust, and a configuration that loads", async () => {
    const dataDir = freshDir();
    const request = join(dataDir, "request.json");
    const made = await agent("enrol", "--data", dataDir, "--device", "box-1", "--out", request);
    expect(made).toMatchObject({ code: 0 });
    for (const key of ["signing.key", "tls.key"])
      expect(statSync(join(dataDir, key)).mode & 0o777).toBe(0o600);
    const site = new SyntheticChannel();
    const answer = join(dataDir, "answer.json");
    writeFileSync(answer, answerRequest(site, readFileSync(request, "utf8"), ["mqtts://gw:1"]));

    const wrong = await agent(
      ...["enrol", "--data", dataDir, "--answer", answer, "--trust-digest", "00".repeat(32)],
    );
    expect(wrong.code).toBe(69);
    expect(wrong.stderr).toContain("ENROLMENT_TRUST_MISMATCH");
    expect(existsSync(join(dataDir, "device.json"))).toBe(false);

    const digest = groupedHex(trustPolicyDigest(nodeCrypto.sha256, site.policy));
    const taken = await agent(
      ...["enrol", "--data", dataDir, "--answer", answer, "--trust-digest", digest],
    );
    expect(taken).toMatchObject({ code: 0 });
    const config = loadAgentConfig(join(dataDir, "agent.toml"));
    expect([config.device, config.channel]).toEqual(["box-1", site.policy.channel]);

    // The same keys again, whoever asks twice; and a site's answer to another key is none to this.
    const again = await agent("enrol", "--data", dataDir, "--device", "box-1", "--out", "-");
    expect(JSON.parse(again.stdout)).toMatchObject({ device: "box-1", keyKind: "file" });
    const other = freshDir();
    const foreign = await agent("enrol", "--data", other, "--device", "box-1", "--out", "-");
    writeFileSync(answer, answerRequest(site, foreign.stdout, ["mqtts://gw:1"]));
    const refused = await agent("enrol", "--data", dataDir, "--answer", answer);
    expect(refused.code).toBe(69);
    expect(refused.stderr).toContain("ENROLMENT_ANSWER_BAD");
  });

  test("a file that holds no certificate is named, with what makes one of DER", async () => {
    const dataDir = freshDir();
    const file = join(dataDir, "ek.crt");
    writeFileSync(file, Uint8Array.of(0x30, 0x82, 0x01, 0x00));
    const refused = await agent(
      ...["enrol", "--data", dataDir, "--device", "box-1", "--out", "-"],
      ...["--tpm-certificates", file],
    );
    expect(refused).toMatchObject({ code: 69, stdout: "" });
    expect(refused.stderr).toContain(
      `openssl x509 -inform der -in ${file} [TPM_CERTIFICATE_INVALID]`,
    );
  });

  test("over HTTP: asks, waits for the approval, takes it", async () => {
    const site = new SyntheticChannel();
    let request = "";
    let looked = 0;
    const server = createHttpServer((incoming, response) => {
      if (incoming.method === "POST") {
        incoming.on("data", (chunk) => {
          request += String(chunk);
        });
        incoming.on("end", () => response.writeHead(202).end("{}"));
      } else if (++looked === 1) response.writeHead(202).end("{}");
      else response.writeHead(200).end(answerRequest(site, request, ["mqtts://gw:1"]));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("not listening");
    const dataDir = freshDir();
    const url = `http://127.0.0.1:${address.port}`;
    const done = await agent("enrol", "--data", dataDir, "--device", "box-1", "--gateway", url);
    expect(done).toMatchObject({ code: 0 });
    expect(looked).toBe(2);
    expect(readFileSync(join(dataDir, "device.json"), "utf8")).toContain("mqtts://gw:1");
  });

  test("over a network it wants the digest of the trust policy first", async () => {
    const parameters = ["--data", freshDir(), "--device", "box-1"];
    const refused = await agent("enrol", ...parameters, "--gateway", "http://192.0.2.1:80");
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain("--trust-digest");
  });

  test("with the profile production a key in a file is refused", async () => {
    const parameters = ["--data", freshDir(), "--device", "box-1", "--out", "-"];
    const refused = await agent("enrol", ...parameters, "--profile", "production");
    expect(refused.stderr).toContain("KEY_FILE_IN_PRODUCTION");
    expect(refused.code).toBe(78);
  });
});

describe("run", () => {
  test("delivers, tells what it does, and ends on SIGTERM with nothing left in the journal", async () => {
    const device = enrolled();
    const gateway = await ScriptedGateway.listen(device.server());
    cleanups.push(() => gateway.close());
    gateway.answer = (haves) => ({ all: false, want: haves.flatMap(({ pending }) => pending) });
    configure(device, gateway.port, await stickReader(20));
    const running = start("run", "--data", device.dataDir, "--events");
    await vi.waitFor(() => expect(running.output.stdout).toContain('"event":"read"'), soon);
    await vi.waitFor(() => expect(gateway.statements().length).toBeGreaterThan(0), soon);

    const shown = await agent("status", "--data", device.dataDir, "--json");
    expect(JSON.parse(shown.stdout)).toMatchObject({
      device: device.address.device,
      key: { kind: "file" },
      streams: [{ name: "stick", emulated: true, link: { phase: "up" } }],
      uplink: { phase: "sending", datesChecked: true },
    });
    const words = await agent("status", "--data", device.dataDir);
    expect(words.stdout).toContain("The signing key is a file");
    const http = readFileSync(join(device.dataDir, "http.address"), "utf8").trim();
    const metrics = await (await fetch(`${http}/metrics`)).text();
    expect(metrics).toContain('tamga_agent_readings_total{stream="stick"}');
    expect(await (await fetch(http)).text()).not.toContain("<script");

    const second = await agent("run", "--data", device.dataDir);
    expect(second.stderr).toContain("DATA_DIR_IN_USE");

    running.child.kill("SIGTERM");
    const { code, stderr } = await running.ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const database = openDatabase(join(device.dataDir, "outbox.db"), { readonly: true });
    const covered = checkOutboxCovers(database);
    database.close();
    if (!covered.ok) throw new Error(covered.fault.code);
    expect(covered.value.inJournal).toBe(0);
    expect(covered.value.inStatements).toBe(covered.value.sequences);
    expect(covered.value.sequences).toBeGreaterThan(1);
  });

  test("is refused with a status that systemd understands", async () => {
    const dataDir = freshDir();
    const missing = await agent("run", "--data", dataDir);
    expect(missing.code).toBe(78);
    writeFileSync(join(dataDir, "agent.toml"), 'device = "box-1"\nchannel = "c"\n');
    const stranger = await agent("run", "--data", dataDir);
    expect(stranger).toMatchObject({ code: 69 });
    expect(stranger.stderr).toContain("tamga-agent enrol");
    const device = enrolled();
    configure(device, 1, "tcp://127.0.0.1:1");
    appendFileSync(join(device.dataDir, "agent.toml"), '[bundle]\nmax_count = "many"\n');
    expect((await agent("run", "--data", device.dataDir)).code).toBe(78);
    expect((await agent("walk")).code).toBe(64);
    expect(await agent("--version")).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  });
});

describe("doctor", () => {
  test("finds a healthy device healthy", async () => {
    const device = enrolled();
    const gateway = await ScriptedGateway.listen(device.server());
    cleanups.push(() => gateway.close());
    configure(device, gateway.port, await stickReader(20));
    const found = await agent("doctor", "--data", device.dataDir, "--json");
    const findings = found.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const ofDevice = findings.filter(
      ({ check }) => !/^(tpm|tokens|readers|serial ports)\b/.test(check),
    );
    expect(ofDevice.length).toBeLessThan(findings.length);
    expect(Object.fromEntries(ofDevice.map(({ check, verdict }) => [check, verdict]))).toEqual({
      configuration: "ok",
      clock: expect.stringMatching(/ok|warn/),
      disk: expect.stringMatching(/ok|warn/),
      outbox: "ok",
      key: "warn",
      certificates: "ok",
      trust: "ok",
      [`gateway mqtts://localhost:${gateway.port}`]: "ok",
      "stream stick": "ok",
    });
    expect(found.code).toBe(0);
  });

  test("says what is wrong, and fails", async () => {
    const device = enrolled();
    configure(device, 1, "tcp://127.0.0.1:1");
    const found = await agent("doctor", "--data", device.dataDir, "--seconds", "1");
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(/^fail {2}gateway mqtts:\/\/localhost:1: .*UPLINK_UNREACHABLE/m);
    expect(found.stdout).toMatch(/^fail {2}stream stick: .*LINK_REFUSED/m);
    const none = await agent("doctor", "--data", freshDir());
    expect(none.code).toBe(1);
    expect(none.stdout).toContain("CONFIG_UNREADABLE");
  });
});

function configure(device: EnrolledDevice, port: number, link: string): void {
  const { channel, device: name } = device.address;
  writeFileSync(
    join(device.dataDir, "agent.toml"),
    `device = "${name}"
channel = "${channel}"
[[stream]]
name = "stick"
link = "${link}"
protocol = "iso11784-stick"
emulated = true
max_age = "100ms"
[uplink]
gateways = ["mqtts://localhost:${port}"]
[http]
port = 0
`,
  );
}
