/** A gateway process for a bench, which refuses to measure one that does not sync its commits. */

import { present } from "@tamga/ledger-core/base/assert";
import { z } from "zod";
import type { TestDevice } from "../support/test-device.ts";
import { TestSite } from "../support/test-site.ts";
import type { Made } from "../support/test-stream.ts";
import type { BenchContext } from "./bench.ts";
import type { DiskSync } from "./machine.ts";
import { Presigner } from "./presigned.ts";

/** `PRAGMA synchronous`: 2 is FULL, 3 is EXTRA. */
const synchronousFull = 2;
/** Statements of one device that wait for PUBACK, as the agent's own window at most. */
export const windowMax = 64;
const finalMsMax = 120_000;

const durabilitySchema = z.looseObject({
  durability: z.looseObject({
    journal: z.string(),
    synchronous: z.int(),
    commits: z.int(),
  }),
});

export type Durability = z.output<typeof durabilitySchema>["durability"];

/** Why a gateway that commits like this is not measured; undefined where nothing is wrong. */
export function judgeDurability(durability: Durability): string | undefined {
  const { journal, synchronous } = durability;
  if (journal === "wal" && synchronous >= synchronousFull) return undefined;
  return `the gateway's lane commits with journal ${journal}, synchronous ${synchronous}`;
}

/** Why these commits cannot all have reached the disk; undefined where they can. */
export function judgeCommits(
  commits: number,
  took: { readonly ms: number; readonly sync: DiskSync },
): string | undefined {
  const leastMs = commits * took.sync.minMs;
  if (leastMs <= took.ms) return undefined;
  const [found, least] = [took.ms, leastMs].map((ms) => ms.toFixed(0));
  return `${commits} commits in ${found} ms, where this disk needs ${least} ms at the least`;
}

export class BenchSite {
  readonly site: TestSite;

  private constructor(site: TestSite) {
    this.site = site;
  }

  /** Starts a gateway; throws where it would not keep what it acknowledges. */
  static async start(context: BenchContext): Promise<BenchSite> {
    const { nodeArguments } = context;
    const site = await TestSite.start({ nodeArguments, config: "" });
    const wrong = judgeDurability(await durabilityOf(site));
    if (wrong === undefined) return new BenchSite(site);
    await site.close();
    throw new Error(`refusing to measure: ${wrong}`);
  }

  /** Devices on the line, each with a stream whose start is final: the head has come down once. */
  async devices(
    names: readonly string[],
    port = this.site.mqttPort,
  ): Promise<readonly BenchDevice[]> {
    const enrolled = await this.site.enrolMany(names);
    const devices: BenchDevice[] = [];
    for (const device of enrolled) {
      await device.connect(port);
      device.client.setMaxListeners(2 * windowMax);
      const presigner = new Presigner(device.stream("p1"));
      devices.push({ device, presigner });
      const start = presigner.start();
      await device.send(start);
      await untilFinal(device, [start]);
      const answer = device.answerTo(start);
      if (answer?.kind === "final") presigner.believe(answer.head.seal.head);
    }
    return devices;
  }

  /** CPU seconds of the gateway, wall seconds and commits, while `work` ran. */
  async measure(work: () => Promise<void>): Promise<GatewayCost> {
    const { site } = this;
    const commitsBefore = (await durabilityOf(site)).commits;
    const [cpuBefore, wallBefore] = [site.cpuSeconds(), performance.now()];
    await work();
    const wallMs = performance.now() - wallBefore;
    const cpuSeconds = site.cpuSeconds() - cpuBefore;
    const commits = (await durabilityOf(site)).commits - commitsBefore;
    return { cpuSeconds, wallMs, commits };
  }

  async close(): Promise<void> {
    // SIGTERM first: a profile of its Node is written at a regular end.
    await this.site.stop("SIGTERM");
    await this.site.close();
  }
}

export type GatewayCost = {
  readonly cpuSeconds: number;
  readonly wallMs: number;
  readonly commits: number;
};

/** Throws where commits came faster than the disk can take them. */
export function requireSynced(cost: GatewayCost, sync: DiskSync): void {
  const wrong = judgeCommits(cost.commits, { ms: cost.wallMs, sync });
  if (wrong !== undefined) throw new Error(`refusing to believe: ${wrong}`);
}

export type BenchDevice = { readonly device: TestDevice; readonly presigner: Presigner };

/** Publishes within the window; resolves when all are acknowledged. */
export async function sendAll(device: TestDevice, made: readonly Made[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < made.length) await device.send(present(made[next++], "statement to send"));
  };
  await Promise.all(Array.from({ length: windowMax }, worker));
}

/** Resolves when each has a final proof that the device verified. */
export async function untilFinal(device: TestDevice, made: readonly Made[]): Promise<void> {
  let done = 0;
  const look = () => {
    while (done < made.length) {
      const answer = device.answerTo(present(made[done], "statement that was sent"));
      if (answer?.kind === "rejected") throw new Error(`rejected: ${answer.rejection.code}`);
      if (answer?.kind !== "final") return undefined;
      done++;
    }
    return done;
  };
  await device.untilReceived(look, finalMsMax);
}

/** While this process signed beforehand the gateway may have closed the kept connection: ask once more. */
async function durabilityOf(site: TestSite): Promise<Durability> {
  const ask = async (): Promise<unknown> => (await fetch(`${site.http}/status.json`)).json();
  return durabilitySchema.parse(await ask().catch(ask)).durability;
}
