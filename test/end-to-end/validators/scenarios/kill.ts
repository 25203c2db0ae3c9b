/** kill -9 of one, two or all validators at random moments under load, and a restart after a random while. */

import { pause } from "../../rig/wait.ts";
import { settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, inRig, pick, untilSealed } from "./scenario.ts";

/** Milliseconds. */
const upMsMax = 400;
const downMsMax = 1_500;
/** Most often the one that may fail; also a quorum's end, and a power cut of all. */
const crowds: readonly number[] = [1, 1, 1, 2, 2, 4];

export const kill: Scenario = (options) =>
  inRig("kill", options, async (rig, random) => {
    let kills = 0;
    rig.startLoads();
    await untilSealed(rig, { at: everyone, more: 4 });
    for (let round = 0; round < options.rounds; round++) {
      const crowd = pick(crowds, random);
      const order = [...everyone].sort(() => random() - 0.5);
      const hit = order.slice(0, crowd).map((at) => rig.validator(at));
      await pause(random() * upMsMax);
      await Promise.all(hit.map((one) => one.end("SIGKILL")));
      kills += hit.length;
      await pause(random() * downMsMax);
      await Promise.all(hit.map((one) => one.start()));
      await untilSealed(rig, { at: everyone, more: 2 });
    }
    const settled = await settle(rig, { random, verifyMax: options.verifyMax });
    return { own: `${kills} kills in ${options.rounds} rounds`, settled };
  });
