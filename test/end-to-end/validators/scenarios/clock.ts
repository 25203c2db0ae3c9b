/** The wall clock of a running validator jumps a day ahead, and later two days back; its process is told nothing. */

import { settle } from "../settle.ts";
import { FakeClock } from "./fake-clock.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, inRig, pick, untilSealed } from "./scenario.ts";

/** Days that the clock is off, in turn. The last one is a clock that is right again. */
const jumps = [1, -1, 0];

export const clockJumps: Scenario = async (options) => {
  const clock = new FakeClock();
  try {
    return await inRig("clock-jumps", { ...options, envOf: clock.envOf }, async (rig, random) => {
      rig.startLoads();
      await untilSealed(rig, { at: everyone, more: 4 });
      for (let round = 0; round < options.rounds; round++) {
        const at = pick(everyone, random);
        for (const days of jumps) {
          await clock.jump(rig, [at], days);
          await untilSealed(rig, { at: everyone, more: 4 });
        }
      }
      const settled = await settle(rig, { random, verifyMax: options.verifyMax });
      return { own: `${options.rounds} validators a day ahead, then a day behind`, settled };
    });
  } finally {
    clock.remove();
  }
};
