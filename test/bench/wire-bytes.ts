/** How many bytes a reading needs on its way up, its receipts on their way down, and as a file. */

import { setTimeout as sleep } from "node:timers/promises";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { unwrap } from "../support/test-device.ts";
import type { Made } from "../support/test-stream.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { sized } from "./bench.ts";
import type { BenchDevice } from "./bench-site.ts";
import { BenchSite, sendAll, untilFinal } from "./bench-site.ts";
import { CountingRelay, countDown } from "./byte-count.ts";
import type { Row } from "./row.ts";
import { rowOf } from "./row.ts";

const bundleReadings = 512;
const digestBytes = 32;

export const wireBytes: Bench = {
  name: "bytes",
  async run(context) {
    const bench = await BenchSite.start(context);
    const relay = new CountingRelay(bench.site.mqttPort);
    try {
      const port = await relay.listen();
      const devices = await bench.devices(["meter-1"], port);
      const one = present(devices[0], "the device");
      const up = await uplinkRows(context, one, relay);
      const receipt = await receiptRows(context, bench, one);
      const fast = await downlinkRow(context, { one, relay, perSecond: 200, seconds: 4 });
      const slow = await downlinkRow(context, { one, relay, perSecond: 2, seconds: 6 });
      return [...up, fast, slow, ...receipt];
    } finally {
      await relay.close();
      await bench.close();
    }
  },
};

async function uplinkRows(
  context: BenchContext,
  { device, presigner }: BenchDevice,
  relay: CountingRelay,
): Promise<readonly Row[]> {
  const bundles = sized(context, 8, 2);
  const perReading = (bytes: number) => bytes / (bundles * bundleReadings);
  const messages: number[] = [];
  const wire: number[] = [];
  for (let run = 0; run < context.runs; run++) {
    const made = presigner.bundles(bundles, bundleReadings);
    relay.reset();
    await sendAll(device, made);
    wire.push(perReading(relay.up));
    messages.push(perReading(made.reduce((sum, { payload }) => sum + payload.length, 0)));
    await untilFinal(device, made);
  }
  const readings =
    "one register, its device's time to the second, times with jitter of 16 ms, a frame digest each; " +
    "statement and Brotli body (quality 5), 512 readings a bundle";
  return [
    rowOf({
      name: "uplink bytes per reading",
      unit: "bytes",
      values: messages,
      budget: { bound: "≤", value: 48 },
      conditions: `whole statement message; ${readings}`,
    }),
    rowOf({
      name: "uplink bytes per reading, MQTT and TLS included",
      unit: "bytes",
      values: wire,
      budget: { bound: "≤", value: 48 },
      conditions: `TCP payload, counted by a relay; ${readings}`,
    }),
  ];
}

/** Heads and proofs, provisional and final, that come down per statement at a steady rate. */
async function downlinkRow(
  context: BenchContext,
  steady: {
    readonly one: BenchDevice;
    readonly relay: CountingRelay;
    readonly perSecond: number;
    readonly seconds: number;
  },
): Promise<Row> {
  const { one, relay, perSecond, seconds } = steady;
  const { device, presigner } = one;
  const values: number[] = [];
  const wire: number[] = [];
  for (let run = 0; run < context.runs; run++) {
    const made = presigner.bundles(perSecond * (context.quick ? 1 : seconds), 1);
    const down = countDown(device);
    relay.reset();
    await sendAt(one, made, perSecond);
    await untilFinal(device, made);
    values.push(down.bytes / made.length);
    wire.push(relay.down / made.length);
  }
  const onWire = wire.map((value) => value.toFixed(0)).join(", ");
  return rowOf({
    name: `downlink bytes per statement at ${perSecond}/s`,
    unit: "bytes",
    values,
    budget: { bound: "≤", value: 200 },
    conditions:
      `payload of heads and proofs, provisional and final, to one device that sends ${perSecond} statements/s; ` +
      `with MQTT, PUBACK and TLS: ${onWire}; a head every 100 ms at the most`,
  });
}

async function sendAt({ device }: BenchDevice, made: readonly Made[], perSecond: number) {
  const begun = performance.now();
  const sent: Promise<void>[] = [];
  for (const [i, one] of made.entries()) {
    const wait = begun + (1e3 * i) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    sent.push(device.send(one));
  }
  await Promise.all(sent);
}

/** Of readings in a lane that has as many leaves as a small site's has in a day. */
async function receiptRows(
  context: BenchContext,
  { site }: BenchSite,
  { device, presigner }: BenchDevice,
): Promise<readonly Row[]> {
  const filling = presigner.bundles(sized(context, 10_000, 500), 1);
  await sendAll(device, filling);
  const bundles = presigner.bundles(context.runs, bundleReadings);
  await sendAll(device, bundles);
  await untilFinal(device, [...filling, ...bundles]);
  const values: number[] = [];
  for (const { incarnation, range } of bundles) {
    const file = await site.receipt(device.name, incarnation, range.first + 200n);
    unwrap(verifyReceipt(nodeCrypto, device.policy, unwrap(parseReceipt(file))));
    values.push(file.length);
  }
  const leaves = (await site.status()).lane.size;
  const further = Math.max(0, 20 - Math.ceil(Math.log2(leaves))) * digestBytes;
  const conditions = `one-register reading in a bundle of 512, lane of ${leaves} leaves, one validator; verified offline`;
  return [
    rowOf({
      name: "whole receipt as a file",
      unit: "bytes",
      values,
      budget: { bound: "≤", value: 4_096 },
      conditions,
    }),
    rowOf({
      name: "whole receipt as a file, lane of a million leaves",
      unit: "bytes",
      values: values.map((value) => value + further),
      budget: { bound: "≤", value: 4_096 },
      conditions: `reckoned: the same and ${further} bytes for a path of 20 hashes; ${conditions}`,
    }),
  ];
}
