/** The line to the gateway is cut for a backlog, and mended: live readings do not wait for it. */

import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import type { PromiseMade } from "../account-types.ts";
import { Rig } from "../rig.ts";
import { settle } from "../settle.ts";
import { patienceMs, until } from "../wait.ts";
import { untilBusy } from "./kill.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { inScenario, report } from "./scenario.ts";

const backlogMin = 20_000;
const rateOffered = 4_000;

export async function linkCut({
  seed,
  receiptsMax: statementsMax,
}: ScenarioOptions): Promise<ScenarioReport> {
  const random = seededRandom(seed);
  const rig = await Rig.open({ seed, rate: rateOffered });
  const run = async () => {
    await rig.startMeter();
    await rig.startAgent();
    await untilBusy(rig, random);
    rig.line.cut();
    const atCut = { signed: rig.book.counts.signed, made: rig.book.made.length };
    await until(
      () => `a backlog of ${backlogMin}`,
      patienceMs,
      () => {
        rig.requireAlive();
        return rig.book.counts.signed - atCut.signed >= backlogMin ? true : undefined;
      },
    );
    const { made } = rig.book;
    const backlog = made.slice(atCut.made).filter(({ kind }) => kind === "signed");
    const end = Math.max(...backlog.map(({ to }) => to));
    rig.line.mend();
    // The meter goes on meanwhile: what it says now is live.
    await until(
      () => "a receipt for a live reading",
      patienceMs,
      () => {
        rig.requireAlive();
        return made.some(({ kind, from }) => kind === "final" && from >= end) ? true : undefined;
      },
    );
    const settled = await settle(rig, { random, statementsMax });
    const { left, size } = backlogAtFirstLive(made, backlog);
    if (left === 0) throw new Error("no live reading had its receipt before the backlog");
    const own =
      `backlog of ${size} readings, ${left} of them still without a final receipt when ` +
      "the first live reading had one";
    return report("link-cut", seed, { own, settled });
  };
  return inScenario("link-cut", seed, { rig, run });
}

/** How much of a backlog had no final receipt yet when a later reading had one. */
function backlogAtFirstLive(
  made: readonly PromiseMade[],
  backlog: readonly PromiseMade[],
): { readonly left: number; readonly size: number } {
  const size = backlog.reduce((sum, { from, to }) => sum + to - from, 0);
  const end = Math.max(...backlog.map(({ to }) => to));
  const begins = new Set(backlog.map(({ from }) => from));
  let left = size;
  for (const { kind, from, to } of made) {
    if (kind !== "final") continue;
    if (from >= end) return { left, size };
    // A statement may be proved twice, by two heads.
    if (begins.delete(from)) left -= to - from;
  }
  return { left: 0, size };
}
