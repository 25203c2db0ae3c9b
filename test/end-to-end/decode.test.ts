/** `tamga-agent decode` as a process: files, standard input, live lines, and its exit statuses. */

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

const root = new URL("../../", import.meta.url).pathname;
const corpus = `${root}test/corpus/dsmr-p1/`;
const socatMissing = spawnSync("socat", ["-V"]).status !== 0;
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tamga-decode-"));
});
afterAll(() => rm(folder, { recursive: true }));

function decode(args: readonly string[], input?: Uint8Array | string) {
  const run = spawnSync(process.execPath, [`${root}agent/src/main.ts`, "decode", ...args], {
    input: input ?? "",
    encoding: "utf8",
  });
  const lines = run.stdout.split("\n").filter((line) => line !== "");
  return {
    status: run.status,
    lines,
    stdout: run.stdout,
    stderr: run.stderr.trimEnd().split("\n"),
  };
}

describe("a file", () => {
  test("one line of JSON a telegram, fields in order, the summary last on stderr", () => {
    const path = `${corpus}toreamun__amshan/EXAMPLE_DATA_C.txt`;
    const { status, lines, stderr } = decode(["--protocol", "dsmr-p1", "--json", path]);
    expect(status).toBe(0);
    expect(lines.length).toBe(1);
    const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
    expect(lines[0]).toContain(
      '{"protocol":"dsmr-p1","source":{"id":"\\\\253833635_A","maker":"ELL"},' +
        `"captureTime":"2020-10-20T08:52:22+01:00","frameDigest":"${digest}",` +
        '"frameStatus":{"checksum":"ok","decrypted":false,"authenticated":false},' +
        '"registers":[{"obis":"1-0:1.8.0*255","value":"1605.055","unit":"kWh"},',
    );
    expect(lines[0]).toMatch(/"value":"10\.2","unit":"A"\}\],"tags":\[\]\}$/);
    expect(stderr).toEqual(['{"frames":1,"rejected":{},"discardedBytes":0}']);
  });

  test("hexadecimal text on standard input, no protocol given", () => {
    const hex = Buffer.from("x\r\nLA 982 000001088420\r\n")
      .toString("hex")
      .replace(/(....)/g, "$1 \n");
    const { status, lines, stderr } = decode(["--hex", "--json", "-"], hex);
    expect(status).toBe(0);
    expect(lines[0]).toContain(
      '"registers":[],"tags":[{"scheme":"iso11784","hex":"8000F58000109BA4",' +
        '"uri":"urn:x-tamga:iso11784:982000001088420"}]}',
    );
    expect(stderr.at(-1)).toBe('{"frames":1,"rejected":{},"discardedBytes":3}');
  });

  test("all captures in a row: each valid one once, each refusal counted by its code", () => {
    const all = globSync(`${corpus}*/*.txt`).filter((path) => !path.endsWith("asserts.txt"));
    const bytes = Buffer.concat(all.map((path) => readFileSync(path)));
    const { status, lines, stderr } = decode(["--json", "-"], bytes);
    expect(status).toBe(0);
    expect(lines.length).toBe(24);
    const summary = z.object({ frames: z.number(), rejected: z.record(z.string(), z.number()) });
    expect(summary.parse(JSON.parse(stderr.at(-1) ?? ""))).toEqual({
      frames: 24,
      rejected: { P1_BAD_CHECKSUM: 10, P1_CHECKSUM_MISSING: 1 },
    });
  });

  test("a block for people", () => {
    const path = `${corpus}ndokter__dsmr_parser/TELEGRAM_UNPADDED_CRC.txt`;
    const { stdout } = decode([path]);
    expect(stdout).toMatch(/^dsmr-p1 {2}NWA ADC\w+ {2}2026-02-15T20:05:23\+01:00 {2}checksum ok\n/);
    expect(stdout).toContain("  0-1:24.2.1*255   240.860 GJ  at 2026-02-15T20:05:23+01:00\n");
  });
});

