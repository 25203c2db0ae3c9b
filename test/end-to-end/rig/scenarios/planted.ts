/** Defects that are planted into a daemon: the rig must name each, or its silence is worth nothing. */

import { fileURLToPath } from "node:url";
import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import type { Violation, ViolationCode } from "../account-types.ts";
import type { RigOptions } from "../rig.ts";
import { Rig } from "../rig.ts";
import { settle } from "../settle.ts";
import { afterKill, untilBusy } from "./kill.ts";
import { failure } from "./scenario.ts";

export type Plant = {
  readonly name: string;
  readonly into: "agent" | "gateway";
  /** The process that is killed, or none: then the end of the run must show it. */
  readonly kill?: "agent" | "gateway";
  /** One of these is found. */
  readonly code: ViolationCode;
  readonly options?: Partial<RigOptions>;
};

export const plants: readonly Plant[] = [
  { name: "gateway-acks-early", into: "gateway", kill: "gateway", code: "ACK_LOST" },
  { name: "gateway-drops-range", into: "gateway", kill: "gateway", code: "ACK_LOST" },
  { name: "gateway-appends-twice", into: "gateway", code: "DUPLICATE_IN_LANE" },
  { name: "agent-loses-range", into: "agent", code: "SEQUENCE_HOLE" },
  {
    name: "agent-frees-early",
    into: "agent",
    kill: "agent",
    code: "FREED_TOO_EARLY",
    // Long enough between two heads that some of what is acknowledged is under neither.
    options: { orderEvery: "1500ms" },
  },
];

/** A kill may miss the moment that shows a defect; the first one that shows it is enough. */
const killsMax = 16;
const drainMsMax = 10_000;

/** Runs a site with the defect in it. @returns what was found. */
export async function planted(plant: Plant, seed: number): Promise<readonly Violation[]> {
  const random = seededRandom(seed);
  const file = fileURLToPath(new URL(`../plants/${plant.name}.ts`, import.meta.url));
  const rig = await Rig.open({
    ...{ seed, rate: 2_500, plants: { [plant.into]: file } },
    ...plant.options,
  });
  try {
    await rig.startMeter();
    await rig.startAgent();
    for (let kills = 0; plant.kill !== undefined && kills < killsMax; kills++) {
      await untilBusy(rig, random);
      await (plant.kill === "gateway" ? rig.killGateway() : rig.killAgent());
      const found = afterKill(rig, plant.kill);
      if (found.length > 0) return found;
      await (plant.kill === "gateway" ? rig.startGateway() : rig.startAgent());
    }
    if (plant.kill !== undefined) return [];
    await untilBusy(rig, random);
    return (await settle(rig, { random, drainMsMax, statementsMax: 10 })).violations;
  } catch (error) {
    throw failure(plant.name, { seed, tail: rig.tail, cause: error });
  } finally {
    await rig.close();
  }
}
