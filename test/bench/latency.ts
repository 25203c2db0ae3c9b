/** How long a reading waits for its receipts, as the device sees it, at a steady rate. */

import { setTimeout as sleep } from "node:timers/promises";
import { present } from "@tamga/ledger-core/base/assert";
import type { TestDevice } from "../support/test-device.ts";
import type { Made } from "../support/test-stream.ts";
import type { Bench } from "./bench.ts";
import { sized } from "./bench.ts";
import type { BenchDevice } from "./bench-site.ts";
import { BenchSite } from "./bench-site.ts";
import { quantileOf, rowOf } from "./row.ts";

const deviceNames = ["meter-1", "meter-2", "meter-3", "meter-4", "meter-5"] as const;
const statementsPerSecond = 50;
/** Left out at the front: first connections and a cold gateway. */
const warmUpSeconds = 2;
const answerMsMax = 10_000;

type Waits = { readonly provisionalMs: number; readonly finalMs: number };

/** Milliseconds from handing a reading to the line until its proofs were verified. */
export const latency: Bench = {
  name: "latency",
  async run(context) {
    const bench = await BenchSite.start(context);
    try {
      const devices = await bench.devices(deviceNames);
      await waitsAt(devices, warmUpSeconds * statementsPerSecond);
      const runs: (readonly Waits[])[] = [];
      for (let run = 0; run < context.runs; run++) {
        runs.push(await waitsAt(devices, sized(context, 6, 2) * statementsPerSecond));
        context.say(`${runs.at(-1)?.length} statements answered`);
      }
      const rowAt = (what: string, of: (waits: Waits) => number, quantile: number, limit: number) =>
        rowOf({
          name: `reading → ${what}, p${100 * quantile}`,
          unit: "ms",
          values: runs.map((waits) => quantileOf(waits.map(of), quantile)),
          ...(quantile === 0.5 ? {} : { budget: { bound: "≤", value: limit } as const }),
          conditions:
            `loopback, a ledger of one validator; ${statementsPerSecond} statements/s of ${devices.length} devices, a ` +
            "bundle of one reading each, not written to an outbox; from PUBLISH until the device had verified the proof",
        });
      return [
        rowAt("provisional receipt", (waits) => waits.provisionalMs, 0.5, 250),
        rowAt("provisional receipt", (waits) => waits.provisionalMs, 0.99, 250),
        rowAt("final receipt", (waits) => waits.finalMs, 0.5, 1_000),
        rowAt("final receipt", (waits) => waits.finalMs, 0.99, 1_000),
      ];
    } finally {
      await bench.close();
    }
  },
};

/** Sends at the rate, not waiting for answers: a slow one does not thin what comes after it. */
async function waitsAt(devices: readonly BenchDevice[], count: number): Promise<readonly Waits[]> {
  const plan = devices.map(({ device, presigner }) => ({
    device,
    made: presigner.bundles(Math.ceil(count / devices.length), 1),
  }));
  const begun = performance.now();
  const waits: Promise<Waits>[] = [];
  for (let i = 0; i < count; i++) {
    const due = begun + (1e3 * i) / statementsPerSecond;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    const { device, made } = present(plan[i % plan.length], "device of the plan");
    const one = present(made[Math.floor(i / plan.length)], "statement of the plan");
    waits.push(answered(device, one, Math.min(due, performance.now())));
  }
  return Promise.all(waits);
}

/** `from` is when it was due: what a busy sender adds counts as waiting. */
async function answered(device: TestDevice, made: Made, from: number): Promise<Waits> {
  const sent = device.send(made);
  await device.until(made, "provisional", answerMsMax);
  const provisionalMs = performance.now() - from;
  await device.until(made, "final", answerMsMax);
  const finalMs = performance.now() - from;
  await sent;
  return { provisionalMs, finalMs };
}
