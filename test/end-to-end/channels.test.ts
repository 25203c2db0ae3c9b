/** Two channels in real gateway processes: devices of both, receipts of each for itself, and one that stops alone. */

import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { soon } from "../support/soon.ts";
import type { TestDevice } from "../support/test-device.ts";
import type { ChannelName, GatewayName } from "../support/two-channels.ts";
import { gateways, TwoChannels } from "../support/two-channels.ts";
import { unwrap } from "../support/unwrap.ts";

const statusSchema = z.looseObject({
  channel: z.string().optional(),
  channels: z.array(
    z.looseObject({ channel: z.string(), state: z.string(), code: z.string().optional() }),
  ),
  devices: z.array(z.looseObject({ device: z.string(), channel: z.string() })),
  refusals: z.record(z.string(), z.int()),
});

let directory: string;
let site: TwoChannels;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-two-channels-"));
  site = await TwoChannels.begin(directory);
  await Promise.all(gateways.map((gateway) => site.start(gateway)));
}, 600_000);
afterAll(async () => {
  await site.close();
  rmSync(directory, { recursive: true, force: true });
});

const statusOf = async (gateway: GatewayName) =>
  statusSchema.parse(await (await site.get(gateway, "/status.json")).json());

async function online(gateway: GatewayName, channel: ChannelName, id: string): Promise<TestDevice> {
  const device = await site.enrol(gateway, id);
  expect(device.answer).toMatchObject({ channel, gateway });
  await device.connect(present(site.port(gateway, channel), `port of ${channel} at ${gateway}`));
  return device;
}

/** Sends a bundle and waits until its proof has verified under the device's own trust policy. */
async function finalOf(device: TestDevice, stream = device.stream(), isFirst = true) {
  if (isFirst) await device.send(stream.start());
  const bundle = stream.bundle(3);
  await device.send(bundle);
  expect((await device.until(bundle, "final", 120_000)).kind).toBe("final");
  return { stream, bundle };
}

async function receiptOf(
  gateway: GatewayName,
  device: TestDevice,
  { stream, bundle }: Awaited<ReturnType<typeof finalOf>>,
) {
  const at = `${toHex(stream.incarnation)}/${bundle.range.first}`;
  const answer = await site.get(gateway, `/receipts/${device.name}/${at}`);
  expect(answer.status).toBe(200);
  return unwrap(parseReceipt(new Uint8Array(await answer.arrayBuffer())));
}

test("a receipt of either channel verifies under its own trust policy, and under the other's not", async () => {
  const cows = { g1: await online("g1", "milk", "cow-1"), g2: await online("g2", "milk", "cow-2") };
  const meters = {
    g2: await online("g2", "power", "meter-2"),
    g5: await online("g5", "power", "meter-5"),
  };
  for (const [gateway, device, stranger] of [
    ["g1", cows.g1, meters.g5],
    ["g2", cows.g2, meters.g2],
    ["g2", meters.g2, cows.g2],
    ["g5", meters.g5, cows.g1],
  ] as const) {
    const receipt = await receiptOf(gateway, device, await finalOf(device));
    const verified = unwrap(verifyReceipt(nodeCrypto, device.policy, receipt));
    expect(verified.final, device.name).toBeDefined();
    expect(device.policy.channel).toBe(device.answer.channel);
    expect(verifyReceipt(nodeCrypto, stranger.policy, receipt).ok, device.name).toBe(false);
  }
  // A device's certificate lets it in at its own channel's port alone.
  const elsewhere = present(site.port("g2", "milk"), "port of milk");
  await meters.g2.disconnect();
  await expect(meters.g2.connect(elsewhere)).rejects.toThrow();
  expect((await statusOf("g2")).refusals["CLIENT_OTHER_CHANNEL"]).toBeGreaterThan(0);
});

test("status, metrics and logs are each channel's own", async () => {
  const { channels, devices } = await statusOf("g2");
  expect(channels).toMatchObject([
    { channel: "milk", state: "running" },
    { channel: "power", state: "running" },
  ]);
  expect(devices).toMatchObject([
    { device: "cow-2", channel: "milk" },
    { device: "meter-2", channel: "power" },
  ]);
  expect((await statusOf("g5")).channels).toMatchObject([{ channel: "power" }]);
  const metrics = await (await site.get("g2", "/metrics")).text();
  for (const channel of ["milk", "power"]) {
    expect(metrics).toContain(`tamga_gateway_readings_total{channel="${channel}"} 3`);
    expect(metrics).toContain(`tamga_gateway_channel_stopped{channel="${channel}"} 0`);
  }
  const logs = z
    .looseObject({ logs: z.array(z.looseObject({ channel: z.string(), prefix: z.string() })) })
    .parse(await (await site.get("g2", "/tlog/")).json()).logs;
  expect(logs.map(({ channel }) => channel)).toEqual(["milk", "milk", "power", "power"]);
  expect(new Set(logs.map(({ prefix }) => prefix)).size).toBe(4);
});

test("one whose database is damaged stops alone and takes nothing, and goes on once it is whole", async () => {
  const cow = await online("g3", "milk", "cow-3");
  const meter = await online("g3", "power", "meter-3");
  const before = await finalOf(cow);
  const first = await finalOf(meter);
  expect(await site.stop("g3")).toBe(0);
  const file = site.path("g3", "channels/power/ledger.db");
  copyFileSync(file, `${file}.whole`);
  const damaged = openSync(file, "r+");
  writeSync(damaged, Buffer.alloc(4_096, 0xff), 0, 4_096, 0);
  closeSync(damaged);
  await site.start("g3");

  const { channels, channel } = await statusOf("g3");
  expect(channel).toBe("milk");
  expect(channels).toMatchObject([
    { channel: "milk", state: "running" },
    { channel: "power", state: "stopped", code: expect.stringMatching(/^DATABASE_/) },
  ]);
  const health = await site.get("g3", "/healthz");
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    status: "degraded",
    reasons: [{ name: "channels", reason: expect.stringMatching(/^stopped: power: DATABASE_/) }],
  });
  const page = await (await site.get("g3", "/")).text();
  expect(page).toMatch(/Channel power[\s\S]*Stopped \(DATABASE_/);
  const at = `${toHex(first.stream.incarnation)}/${first.bundle.range.first}`;
  const asked = await site.get("g3", `/receipts/meter-3/${at}`);
  expect(asked.status).toBe(503);
  expect(await asked.json()).toMatchObject({ code: "CHANNEL_STOPPED" });
  // Nothing takes the meter's readings, which an agent then keeps; milk is as it was.
  expect(site.port("g3", "power")).toBeUndefined();
  await cow.connect(present(site.port("g3", "milk"), "port of milk"));
  await finalOf(cow, before.stream, false);

  expect(await site.stop("g3")).toBe(0);
  copyFileSync(`${file}.whole`, file);
  await site.start("g3");
  await meter.connect(present(site.port("g3", "power"), "port of power"));
  const kept = await finalOf(meter, first.stream, false);
  const receipt = await receiptOf("g3", meter, kept);
  expect(verifyReceipt(nodeCrypto, meter.policy, receipt).ok).toBe(true);
  await vi.waitFor(async () => expect((await site.get("g3", "/healthz")).status).toBe(200), soon);
});
