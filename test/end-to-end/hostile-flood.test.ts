/** Too much of everything at once: one device or nobody floods, an honest device is served all along. */

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createSecureContext } from "node:tls";
import { handshakeMsMax, handshakesPerSecondMax } from "@tamga/gateway/limits";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HonestDevice, quantile } from "../support/honest-device.ts";
import { RawLine } from "../support/raw-line.ts";
import type { TestDevice } from "../support/test-device.ts";
import { TestSite } from "../support/test-site.ts";

/** A heap that could not hold what was flooded: a leak would end the process. */
const heapLimit = "--max-old-space-size=128";
/** Beside the heap: 64 MiB in flight at most, in as many copies as threads and parsers hold, and malloc's slack. */
const residentGrowthMax = 288 * 1_024 * 1_024;
/** Generous: what it must never be is minutes, or for ever, however busy the machine is. */
const honestMsMax = 30_000;
/** A flood lasts this long, and longer where a busy machine has not sent enough by then. */
const floodMs = 5_000;
const floodMsMax = 90_000;
const connectsEach = [5_000, 3_000, 2_000] as const;
const connectMsMax = 300_000;

let site: TestSite;
let honestDevice: TestDevice;
let mallory: TestDevice;
let residentBefore = 0;

beforeAll(async () => {
  site = await TestSite.start({ nodeArguments: [heapLimit] });
  const [first, second] = await site.enrolMany(["honest", "mallory"]);
  if (first === undefined || second === undefined) throw new Error("two devices");
  honestDevice = first;
  await honestDevice.connect(site.mqttPort);
  mallory = second;
  const warm = new HonestDevice(honestDevice);
  await warm.proveAlive();
  await warm.stop();
  residentBefore = site.residentBytes();
});

afterAll(async () => site.close());

/** Runs `attack` while the honest device works, and holds the gateway to its bounds afterwards. */
async function underAttack(attack: () => Promise<void>): Promise<void> {
  const honest = new HonestDevice(honestDevice);
  await attack();
  await honest.proveAlive();
  const report = await honest.stop();
  expect(report.failure).toBeUndefined();
  expect(report.latenciesMs.length).toBeGreaterThan(0);
  expect(quantile(report.latenciesMs, 0.99)).toBeLessThan(honestMsMax);
  expect(site.residentBytes() - residentBefore).toBeLessThan(residentGrowthMax);
}

type Flood = { readonly window: number; readonly sentMin: number };

/** Publishes what `next` makes, `window` at a time on one line; dials again when it is cut. */
async function flood({ window, sentMin }: Flood, next: () => Uint8Array): Promise<number> {
  const begin = performance.now();
  let sent = 0;
  const msLeft = () => begin + (sent > sentMin ? floodMs : floodMsMax) - performance.now();
  const whenOver = async (signal: AbortSignal) => {
    while (msLeft() > 0 && !signal.aborted) await sleep(20);
  };
  const sender = async () => {
    while (msLeft() > 0) {
      await mallory.publish("statement", next()).catch(() => mallory.untilCut());
      sent++;
      if (!mallory.client.connected) return;
    }
  };
  while (msLeft() > 0) {
    await mallory.connect(site.mqttPort);
    // What is slowed down at the end is left unanswered: a device that sends garbage gets ten answers a second.
    const over = new AbortController();
    await Promise.race([
      Promise.all(Array.from({ length: window }, sender)),
      whenOver(over.signal),
    ]);
    over.abort();
    await mallory.disconnect();
  }
  return sent;
}

describe("one device that floods", () => {
  test("with good statements does not starve another", async () => {
    const stream = mallory.stream();
    const made = Array.from({ length: 1_024 }, () => stream.heartbeat());
    for (const one of made) mallory.remember(one);
    let i = 0;
    await underAttack(async () => {
      const sent = await flood(
        { window: 256, sentMin: made.length },
        () => made[i++ % made.length]?.payload ?? new Uint8Array(),
      );
      expect(sent).toBeGreaterThan(made.length);
    });
  });

  test("with garbage does not starve another", async () => {
    await underAttack(async () => {
      const sent = await flood(
        { window: 256, sentMin: 256 },
        () => new Uint8Array(randomBytes(512)),
      );
      expect(sent).toBeGreaterThan(256);
    });
  });

  test("with messages of the largest size does not starve another", async () => {
    const large = new Uint8Array(randomBytes(1_000_000));
    await underAttack(async () => {
      const sent = await flood({ window: 16, sentMin: 8 }, () => {
        const bytes = large.slice();
        bytes.set(randomBytes(8));
        return bytes;
      });
      expect(sent).toBeGreaterThan(8);
    });
    expect((await site.status()).lane.quarantineBytes).toBeLessThanOrEqual(16 * 1_024 * 1_024);
  });
});

describe("10,000 connections from strangers", () => {
  test("are turned away in time while an honest device is served", async () => {
    const strangerSite = await TestSite.start();
    const [stranger] = await strangerSite.enrolMany(["honest"]);
    await strangerSite.close();
    if (stranger === undefined) throw new Error("one device");
    const { host, port, ca } = mallory.tls(site.mqttPort);
    const { key, cert } = stranger.tls(port);
    const anonymous = createSecureContext({ ca });
    const unknown = createSecureContext({ ca, key, cert });
    const secure = (secureContext: typeof anonymous) =>
      connectTls({ host, port, secureContext, checkServerIdentity: () => undefined });
    let attackMs = 0;
    await underAttack(async () => {
      const begin = performance.now();
      const [plain, bare, foreign] = connectsEach;
      // Nobody cuts a silent stranger before the handshake is overdue: these hang up by themselves.
      await attempts(plain, 250, () => connectTcp({ host, port }));
      await attempts(bare, handshakeMsMax, () => secure(anonymous));
      await attempts(foreign, handshakeMsMax, () => secure(unknown));
      attackMs = performance.now() - begin;
    });
    expect(attackMs).toBeLessThan(connectMsMax);
    const { refusals } = await site.status();
    // Of what came, no more got to a handshake than the gate lets in; a slow machine dials more slowly.
    const letIn = handshakesPerSecondMax * (1 + attackMs / 1_000);
    const dialled = connectsEach.reduce((sum, count) => sum + count, 0);
    expect(refusals["HANDSHAKES_TOO_FAST"] ?? 0).toBeGreaterThanOrEqual(0.9 * dialled - letIn);
    expect(refusals["CLIENT_CERTIFICATE_MISSING"]).toBeGreaterThan(0);
    expect(refusals["CLIENT_CERTIFICATE_UNKNOWN"]).toBeGreaterThan(0);
    const open = (await site.metrics()).get("tamga_gateway_connections");
    expect(open).toBeLessThan(64);
  }, 400_000);
});

/** Dials `count` times, 256 at once, each until it is cut, or for so long in silence. */
async function attempts(count: number, silentMs: number, dial: () => Socket): Promise<void> {
  let left = count;
  const dialer = async () => {
    while (left-- > 0) {
      const line = new RawLine(dial());
      line.socket.setTimeout(silentMs, () => line.end());
      await line.closed();
    }
  };
  await Promise.all(Array.from({ length: 256 }, dialer));
}
