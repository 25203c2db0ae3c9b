/** Emulated devices on real lines: TCP on loopback, and a pty where socat is installed. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emulate } from "./emulate.ts";
import { EmulatedP1Meter } from "./p1-meter.ts";
import { EmulatedStickReader } from "./stick-reader.ts";
import { lineClientsMax, PtyLine, TcpLine } from "./virtual-line.ts";

const clock = new SystemClock();
const { signal } = new AbortController();
const socatMissing = spawnSync("socat", ["-V"]).status !== 0;
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tamga-emulate-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("a client gets whole telegrams, and the wire log has the digest of each", async () => {
  const wireLog = join(folder, "wire.log");
  const line = new TcpLine();
  await line.listen("127.0.0.1", 0);
  const device = new EmulatedP1Meter({ telegram: "small", seed: 1, firstSequence: 1 });
  const emitted = emulate(
    { device, line, clock },
    { rate: 50_000, count: 3_000, wireLog },
    { signal },
  );
  const socket = connect(Number(new URL(line.address).port), "127.0.0.1");
  const received: Uint8Array[] = [];
  socket.on("data", (chunk) => received.push(new Uint8Array(chunk)));
  const ended = new Promise((resolve) => socket.once("end", resolve));
  expect(await emitted).toBe(3_000);
  await line.close();
  await ended;
  const frames = Buffer.concat(received)
    .toString()
    .split(/(?<=![0-9A-F]{4}\r\n)/);
  const expected = frames.map(
    (frame, index) => `${index + 1} ${createHash("sha256").update(frame).digest("hex")} sent`,
  );
  expect((await readFile(wireLog, "utf8")).trimEnd().split("\n")).toEqual(expected);
  expect(expected.length).toBe(3_000);
});

test("a reader that takes no more is hung up on, and the wire log says so", async () => {
  const wireLog = join(folder, "torn.log");
  const line = new TcpLine();
  await line.listen("127.0.0.1", 0);
  const socket = connect(Number(new URL(line.address).port), "127.0.0.1").pause();
  const bytes = new Uint8Array(64 * 1_048_576);
  const closing: Promise<void>[] = [];
  const device = {
    next: () => {
      setImmediate(() => closing.push(line.close()));
      return { sequence: 1, bytes };
    },
  };
  await emulate({ device, line, clock }, { rate: 1, count: 1, wireLog }, { signal });
  await Promise.all(closing);
  const digest = createHash("sha256").update(bytes).digest("hex");
  expect(await readFile(wireLog, "utf8")).toBe(`1 ${digest} torn\n`);
  socket.destroy();
});

test("a server takes so many clients and no more", async () => {
  const line = new TcpLine();
  await line.listen("127.0.0.1", 0);
  const { port } = new URL(line.address);
  const sockets = Array.from({ length: lineClientsMax }, () => connect(Number(port), "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const refused = connect(Number(port), "127.0.0.1");
  await once(refused, "close");
  await line.close();
  for (const socket of sockets) socket.destroy();
});

test("without a reader nothing is emitted, and stopping ends the wait", async () => {
  const line = new TcpLine();
  await line.listen("127.0.0.1", 0);
  const device = new EmulatedStickReader({
    seed: 1,
    herdSize: 2,
    format: "default",
    firstSequence: 1,
  });
  const stop = new AbortController();
  const running = emulate({ device, line, clock }, { rate: 1_000 }, { signal: stop.signal });
  const reason = new Error("stop");
  stop.abort(reason);
  await expect(running).rejects.toBe(reason);
  expect(device.next().sequence).toBe(1);
  await line.close();
});

test.skipIf(socatMissing)("a pty carries the line as a serial port would", async () => {
  const path = join(folder, "pty");
  const line = await PtyLine.open(path, clock, signal);
  expect(line.address).toBe(`serial:${path}`);
  const reader = await open(path, "r");
  const device = new EmulatedStickReader({
    seed: 1,
    herdSize: 1,
    format: "default",
    firstSequence: 1,
  });
  await emulate({ device, line, clock }, { rate: 1_000, count: 1 }, { signal });
  const { bytesRead, buffer } = await reader.read(Buffer.alloc(64));
  expect(buffer.subarray(0, bytesRead).toString()).toMatch(/^LA 999 \d{12}\r\n$/);
  await reader.close();
  await line.close();
});
