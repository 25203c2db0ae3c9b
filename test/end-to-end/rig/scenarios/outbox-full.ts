/** The outbox is filled to its quota while nobody takes anything: what is dropped is stated, and why. */

import { readFileSync } from "node:fs";
import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import { Rig } from "../rig.ts";
import type { RigAgentStatus } from "../rig-status.ts";
import { settle } from "../settle.ts";
import { patienceMs, pause, until } from "../wait.ts";
import { untilBusy } from "./kill.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { inScenario, report } from "./scenario.ts";

export type WhenFull = "stop" | "shed-oldest" | "thin";

/**
 * The reasons that a policy may give; the first one it must, and most often. Where signatures lag behind
 * a fast line the journal alone can fill so small a quota, and then nothing can be shed for what comes.
 */
const reasons: Readonly<Record<WhenFull, readonly string[]>> = {
  stop: ["stopped"],
  "shed-oldest": ["shed-oldest", "stopped"],
  thin: ["thinned", "shed-oldest", "stopped"],
};
/** What an agent says of itself once it has to drop something. */
const isFull: Readonly<Record<WhenFull, (outbox: RigAgentStatus["outbox"]) => boolean>> = {
  stop: ({ intake }) => intake === "stopped",
  "shed-oldest": ({ statements, gapRanges }) => statements.final === 0 && gapRanges > 0,
  thin: ({ thinLevel }) => thinLevel > 1,
};
/** Milliseconds for which the meter goes on after the outbox is full. */
const overfullMs = 2_000;
/** What an agent that is full may live on: with more live data than this heap it would end by itself. */
const heapMiBMax = 64;
const agentBytesMax = 224 * 1_024 * 1_024;

export async function outboxFull(
  whenFull: WhenFull,
  { seed, receiptsMax: statementsMax }: ScenarioOptions,
): Promise<ScenarioReport> {
  const scenario = `outbox-full ${whenFull}`;
  const random = seededRandom(seed);
  const rig = await Rig.open({ seed, rate: 3_000, agent: { quota: "1MiB", whenFull }, heapMiBMax });
  const run = async () => {
    await rig.startMeter();
    await rig.startAgent();
    await untilBusy(rig, random);
    rig.line.cut();
    await until(
      () => "a full outbox",
      patienceMs,
      async () => {
        const { outbox } = await rig.agentStatus();
        return isFull[whenFull](outbox) ? true : undefined;
      },
    );
    await pause(overfullMs);
    const bytes = residentBytes(rig.agentPid);
    const { outbox } = await rig.agentStatus();
    rig.line.mend();
    const settled = await settle(rig, { random, statementsMax });
    const odd = Object.keys(settled.stated).filter((reason) => !reasons[whenFull].includes(reason));
    const wanted = reasons[whenFull][0] ?? "";
    if (odd.length > 0) throw new Error(`readings were dropped as ${odd.join(", ")}`);
    const asWanted = settled.stated[wanted] ?? 0;
    if (asWanted === 0) throw new Error(`no reading was dropped as ${wanted}`);
    if (wanted !== "stopped" && asWanted < (settled.stated["stopped"] ?? 0))
      throw new Error(`more readings were dropped as stopped than as ${wanted}`);
    if (outbox.usedBytes > outbox.quotaBytes) throw new Error("more than the quota is used");
    if (bytes > agentBytesMax) throw new Error(`the agent took ${bytes} bytes of memory`);
    const own = `quota of 1 MiB, ${outbox.usedBytes} bytes used, agent of ${bytes >> 20} MiB`;
    return report(scenario, seed, { own, settled });
  };
  return inScenario(scenario, seed, { rig, run });
}

function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1_024;
}
