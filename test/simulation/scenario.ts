/** What a seed makes happen: how many validators, which liars, which faults at which time. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { ReplicaParameters } from "@tamga/ledger-core/consensus/replica-io";
import type { LiarKind } from "./byzantine.ts";
import { liarKinds } from "./byzantine.ts";
import type { LinkConditions } from "./network.ts";
import { Random } from "./random.ts";
import type { CrashPoint } from "./simulated-node.ts";
import { namesUpTo } from "./validators.ts";

export const scenarioSizes = [4, 5, 7, 10] as const;

export type Fault =
  | { readonly type: "crash"; readonly node: Identifier; readonly downMs: number }
  | {
      readonly type: "crash-in-effect";
      readonly node: Identifier;
      /** Effects until then. */
      readonly after: number;
      readonly point: CrashPoint;
      readonly downMs: number;
    }
  | { readonly type: "disk-full"; readonly node: Identifier; readonly downMs: number }
  | {
      readonly type: "partition";
      readonly side: readonly Identifier[];
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  | { readonly type: "wall-jump"; readonly node: Identifier; readonly byMs: number }
  | {
      readonly type: "restore";
      readonly node: Identifier;
      readonly votes: "kept" | "set-back" | "lost";
      readonly channel: "kept" | "set-back";
      /** False: nobody said so; the peers' answers must tell. */
      readonly flag: boolean;
      readonly backupAt: number;
    }
  | { readonly type: "change-validators"; readonly set: number };

export type Scenario = {
  readonly seed: number;
  readonly size: number;
  readonly names: readonly Identifier[];
  readonly sets: readonly (readonly Identifier[])[];
  readonly liars: ReadonlyMap<Identifier, LiarKind>;
  readonly conditions: LinkConditions;
  readonly parameters: ReplicaParameters;
  readonly syncMs: number;
  readonly groupCommit: boolean;
  readonly driftingClocks: boolean;
  /** Delay within Δ, nothing lost, nobody lies or crashes. */
  readonly isSynchronous: boolean;
  /** Messages go through their bytes. */
  readonly onWire: boolean;
  /** How long faults happen. */
  readonly faultMs: number;
  readonly faults: readonly { readonly at: number; readonly fault: Fault }[];
  readonly submissions: readonly { readonly at: number; readonly node: Identifier }[];
};

export const simulatedParameters: ReplicaParameters = {
  deltaMs: 100,
  emptyHoldMs: 20,
  keepAliveMs: 400,
  skipMs: 1_500,
  blockTransactionsMax: 4,
  blockBytesMax: 4_096,
  sealEveryHeights: 4,
  sealBucketMs: 2_000,
};

export function drawScenario(seed: number, size?: number): Scenario {
  const random = new Random(seed);
  const n = size ?? random.pick(scenarioSizes);
  const names = namesUpTo(n + 2);
  const validators = names.slice(0, n);
  const isSynchronous = random.chance(0.12);
  const budget = Math.floor((n - 1) / 3);
  const liars = isSynchronous ? [] : random.sample(validators, random.int(budget + 1));
  const kinds = new Map(liars.map((name) => [name, random.pick(liarKinds)]));
  const faultMs = random.between(800, 4_000);
  const honest = validators.filter((name) => !kinds.has(name));
  const isLossy = random.chance(0.6);
  return {
    seed,
    size: n,
    names,
    sets: drawSets(random, names, n, kinds),
    liars: kinds,
    conditions: {
      delayMin: 1,
      delayMax: isSynchronous ? random.between(2, 60) : random.pick([10, 50, 100, 300]),
      loss: isSynchronous || !isLossy ? 0 : random.int(31) / 100,
      duplicate: isSynchronous ? 0 : random.pick([0, 0.02, 0.1]),
    },
    parameters: simulatedParameters,
    syncMs: random.pick([0, 0, 3, 10]),
    groupCommit: random.chance(0.4),
    driftingClocks: !isSynchronous && random.chance(0.4),
    isSynchronous,
    onWire: random.chance(0.04),
    faultMs,
    faults: isSynchronous
      ? []
      : drawFaults(random, { honest, validators, faultMs, mayForget: kinds.size < budget }),
    submissions: Array.from({ length: random.between(4, 14) }, () => ({
      at: random.int(faultMs),
      node: random.pick(honest),
    })).sort((a, b) => a.at - b.at),
  };
}

/** One validator replaced, one more, one less; liars stay, so that their number does not outgrow f. */
function drawSets(
  random: Random,
  names: readonly Identifier[],
  n: number,
  liars: ReadonlyMap<Identifier, LiarKind>,
): Identifier[][] {
  const validators = names.slice(0, n);
  const leaving = random.pick(validators.filter((name) => !liars.has(name)));
  const [standby, second] = names.slice(n);
  const added = present(standby, "a name that stands by");
  const replaced = validators.map((name) => (name === leaving ? added : name));
  const another = random.pick(validators.filter((name) => !liars.has(name) && name !== leaving));
  return [
    replaced,
    replaced.map((name) => (name === another ? present(second, "second standby") : name)),
  ];
}

function drawFaults(
  random: Random,
  {
    honest,
    validators,
    faultMs,
    mayForget,
  }: {
    readonly honest: readonly Identifier[];
    readonly validators: readonly Identifier[];
    readonly faultMs: number;
    readonly mayForget: boolean;
  },
): { at: number; fault: Fault }[] {
  const faults: { at: number; fault: Fault }[] = [];
  const add = (fault: Fault) => faults.push({ at: random.int(faultMs), fault });
  const downMs = () => random.between(1, random.chance(0.3) ? faultMs : 400);
  for (let i = random.int(5); i > 0; i--)
    add({ type: "crash", node: random.pick(honest), downMs: downMs() });
  for (let i = random.int(5); i > 0; i--)
    add({
      type: "crash-in-effect",
      node: random.pick(honest),
      after: random.int(60),
      point: random.pick(["before", "torn", "after"]),
      downMs: downMs(),
    });
  if (random.chance(0.2)) add({ type: "disk-full", node: random.pick(honest), downMs: downMs() });
  for (let i = random.int(4); i > 0; i--)
    add({
      type: "partition",
      side: random.sample(validators, random.between(1, validators.length - 1)),
      oneWay: random.chance(0.4),
      forMs: random.between(50, faultMs),
    });
  for (let i = random.chance(0.3) ? random.between(1, 3) : 0; i > 0; i--)
    add({
      type: "wall-jump",
      node: random.pick(validators),
      byMs: random.between(-1_200_000, 1_200_000),
    });
  if (mayForget && random.chance(0.3)) {
    const backupAt = random.int(faultMs);
    const flag = random.chance(0.7);
    faults.push({
      at: random.between(backupAt, faultMs),
      fault: {
        type: "restore",
        node: random.pick(honest),
        votes: flag ? random.pick(["kept", "set-back", "lost"]) : random.pick(["set-back", "lost"]),
        channel: random.pick(["kept", "set-back"]),
        flag,
        backupAt,
      },
    });
  }
  if (random.chance(0.35)) add({ type: "change-validators", set: 0 });
  return faults.sort((a, b) => a.at - b.at);
}
