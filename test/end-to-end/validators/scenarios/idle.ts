/** An idle channel: nothing waits to be ordered, so no block is made and keep-alives alone are on the lines. */

import { patienceMs, pause, until } from "../../rig/wait.ts";
import { gatewayName } from "../consortium-template.ts";
import type { Violation } from "../settle.ts";
import { settle } from "../settle.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, inRig, untilSealed } from "./scenario.ts";

/** Milliseconds of silence that are listened to at least, for each round. */
const listenMs = 4_000;
/** Milliseconds that what is under way may take to end. */
const calmMs = 3_000;
/**
 * TLS records a second between two validators: each says its state every 5 s and pings every 10 s, answers
 * the other's ping, and a frame is at most two records.
 */
const recordsPerSecondMax = 2;
/** What may have been on its way when listening began. */
const recordsMore = 8;
/** Bytes: a keep-alive carries a certificate of three signatures. */
const recordBytesMax = 2_048;

export const idle: Scenario = (options) =>
  inRig("idle", options, async (rig, random) => {
    rig.startLoads();
    await untilSealed(rig, { at: everyone, more: 4 });
    await rig.stopLoads();
    await untilCalm(rig);
    await pause(calmMs);
    const before = await sizesOf(rig);
    for (const line of rig.lines) line.takeRecords();
    const begin = performance.now();
    await pause(options.rounds * listenMs);
    const heard = await untilHeard(rig);
    const seconds = (performance.now() - begin) / 1_000;
    const violations: Violation[] = [];
    const after = await sizesOf(rig);
    if (after !== before) violations.push({ code: "NOT_IDLE", what: `${before} became ${after}` });
    const all = [...heard.values()].flat();
    for (const [pair, records] of heard) {
      const wanted = recordsMore + seconds * recordsPerSecondMax;
      if (records.length > wanted)
        violations.push({ code: "NOT_IDLE", what: `${pair}: ${records.length} records` });
    }
    const largest = Math.max(...all);
    if (largest > recordBytesMax)
      violations.push({ code: "NOT_IDLE", what: `a record of ${largest} bytes` });
    const bytes = all.reduce((sum, size) => sum + size, 0);
    const settled = await settle(rig, { random, verifyMax: options.verifyMax });
    const own =
      `${all.length} TLS records of ${bytes} bytes on ${heard.size} pairs in ` +
      `${seconds.toFixed(0)} s, the largest of ${largest}; no block`;
    return { own, settled: { ...settled, violations: [...violations, ...settled.violations] } };
  });

/** Everything submitted is final and sealed everywhere. */
async function untilCalm(rig: ValidatorRig): Promise<void> {
  await until(
    () => "a channel without anything to order",
    patienceMs,
    async () => {
      rig.requireAlive();
      const all = await Promise.all(rig.validators.map((one) => one.status()));
      const isCalm = all.every(
        ({ ledger, lane }) =>
          ledger.pendingTransactions === 0 &&
          ledger.size === ledger.sealedSize &&
          lane.size === lane.orderedSize,
      );
      return isCalm && new Set(all.map(({ ledger }) => ledger.size)).size === 1 ? true : undefined;
    },
    200,
  );
}

async function sizesOf(rig: ValidatorRig): Promise<string> {
  const all = await Promise.all(rig.validators.map((one) => one.status()));
  return all.map(({ ledger }) => `${ledger.size}/${ledger.sealedSize}`).join(" ");
}

/** Records between each two validators; waits until every pair was heard, so that silence is not a cut line. */
async function untilHeard(rig: ValidatorRig): Promise<ReadonlyMap<string, readonly number[]>> {
  const heard = new Map<string, number[]>();
  const pairs = everyone.flatMap((a) => everyone.filter((b) => b > a).map((b) => pairOf(a, b)));
  for (const pair of pairs) heard.set(pair, []);
  return until(
    () => "a keep-alive between every two validators",
    patienceMs,
    () => {
      for (const line of rig.lines) {
        const [a, b] = [line.dialler, line.listener].sort();
        heard.get(`${a} and ${b}`)?.push(...line.takeRecords());
      }
      return [...heard.values()].every((records) => records.length > 0) ? heard : undefined;
    },
    200,
  );
}

function pairOf(a: number, b: number): string {
  return `${gatewayName(a)} and ${gatewayName(b)}`;
}
