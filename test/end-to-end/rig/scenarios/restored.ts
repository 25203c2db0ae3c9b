/** Files that come back from an earlier time: the gateway's lane, and a whole card of the agent. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import type { Violation } from "../account-types.ts";
import { readOutbox } from "../agent-content.ts";
import { readLane } from "../lane-content.ts";
import { keepReceipts } from "../receipt-check.ts";
import { Rig } from "../rig.ts";
import { copyDatabase, copyImage } from "../rig-files.ts";
import { settle } from "../settle.ts";
import { patienceMs, until } from "../wait.ts";
import { untilBusy } from "./kill.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { inScenario, report } from "./scenario.ts";

const rate = 2_500;

/** `lane.db` of an hour ago: a new incarnation of the lane, and the agent gives all that is missing. */
export async function gatewayRestored({
  seed,
  receiptsMax: statementsMax,
}: ScenarioOptions): Promise<ScenarioReport> {
  const random = seededRandom(seed);
  const rig = await Rig.open({ seed, rate });
  const lane = join(rig.gatewayDir, "lane.db");
  const backup = join(rig.dir, "lane-of-then.db");
  const run = async () => {
    await rig.startMeter();
    await rig.startAgent();
    await untilBusy(rig, random);
    await rig.stopGateway();
    copyDatabase(lane, backup);
    const then = (await laneSize(rig)) ?? 0;
    await rig.startGateway();
    await untilBusy(rig, random);
    await untilBusy(rig, random);
    const young = readLane(rig.gatewayDir, { bodies: true, owner: "running" }).statements.filter(
      ({ leafIndex, kind, final }) => final && leafIndex >= then && kind === "bundle",
    );
    const kept = await keepReceipts(rig, young.slice(0, 40));
    await rig.stopGateway();
    const lost = ((await laneSize(rig)) ?? 0) - then;
    copyDatabase(backup, lane);
    await rig.startGateway();
    const { lane: restored } = await rig.gatewayStatus();
    await untilBusy(rig, random);
    const settled = await settle(rig, { random, statementsMax });
    const more: Violation[] = [...kept.judgeAgain()];
    if (restored.incarnations !== 2 || settled.lanes !== 2)
      more.push({ code: "HEAD_INCONSISTENT", what: "the restored lane grew as if nothing were" });
    const own = `${lost} leaves lost with the lane; ${kept.count} receipts of them still verify`;
    return report("gateway-restored", seed, { own, settled, more });
  };
  return inScenario("gateway-restored", seed, { rig, run });
}

async function laneSize(rig: Rig): Promise<number | undefined> {
  return readLane(rig.gatewayDir, { bodies: false, owner: "gone" }).lanes.at(-1)?.size;
}

/**
 * An image of the agent's card, taken after a kill -9, is put back when the card has long moved on. What
 * the two lives have in common is the journal that the kill left: both close it, and the second closing
 * is refused. Nothing else collides, since every life signs under an incarnation of its own.
 */
export async function cardRestored({
  seed,
  receiptsMax: statementsMax,
}: ScenarioOptions): Promise<ScenarioReport> {
  const random = seededRandom(seed);
  const rig = await Rig.open({ seed, rate });
  const image = join(rig.dir, "card-of-then");
  const run = async () => {
    await rig.startMeter();
    await rig.startAgent();
    await untilBusy(rig, random);
    await rig.killAgent();
    copyImage(rig.agentDir, image);
    const then = readOutbox(rig.agentDir, "gone");
    await rig.startAgent();
    await untilBusy(rig, random);
    // What lies on the card alone is gone with it, whoever is careful.
    rig.line.cut();
    const atCut = rig.book.counts.signed;
    await until(
      () => "a backlog on the card",
      patienceMs,
      () => (rig.book.counts.signed > atCut + rate ? true : undefined),
    );
    await rig.killAgent();
    const abandoned = readOutbox(rig.agentDir, "gone");
    rmSync(rig.agentDir, { recursive: true });
    copyImage(image, rig.agentDir);
    rig.line.mend();
    await rig.startAgent();
    await untilBusy(rig, random);
    const closedTwice = then.runs.map(({ incarnation }) => incarnation);
    const settled = await settle(rig, { random, statementsMax, more: { abandoned, closedTwice } });
    const runs = then.runs.length;
    const own = `card of ${abandoned.runs.length} runs replaced by its image of ${runs}`;
    return report("card-restored", seed, { own, settled });
  };
  return inScenario("card-restored", seed, { rig, run });
}
