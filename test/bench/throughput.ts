/** How much of the gateway's CPU time a reading takes: bundled by 512, and each signed by itself. */

import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { BundleHash } from "@tamga/ledger-core/wire/device-claims";
import type { Made } from "../support/test-stream.ts";
import { bareHashRate, bareReadingRate, bareVerifyRate } from "./bare-rates.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { sized } from "./bench.ts";
import type { BenchDevice, GatewayCost } from "./bench-site.ts";
import { BenchSite, requireSynced, sendAll, untilFinal } from "./bench-site.ts";
import { medianOf, rowOf } from "./row.ts";

const deviceNames = ["meter-1", "meter-2", "meter-3", "meter-4"] as const;
const bundleReadings = 512;
/** Not counted: a gateway compiles its hot code within its first seconds, and runs for months. */
const warmUps = 2;
/** Of one reading as it is hashed. */
const readingBytes = 140;

const until =
  "CPU time of the gateway process, all threads, user and system, from the first PUBLISH until every " +
  "device had verified the final proof of its last statement (PUBACK after the durable commit, " +
  "provisional and final proofs and the ledger included), after two runs to warm up; 4 devices over mTLS, window 64";

/** Readings a CPU-second in bundles of 512. */
export const bundledReadings: Bench = {
  name: "bundled",
  async run(context) {
    const each = sized(context, 60, 10);
    const readings = each * bundleReadings * deviceNames.length;
    const costs = await costsOf(context, { each, count: bundleReadings });
    const bounds = costs.map(() => bareReadingRate(readingBytes, sized(context, 200_000, 50_000)));
    const hashes = costs.map(() => bareHashRate(sized(context, 500_000, 100_000)));
    return [
      rowOf({
        name: "bundled readings, verified, durable and in the lane",
        unit: "readings per gateway CPU-second",
        values: costs.map((cost) => readings / cost.cpuSeconds),
        budget: { bound: "≥", value: 100_000 },
        limit: medianOf(bounds),
        conditions: `${readings} one-register readings a run, 512 a bundle; limit: three bare hashes a reading; ${until}`,
      }),
      rowOf({
        name: "bundled readings by the clock",
        unit: "readings per second",
        values: costs.map((cost) => (1e3 * readings) / cost.wallMs),
        conditions: `the same runs; senders, which also verify every proof, share the processor; ${commitsIn(costs)}`,
      }),
      rowOf({
        name: "bare SHA-256 of 65 to 200 bytes",
        unit: "hashes per CPU-second",
        values: hashes,
        conditions: "crypto.hash as the daemons call it, in the bench's own process",
      }),
    ];
  },
};

/** The same with SM3 inside the bundles. */
export const bundledSm3Readings: Bench = {
  name: "bundled-sm3",
  async run(context) {
    const each = sized(context, 60, 10);
    const readings = each * bundleReadings * deviceNames.length;
    const costs = await costsOf(context, { each, count: bundleReadings, hash: "sm3" });
    const bounds = costs.map(() =>
      bareReadingRate(readingBytes, sized(context, 200_000, 50_000), nodeCrypto.sm3),
    );
    return [
      rowOf({
        name: "bundled readings hashed with SM3, verified, durable and in the lane",
        unit: "readings per gateway CPU-second",
        values: costs.map((cost) => readings / cost.cpuSeconds),
        limit: medianOf(bounds),
        conditions: `${readings} one-register readings a run, 512 a bundle; limit: three bare SM3 hashes a reading; ${until}`,
      }),
    ];
  },
};

/** Share of the bare signature check in what a reading that is signed by itself costs. */
export const signedReadings: Bench = {
  name: "signed",
  async run(context) {
    const each = sized(context, 2_000, 200);
    const statements = each * deviceNames.length;
    const costs = await costsOf(context, { each, count: 1 });
    const rates = costs.map(() => bareVerifyRate(290, sized(context, 10_000, 2_000)));
    const rate = medianOf(rates);
    return [
      rowOf({
        name: "individually signed readings: share of the bare P-256 check",
        unit: "% of gateway CPU time",
        values: costs.map((cost) => (100 * statements) / rate / cost.cpuSeconds),
        budget: { bound: "≥", value: 60 },
        limit: 100,
        conditions: `${statements} bundles of one reading a run; share = statements × CPU time of a bare check ÷ CPU time; ${until}`,
      }),
      rowOf({
        name: "individually signed readings",
        unit: "statements per gateway CPU-second",
        values: costs.map((cost) => statements / cost.cpuSeconds),
        limit: rate,
        conditions: `the same runs; limit: bare P-256 checks; ${commitsIn(costs)}`,
      }),
      rowOf({
        name: "bare P-256 check",
        unit: "checks per CPU-second",
        values: rates,
        conditions: "node:crypto as the daemons call it, 290 bytes, in the bench's own process",
      }),
    ];
  },
};

/** A gateway, runs that are not counted, then one cost a run. */
async function costsOf(
  context: BenchContext,
  work: { readonly each: number; readonly count: number; readonly hash?: BundleHash },
): Promise<readonly GatewayCost[]> {
  const bench = await BenchSite.start(context);
  try {
    const devices = await bench.devices(deviceNames);
    const costs: GatewayCost[] = [];
    for (let run = -warmUps; run < context.runs; run++) {
      const made = devices.map(({ presigner }) =>
        presigner.bundles(work.each, work.count, work.hash),
      );
      const cost = await bench.measure(() => sendFrom(devices, made));
      requireSynced(cost, context.sync);
      const { cpuSeconds, wallMs, commits } = cost;
      context.say(
        `${work.each * devices.length} statements of ${work.count}: ${cpuSeconds.toFixed(2)} CPU-seconds, ` +
          `${wallMs.toFixed(0)} ms, ${commits} commits${run < 0 ? " (warm-up)" : ""}`,
      );
      if (run >= 0) costs.push(cost);
    }
    return costs;
  } finally {
    await bench.close();
  }
}

async function sendFrom(
  devices: readonly BenchDevice[],
  made: readonly (readonly Made[])[],
): Promise<void> {
  await Promise.all(
    devices.map(async ({ device }, i) => {
      const own = made[i] ?? [];
      await sendAll(device, own);
      await untilFinal(device, own);
    }),
  );
}

function commitsIn(costs: readonly GatewayCost[]): string {
  const commits = medianOf(costs.map((cost) => cost.commits));
  const perCommit = medianOf(costs.map((cost) => cost.wallMs / cost.commits));
  return `${commits} commits a run, one each ${perCommit.toFixed(1)} ms`;
}