test.each([
  ["nothing valid", ["-"], 1],
  ["an empty command", [], 64],
  ["a file and a link", ["-", "--link", "tcp:localhost:1"], 64],
  ["an unknown protocol", ["--protocol", "x", "-"], 64],
  ["an unknown option", ["--colour", "-"], 64],
  ["a link of no kind", ["--link", "usb:1"], 64],
  ["a key that is none", ["--key", "xyz", "-"], 64],
  ["text that is no hex", ["--hex", "-"], 64],
  ["a missing file", ["/nonexistent/capture"], 74],
  ["a missing port", ["--link", "serial:/nonexistent/tty"], 74],
])("exit status of %s", (_, args, status) => {
  expect(decode(args, "no hex, no frame").status).toBe(status);
});

test("a key that the protocol has no use for is no error", () => {
  const key = "00112233445566778899AABBCCDDEEFF";
  const args = ["--key", key, "--auth-key", key, "--protocol", "iso11784-stick", "-"];
  expect(decode(args, "982000001088420\n").status).toBe(0);
});

describe("a live line", () => {
  /** Starts the emulated meter; its first line of output says where. */
  async function emulate(
    args: readonly string[],
  ): Promise<{ child: ChildProcess; address: string }> {
    const child = spawn(process.execPath, [`${root}firmware-stubs/src/main.ts`, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const { address } = z.object({ address: z.string() }).parse(JSON.parse(String(line)));
    return { child, address };
  }

  async function readLive(address: string, count: number) {
    const args = [`${root}agent/src/main.ts`, "decode", "--json", "--link", address];
    const agent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const complaints: string[] = [];
    agent.stderr.on("data", (chunk: Buffer) => complaints.push(chunk.toString()));
    const exited = once(agent, "exit");
    const frame = z.object({ frameDigest: z.string() });
    const digests: string[] = [];
    for await (const line of createInterface({ input: agent.stdout })) {
      digests.push(frame.parse(JSON.parse(line)).frameDigest);
      if (digests.length === count) agent.kill("SIGINT");
    }
    const [status] = await exited;
    return { digests, status, summary: complaints.join("").trimEnd().split("\n").at(-1) };
  }

  async function checkLine(lineArgs: readonly string[]) {
    const wireLog = join(folder, `wire-${lineArgs.length}.log`);
    const { child, address } = await emulate([
      ...["p1-meter", "--rate", "400", "--count", "300", "--hold", "--wire-log", wireLog],
      ...lineArgs,
    ]);
    try {
      const { digests, status, summary } = await readLive(address, 200);
      expect(status).toBe(0);
      const onWire = async () => {
        const logged = (await readFile(wireLog, "utf8")).trimEnd().split("\n");
        return logged.map((line) => line.split(" ")[1] ?? "");
      };
      // The log may be a write behind the line.
      await expect.poll(onWire).toContain(digests.at(-1));
      const all = await onWire();
      // A serial port drops what came before it was set up; from then on nothing is missing.
      const start = all.indexOf(digests[0] ?? "");
      expect(digests).toEqual(all.slice(start, start + digests.length));
      expect(digests.length).toBeGreaterThanOrEqual(200);
      return { start, summary, count: digests.length };
    } finally {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    }
  }

  test("over TCP: every telegram of the wire log, then SIGINT gives the summary", async () => {
    const { start, summary, count } = await checkLine([]);
    expect(start).toBe(0);
    expect(summary).toBe(`{"frames":${count},"rejected":{},"discardedBytes":0}`);
  });

  test.skipIf(socatMissing)("over a serial port", async () => {
    const { start, summary, count } = await checkLine(["--pty", join(folder, "meter")]);
    expect(start).toBeGreaterThanOrEqual(0);
    expect(summary).toContain(`{"frames":${count},`);
  });
});
