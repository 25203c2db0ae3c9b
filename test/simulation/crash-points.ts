/**
 * One script of ten views at four validators, and a power cut after any one of its effects: of the validator
 * whose effect it is, alone or together with any others. All come back, and the end is asked of them.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Violation } from "./directed-run.ts";
import { DirectedRun, violationOf } from "./directed-run.ts";

/** An effect of the script, in the order over all validators. */
export type ScriptedEffect = {
  readonly node: number;
  readonly type: string;
};
/** After which effect power goes, and where: `nodes` has the one whose effect it is. */
export type CutPoint = { readonly effect: number; readonly nodes: readonly number[] };

export const scriptedSize = 4;
const scriptedViews = 10;
/** Nobody hears what is proposed in these: they are nullified. */
const unheardViews: readonly number[] = [3, 6];
const submitEveryMs = 70;
const submissionsMax = 60;
/** Longer than a leader is waited for at first, so that the others go on without. */
const downMs = 250;

/** @returns every effect of the script where nothing is cut. */
export function scriptedEffects(): readonly ScriptedEffect[] {
  const effects: ScriptedEffect[] = [];
  play((run) => {
    for (const [node, of] of run.world.nodes.entries())
      of.crashAt = ({ type }) => {
        effects.push({ node, type });
        return undefined;
      };
  });
  return effects;
}

/** Every subset of the validators that has `node`. */
export function subsetsWith(node: number): readonly (readonly number[])[] {
  const everybody = Array.from({ length: scriptedSize }, (_, at) => at);
  const subsets = Array.from({ length: 2 ** scriptedSize }, (_, bits) =>
    everybody.filter((at) => (bits >> at) % 2 === 1),
  );
  return subsets.filter((subset) => subset.includes(node));
}

/** Plays the script with the cut. What an unsynced clean-up becomes is drawn from the point. */
export function violationAt({ effect: at, nodes }: CutPoint): Violation | undefined {
  return violationOf(() => {
    let isCut = false;
    play((run) => {
      const members = nodes.map((index) => present(run.world.nodes[index], "a validator"));
      let count = 0;
      for (const node of run.world.nodes) {
        node.crashAt = () => (count++ === at ? "after" : undefined);
        node.crashed = () => {
          if (!members.includes(node)) throw new RangeError(`effect ${at} is of ${node.id}`);
          isCut = true;
          for (const member of members) member.powerCut();
          run.world.scheduler.in(downMs, () => {
            for (const member of members) member.start();
          });
        };
      }
    }, at);
    if (!isCut) throw new RangeError(`the script ends before effect ${at}`);
  });
}

/** @param prepare is given the run before its first event. */
function play(prepare: (run: DirectedRun) => void, seed = 1): void {
  const run = new DirectedRun({ size: scriptedSize, seed, isStarted: false });
  const { nodes } = run.world;
  prepare(run);
  run.start();
  run.lose(({ message }) => message.type === "propose" && unheardViews.includes(message.view));
  const isOver = () => nodes.every((node) => (node.status()?.view ?? 0) > scriptedViews);
  for (let number = 0; !isOver() && number < submissionsMax; number++) {
    run.submit(present(nodes[number % scriptedSize], "a validator"));
    run.pass(submitEveryMs);
  }
  run.expect("ten views", isOver());
  for (const node of nodes) run.submit(node);
  run.finish();
}
