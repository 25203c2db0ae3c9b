/** What every scenario of the validators is given and gives back. */

import { seededRandom } from "@tamga/firmware-stubs/seeded-random";
import { failure } from "../../rig/scenarios/scenario.ts";
import { patienceMs, until } from "../../rig/wait.ts";
import type { ConsortiumTemplate } from "../consortium-template.ts";
import type { Settled } from "../settle.ts";
import type { ValidatorRigOptions } from "../validator-rig.ts";
import { ValidatorRig } from "../validator-rig.ts";

export type ScenarioOptions = {
  readonly template: ConsortiumTemplate;
  /** Decides whom it hits, when, and which receipts are looked at. */
  readonly seed: number;
  /** Faults, where the scenario repeats one; in the long form more. */
  readonly rounds: number;
  /** Receipts that `tamga-verify` judges as a process. */
  readonly verifyMax: number;
};

export type ScenarioReport = {
  readonly violations: readonly { readonly code: string; readonly what: string }[];
  /** One line for people. */
  readonly summary: string;
};

export type Scenario = (options: ScenarioOptions) => Promise<ScenarioReport>;

/** What a scenario did, in its own words, and how it ended. */
export type Outcome = { readonly own: string; readonly settled: Settled };

/** Opens the rig, runs the scenario in it, and puts the seed on whatever it throws. */
export async function inRig(
  name: string,
  options: ScenarioOptions & Omit<ValidatorRigOptions, "template">,
  run: (rig: ValidatorRig, random: () => number) => Promise<Outcome>,
): Promise<ScenarioReport> {
  const { seed } = options;
  const rig = await ValidatorRig.open(options);
  try {
    const { own, settled } = await run(rig, seededRandom(seed));
    const { acknowledged, finals, height, seals, violations } = settled;
    const figures = [
      own,
      `${finals} of ${acknowledged} acknowledged statements final`,
      `height ${height}`,
      `${seals} sealed checkpoints compared`,
      `${violations.length} violations`,
      `seed ${seed}`,
    ];
    return { violations, summary: `${name}: ${figures.join("; ")}` };
  } catch (cause) {
    throw failure(name, { seed, tail: rig.tail, cause });
  } finally {
    await rig.close();
  }
}

/** Waits until each of these validators has sealed at least `more` leaves beyond what any has now. */
export async function untilSealed(
  rig: ValidatorRig,
  { at, more }: { readonly at: readonly number[]; readonly more: number },
): Promise<number> {
  const sizes = () =>
    Promise.all(at.map(async (one) => (await rig.validator(one).status()).ledger.sealedSize));
  const target = Math.max(...(await sizes())) + more;
  let seen: readonly number[] = [];
  await until(
    () => `sealed ${target} leaves at ${at.join(", ")}; ${seen.join(", ")} are`,
    patienceMs,
    async () => {
      rig.requireAlive();
      seen = await sizes();
      return Math.min(...seen) >= target ? { done: true } : undefined;
    },
    100,
  );
  await rig.noteSeals();
  return target;
}

/** All of them, by their places. */
export const everyone: readonly number[] = [0, 1, 2, 3];

export const everyoneBut = (at: number) => everyone.filter((one) => one !== at);

export function pick<T>(list: readonly T[], random: () => number): T {
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new Error("nothing to pick from");
  return one;
}
