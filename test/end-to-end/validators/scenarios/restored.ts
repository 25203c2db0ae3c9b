/** Files of an earlier time: a whole directory as the operator says it, a validator's alone unsaid, a lane unsaid. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { copyDatabase, copyImage } from "../../rig/rig-files.ts";
import { settle } from "../settle.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, everyoneBut, inRig, pick, untilSealed } from "./scenario.ts";

/** Leaves of the channel that the copy knows nothing of. */
const lostLeaves = 12;

type Backup = {
  /** Copies the directory of a gateway that is stopped. */
  readonly take: (dir: string, to: string) => void;
  /** Puts the copy back; the gateway is stopped. */
  readonly putBack: (from: string, dir: string) => void;
  /** Whether the operator says so, by `tamga-gateway restore`. */
  readonly isSaid: boolean;
};

const whole: Backup = {
  take: copyImage,
  putBack: (from, dir) => {
    rmSync(dir, { recursive: true });
    copyImage(from, dir);
  },
  isSaid: true,
};

const files = (...names: readonly string[]): Backup => {
  const copy = (from: string, to: string) => {
    for (const name of names) copyDatabase(join(from, name), join(to, name));
  };
  return { take: copyImage, putBack: copy, isSaid: false };
};

/** The image of a day ago, and the operator says so: the votes are doubted, the lane opens anew. */
export const validatorRestored: Scenario = (options) =>
  inRig("validator-restored", options, async (rig, random) => {
    const lost = await restore(rig, whole, random);
    const settled = await settle(rig, { random, verifyMax: options.verifyMax, errors });
    return { own: `a whole directory put back, ${lost} leaves old, and said so`, settled };
  });

/** Votes and chain of a day ago, and nobody says so: the one liar whom the channel bears. */
export const validatorRestoredUnsaid: Scenario = (options) =>
  inRig("validator-restored-unsaid", options, async (rig, random) => {
    const lost = await restore(rig, files("ledger.db", "votes.db"), random);
    const settled = await settle(rig, { random, verifyMax: options.verifyMax, errors });
    return { own: `ledger.db and votes.db put back, ${lost} leaves old, unsaid`, settled };
  });

/** A lane of a day ago, and nobody says so: the ledger knows better, and it opens anew. */
export const laneRestored: Scenario = (options) =>
  inRig("lane-restored", options, async (rig, random) => {
    const lost = await restore(rig, files("lane.db"), random);
    const settled = await settle(rig, { random, verifyMax: options.verifyMax, errors });
    return { own: `lane.db put back, ${lost} leaves of the channel old, unsaid`, settled };
  });

/** What the ledger ordered since is known after the catch-up only: the unit starts the gateway again. */
const overtaken = /LANE_OVERTAKEN/;
const errors: readonly string[] = ["service.failed LANE_OVERTAKEN"];

/** @returns how many leaves of the channel the copy lacked. */
async function restore(rig: ValidatorRig, backup: Backup, random: () => number): Promise<number> {
  const at = pick(everyone, random);
  const one = rig.validator(at);
  const copy = join(rig.dir, "of-yesterday");
  rig.startLoads();
  const then = await untilSealed(rig, { at: everyone, more: 4 });
  await one.end("SIGTERM");
  backup.take(one.dir, copy);
  await one.start();
  const now = await untilSealed(rig, { at: everyone, more: lostLeaves });
  // Agents hold what is not final: what is, they may have given up since.
  await rig.load(at).collect({ sendAgain: false });
  await one.end("SIGKILL");
  await untilSealed(rig, { at: everyoneBut(at), more: 2 });
  backup.putBack(copy, one.dir);
  one.supervised = overtaken;
  if (backup.isSaid) await one.command("restore");
  await one.start();
  await untilSealed(rig, { at: everyone, more: 4 });
  return now - then;
}
