/** Both daemons end on SIGTERM within ten seconds, under load, and lose nothing. */

import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import { createSoftHsm } from "../../../support/softhsm.ts";
import { Rig } from "../rig.ts";
import type { ProcessEnd } from "../rig-process.ts";
import { settle } from "../settle.ts";
import { untilBusy } from "./kill.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { inScenario, report } from "./scenario.ts";

/**
 * As seen from outside, on a machine that may be busy. The ten seconds are kept by the daemons themselves:
 * one that needs longer ends with another status than 0.
 */
const endMsMax = 20_000;

/** @param options.token the agent's key in SoftHSM2 instead of a file. */
export async function sigterm({
  seed,
  rounds,
  receiptsMax: statementsMax,
  token,
}: ScenarioOptions & { readonly token: boolean }): Promise<ScenarioReport> {
  const random = seededRandom(seed);
  const hsm = token ? createSoftHsm() : undefined;
  hsm?.addToken("rig");
  try {
    const key = hsm === undefined ? {} : { key: hsm.keyUri("rig", "signing") };
    const rig = await Rig.open({ seed, rate: 2_500, ...key });
    const run = async () => {
      const ends: ProcessEnd[] = [];
      await rig.startMeter();
      await rig.startAgent();
      for (let round = 0; round < rounds; round++) {
        await untilBusy(rig, random);
        ends.push(await rig.stopGateway());
        await rig.startGateway();
        await untilBusy(rig, random);
        ends.push(await rig.stopAgentOnTheLine());
        await rig.startAgent();
      }
      // With nobody to send to, too.
      await untilBusy(rig, random);
      await rig.stopGateway();
      ends.push(await rig.stopAgentOnTheLine());
      await rig.startGateway();
      await rig.startAgent();
      const bad = ends.find(({ status, ms }) => status !== 0 || ms > endMsMax);
      if (bad !== undefined) throw new Error(`ended with ${bad.status} after ${bad.ms} ms`);
      const settled = await settle(rig, { random, statementsMax });
      const slowest = Math.round(Math.max(...ends.map(({ ms }) => ms)));
      const where = token ? "in SoftHSM2" : "in a file";
      const own = `${ends.length} SIGTERMs, the slowest end took ${slowest} ms; key ${where}`;
      return report("sigterm", seed, { own, settled });
    };
    return await inScenario("sigterm", seed, { rig, run });
  } finally {
    hsm?.remove();
  }
}
