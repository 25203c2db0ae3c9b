/** One-way partitions: one validator's bytes no longer reach another, or none, while it still hears all. */

import { pause } from "../../rig/wait.ts";
import { settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, everyoneBut, inRig, pick, untilSealed } from "./scenario.ts";

/** Milliseconds that a partition lasts at least. */
const apartMs = 2_000;

/**
 * In turn: nobody hears one (mute), one hears nobody (deaf), one pair one way. The others are a quorum and
 * go on meanwhile; afterwards all do.
 */
export const oneWay: Scenario = (options) =>
  inRig("one-way", options, async (rig, random) => {
    rig.startLoads();
    await untilSealed(rig, { at: everyone, more: 4 });
    for (let round = 0; round < options.rounds; round++) {
      const one = pick(everyone, random);
      const others = everyoneBut(one);
      const other = pick(others, random);
      const held: readonly (readonly [number, number])[] =
        round % 3 === 0
          ? others.map((to) => [one, to] as const)
          : round % 3 === 1
            ? others.map((from) => [from, one] as const)
            : [[one, other]];
      for (const [from, to] of held) rig.holdOneWay(from, to);
      await untilSealed(rig, { at: others, more: 3 });
      await pause(apartMs);
      for (const [from, to] of held) rig.releaseOneWay(from, to);
      await untilSealed(rig, { at: everyone, more: 3 });
    }
    const settled = await settle(rig, { random, verifyMax: options.verifyMax });
    return { own: `${options.rounds} one-way partitions`, settled };
  });
