/**
 * A gateway without any line to the others while they order on: its devices are taken on provisional receipts,
 * and all of these become final when it is back. What counts is how far it is behind; no month passes.
 */

import { patienceMs, until } from "../../rig/wait.ts";
import { settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, everyoneBut, inRig, pick, untilSealed } from "./scenario.ts";

/** What the others order meanwhile, for each round: statements, and leaves of the channel on top. */
const statementsPerRound = 150;
const leavesPerRound = 8;
const busyPace = { together: 6, everyMs: 20 };
/** Provisional receipts that the device of the gateway that is away has to hold. */
const provisionalMin = 10;

export const away: Scenario = (options) =>
  inRig("away", options, async (rig, random) => {
    rig.startLoads();
    await untilSealed(rig, { at: everyone, more: 4 });
    await rig.stopLoads();
    const one = pick(everyone, random);
    const others = everyoneBut(one);
    const statements = options.rounds * statementsPerRound;
    rig.isolate(one);
    const mark = rig.load(one).promised.length;
    rig.load(one).start();
    for (const at of others) rig.load(at).start(busyPace);
    const sent = () => others.reduce((sum, at) => sum + rig.load(at).promised.length, 0);
    const target = sent() + statements;
    let provisional = 0;
    await until(
      () => `${sent()} of ${target} statements; ${provisional} provisional receipts`,
      patienceMs * options.rounds,
      () => {
        rig.requireAlive();
        provisional = rig.load(one).provisionalSince(mark);
        return sent() >= target && provisional >= provisionalMin ? true : undefined;
      },
      100,
    );
    // What had reached it before the lines broke is taken in by now.
    const before = await rig.validator(one).status();
    await untilSealed(rig, { at: others, more: options.rounds * leavesPerRound });
    await rig.stopLoads();
    const alone = await rig.validator(one).status();
    if (alone.ledger.sealedSize !== before.ledger.sealedSize)
      throw new Error("a validator without peers went on sealing");
    const there = await rig.validator(pick(others, random)).status();
    const behind = there.ledger.size - alone.ledger.size;
    rig.rejoin(one);
    const settled = await settle(rig, { random, verifyMax: options.verifyMax });
    const own =
      `away for ${statements} statements and ${behind} leaves of the channel; ` +
      `${provisional} provisional receipts became final`;
    return { own, settled };
  });
