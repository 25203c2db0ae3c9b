/**
 * A gateway without any line to the others for a month of all their wall clocks, while they order on: its device
 * is taken on provisional receipts, and all of these become final when it is back. The month passes in jumps.
 */

import { patienceMs, until } from "../../rig/wait.ts";
import { settle } from "../settle.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import { FakeClock } from "./fake-clock.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, everyoneBut, inRig, pick, untilSealed } from "./scenario.ts";

/** What the others order meanwhile, for each round: statements, and leaves of the channel on top. */
const statementsPerRound = 150;
const leavesPerRound = 8;
const busyPace = { together: 6, everyMs: 20 };
/** Days after which all clocks stand in turn; between two jumps, the one that is away and the others work. */
const days = [1, 8, 15, 22, 30];
/** Provisional receipts that the device of the gateway that is away holds, more after each jump. */
const provisionalPerJump = 3;

export const away: Scenario = async (options) => {
  const clock = new FakeClock();
  try {
    return await inRig("away", { ...options, envOf: clock.envOf }, async (rig, random) => {
      rig.startLoads();
      await untilSealed(rig, { at: everyone, more: 4 });
      await rig.stopLoads();
      const one = pick(everyone, random);
      const others = everyoneBut(one);
      rig.isolate(one);
      const mark = rig.load(one).promised.length;
      rig.load(one).start();
      for (const at of others) rig.load(at).start(busyPace);
      // What had reached it before the lines broke is taken in once it hands out provisional receipts.
      let provisional = await untilProvisional(rig, one, { mark, least: provisionalPerJump });
      const before = await rig.validator(one).status();
      for (const day of days) {
        await clock.jump(rig, everyone, day);
        const least = provisional + provisionalPerJump;
        provisional = await untilProvisional(rig, one, { mark, least });
        await untilSealed(rig, { at: others, more: options.rounds });
      }
      const statements = options.rounds * statementsPerRound;
      await untilSent(rig, others, statements);
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
        `away for ${days.at(-1)} days by every clock, over ${statements} statements and ${behind} ` +
        `leaves of the channel; ${provisional} provisional receipts became final`;
      return { own, settled };
    });
  } finally {
    clock.remove();
  }
};

/** @returns how many provisional receipts of statements after the first `mark` its device holds. */
async function untilProvisional(
  rig: ValidatorRig,
  at: number,
  { mark, least }: { readonly mark: number; readonly least: number },
): Promise<number> {
  let held = 0;
  return until(
    () => `${held} of ${least} provisional receipts`,
    patienceMs,
    () => {
      rig.requireAlive();
      held = rig.load(at).provisionalSince(mark);
      return held >= least ? held : undefined;
    },
    100,
  );
}

/** The devices of these gateways were acknowledged so many statements more. */
async function untilSent(
  rig: ValidatorRig,
  at: readonly number[],
  statements: number,
): Promise<void> {
  const sent = () => at.reduce((sum, one) => sum + rig.load(one).promised.length, 0);
  const target = sent() + statements;
  await until(
    () => `${sent()} of ${target} statements`,
    patienceMs,
    () => {
      rig.requireAlive();
      return sent() >= target ? true : undefined;
    },
    100,
  );
}
