/** kill -9 at instants that the seed chooses, while readings are under way. */

import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import type { Violation } from "../account-types.ts";
import { checkFreedUnder, checkPromises } from "../accounting.ts";
import { readOutbox } from "../agent-content.ts";
import { readLane } from "../lane-content.ts";
import type { RigOptions } from "../rig.ts";
import { Rig } from "../rig.ts";
import { settle } from "../settle.ts";
import { patienceMs, pause, until } from "../wait.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { failure, report } from "./scenario.ts";

const rateOffered = 3_000;
/** Tries for each kill that counts, and how long more than it takes are tried: the machine may be busy. */
const attemptsPerKill = 2;
const attemptsMsMax = 120_000;

type Victim = "gateway" | "agent";

export const killGateway = (options: ScenarioOptions) => kill("gateway", options);
export const killAgent = (options: ScenarioOptions) => kill("agent", options);

/** @param more plants of a defect, and what it needs. */
export async function kill(
  victim: Victim,
  { seed, rounds, receiptsMax: statementsMax, rateMin, rateWanted }: ScenarioOptions,
  more: Partial<RigOptions> = {},
): Promise<ScenarioReport> {
  const random = seededRandom(seed);
  const rig = await Rig.open({ seed, rate: rateOffered, ...more });
  try {
    await rig.startMeter();
    await rig.startAgent();
    const violations: Violation[] = [];
    const rates: number[] = [];
    const atLeast = (rate: number) => rates.filter((one) => one >= rate).length;
    const begin = performance.now();
    const goesOn = () =>
      atLeast(rateMin) < rounds ||
      (atLeast(rateWanted) < rounds && performance.now() - begin < attemptsMsMax);
    while (goesOn() && rates.length < attemptsPerKill * rounds) {
      rates.push(await untilBusy(rig, random));
      await (victim === "gateway" ? rig.killGateway() : rig.killAgent());
      // On a slow machine more would come in than these looks at everything can keep up with.
      rig.holdMeter();
      violations.push(...afterKill(rig, victim));
      await (victim === "gateway" ? rig.startGateway() : rig.startAgent());
      rig.letMeterGo();
    }
    if (atLeast(rateMin) < rounds)
      throw new Error(`only ${atLeast(rateMin)} of ${rates.length} kills at ${rateMin} readings/s`);
    const settled = await settle(rig, { random, statementsMax });
    const own = `${rates.length} kills, ${atLeast(rateWanted)} of them at ${rateWanted} readings/s`;
    return report(`kill-${victim}`, seed, { own, settled, more: violations });
  } catch (error) {
    throw failure(`kill-${victim}`, { seed, tail: rig.tail, cause: error });
  } finally {
    await rig.close();
  }
}

/** Runs for a while, then until statements are in flight. @returns readings a second just before. */
export async function untilBusy(rig: Rig, random: () => number): Promise<number> {
  const before = rig.book.counts.stored;
  // Both are up and work: receipts come for what is read now.
  await until(
    () => "acknowledgements after a restart",
    patienceMs,
    () => {
      rig.requireAlive();
      return rig.book.counts.stored > before ? true : undefined;
    },
  );
  const measured = { frame: rig.lastFrame, at: performance.now() };
  await pause(300 + Math.floor(random() * 500));
  const seconds = (performance.now() - measured.at) / 1_000;
  const rate = (rig.lastFrame - measured.frame) / seconds;
  await until(
    () => "statements in flight",
    patienceMs,
    async () => {
      const { uplink } = await rig.agentStatus();
      return uplink.inFlight > 0 ? true : undefined;
    },
    1,
  );
  return rate;
}

/** What was acknowledged is in the lane already now, before anyone could send it again. */
export function afterKill(rig: Rig, victim: Victim): readonly Violation[] {
  const ofAgent = victim === "agent" ? "gone" : "running";
  const ofGateway = victim === "gateway" ? "gone" : "running";
  const outbox = readOutbox(rig.agentDir, ofAgent);
  const lane = readLane(rig.gatewayDir, { bodies: false, owner: ofGateway });
  const promises =
    victim === "gateway" ? rig.book.made.filter(({ kind }) => kind !== "signed") : rig.book.made;
  return [
    ...checkPromises(lane.statements, { promises, outbox }),
    ...checkFreedUnder(lane.statements, outbox),
    ...lane.violations,
  ];
}
