/** Written schedules of blocks that all others have pruned: who lacks them begins from a snapshot. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Violation } from "./directed-run.ts";
import { DirectedRun, fourOf, violationOf } from "./directed-run.ts";
import type { SimulatedNode } from "./simulated-node.ts";

/** A disk was replaced, and the operator says so; no other has the first blocks any more. */
export function diskReplacedAndOthersPruned(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    const blank = a.disk.snapshot();
    goOn(run, leader);
    a.powerCut();
    a.disk.restore(blank, { votes: "lost", channel: "set-back", flag: true });
    a.forgetLost();
    goOn(run, leader, a);
    jumpOnceTold(run, a, [leader, b, c]);
    run.until("the amnesiac was answered", () => !a.abstaining);
    goOn(run, a);
    run.finish();
  });
}

/** One was away with its votes and its blocks, until those that come next were pruned by all others. */
export function awayUntilOthersPruned(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    goOn(run, leader);
    const { length } = a.disk.channel.durable.blocks;
    a.powerCut();
    goOn(run, leader, a);
    jumpOnceTold(run, a, [leader, b, c]);
    run.expect("its own votes count", !a.abstaining);
    run.expect("a jump", a.disk.channel.durable.blocks.length > length);
    // Its vote is needed now.
    c.powerCut();
    const last = leader.disk.tip().height;
    run.submit(leader);
    run.until("a block with its vote", () => leader.disk.tip().height > last);
    run.finish();
  });
}

/** Several blocks with nobody of `without`, sealed. */
function goOn(run: DirectedRun, at: SimulatedNode, ...without: readonly SimulatedNode[]): void {
  const nodes = run.present.filter((node) => !without.includes(node));
  for (let block = 0; block < 3; block++) {
    const { height } = at.disk.tip();
    run.submit(at);
    run.until("a block more", () => at.disk.tip().height > height);
  }
  run.until("what was ordered is sealed", () => nodes.every((node) => node.status()?.isIdle));
}

/** Starts it, waits until one of the others says that the next block is gone, and takes that one's snapshot. */
function jumpOnceTold(
  run: DirectedRun,
  node: SimulatedNode,
  others: readonly SimulatedNode[],
): void {
  for (const other of others) other.prunedBelow = other.disk.channel.durable.blocks.length;
  let teller: SimulatedNode | undefined;
  run.lose(({ from, to, message }) => {
    if (to === node.name && message.type === "pruned") teller ??= run.world.node(from);
    return false;
  });
  const { height } = node.disk.tip();
  node.start();
  run.until("one says that the blocks are gone", () => teller !== undefined);
  run.expect("nothing was taken", node.disk.tip().height === height);
  run.lose(() => false);
  node.jump(present(teller, "who said so"));
}
