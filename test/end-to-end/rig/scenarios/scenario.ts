/** What every scenario is given and gives back. */

import type { Violation } from "../account-types.ts";
import type { Rig } from "../rig.ts";
import type { Settled } from "../settle.ts";

export type ScenarioOptions = {
  /** Decides instants of kills and which receipts are looked at. */
  readonly seed: number;
  /** Kills, where the scenario kills. */
  readonly rounds: number;
  /** Readings a second at which a kill should happen; slower ones are tried again, to a bound. */
  readonly rateWanted: number;
  /** Readings a second below which a kill does not count after all tries either. */
  readonly rateMin: number;
  /** Statements that are looked at by a receipt; all of them up to this many. */
  readonly receiptsMax: number;
};

export type ScenarioReport = {
  readonly scenario: string;
  readonly violations: readonly Violation[];
  /** One line for people. */
  readonly summary: string;
};

/** The scenario, with its seed on whatever it throws. */
export async function inScenario(
  scenario: string,
  seed: number,
  part: { readonly rig: Rig; readonly run: () => Promise<ScenarioReport> },
): Promise<ScenarioReport> {
  try {
    return await part.run();
  } catch (error) {
    throw failure(scenario, { seed, tail: part.rig.tail, cause: error });
  } finally {
    await part.rig.close();
  }
}

/** Why first, then what the processes said: of a long message only the beginning may be kept. */
export function failure(
  scenario: string,
  part: { readonly seed: number; readonly tail: string; readonly cause: unknown },
): Error {
  const { seed, tail, cause } = part;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${scenario} failed, RIG_SEED=${seed}: ${why}\n${tail}`, { cause });
}

/** The figures that all scenarios have, behind those of their own. */
export function report(
  scenario: string,
  seed: number,
  part: { readonly own: string; readonly settled: Settled; readonly more?: readonly Violation[] },
): ScenarioReport {
  const { own, settled, more = [] } = part;
  const stated = Object.entries(settled.stated).map(([reason, count]) => `${count} ${reason}`);
  const violations = [...more, ...settled.violations];
  const figures = [
    own,
    `${settled.frames} frames on the wire`,
    `${settled.received} in the lane`,
    ...(stated.length === 0 ? [] : [`stated missing: ${stated.join(", ")}`]),
    ...(settled.lostAtKills === 0 ? [] : [`${settled.lostAtKills} lost in memory at kills`]),
    ...(settled.torn === 0 ? [] : [`${settled.torn} torn`]),
    ...(settled.conflicts === 0 ? [] : [`${settled.conflicts} expected conflicts`]),
    `${settled.statements} statements of ${settled.incarnations} runs`,
    `receipts verified: ${settled.receipts.statements} statements, ${settled.receipts.readings} readings`,
    `${settled.headsChecked} lane heads recomputed`,
    `${violations.length} violations`,
    `seed ${seed}`,
  ];
  return { scenario, violations, summary: `${scenario}: ${figures.join("; ")}` };
}
