/** Written schedules of slow, deaf and lossy links and of twins, each for a rule that seeds seldom reach. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Violation } from "./directed-run.ts";
import { DirectedRun, fourOf, isVote, rowOf, violationOf } from "./directed-run.ts";
import type { Delivery } from "./network.ts";
import { require } from "./oracle-violation.ts";
import { simulatedParameters } from "./scenario.ts";

/** No link ever delivers the first copy of a view's FINALIZE: the second has to come. */
export function firstFinalizeLost(seed?: number, size = 4): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size, seed });
    const sent = new Set<string>();
    run.lose((delivery) => {
      const { from, to, message } = delivery;
      if (message.type !== "vote" || !isVote(delivery, "finalize")) return false;
      const copy = `${from}>${to}/${message.vote.voter}/${message.vote.ballot.view}`;
      const isFirst = !sent.has(copy);
      sent.add(copy);
      return isFirst;
    });
    for (const node of run.present) run.submit(node);
    run.finishAsItIs(20 * simulatedParameters.deltaMs);
  });
}

/**
 * Every message takes a millisecond less than Δ, leaders hold nothing back: nobody may give a view up. Above
 * seven validators a vote goes by way of two leaders, a hop more: three quarters of Δ is what 3Δ allow there.
 */
export function delayJustUnderDelta(seed?: number, size = 4): Violation | undefined {
  return violationOf(() => {
    const { deltaMs } = simulatedParameters;
    const delay = size > 7 ? Math.floor((deltaMs * 3) / 4) : deltaMs - 1;
    const conditions = { delayMin: delay, delayMax: delay, loss: 0, duplicate: 0 };
    const run = new DirectedRun({ size, seed, conditions, emptyHoldMs: 0 });
    for (const node of run.present) {
      run.submit(node);
      run.untilIdle();
    }
    run.finish();
    const { nullifyCount } = run.world.oracle.votes;
    require(nullifyCount === 0, "synchrony", () => `${nullifyCount} NULLIFY`);
  });
}

/** One hears nothing while the others order and fall silent: their keep-alives alone must bring it along. */
export function deafWhileOthersOrder(seed?: number, size = 4): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size, seed });
    const leader = run.leaderOf(1);
    const deaf = present(run.others(leader).at(-1), "a node that is deaf");
    run.lose(({ to }) => to === deaf.name);
    run.submit(leader);
    run.until("a final block", () => run.world.oracle.chain.height > 0);
    run.untilIdle();
    run.expect("one that knows of nothing", deaf.status()?.finalHeight === 0);
    run.finish();
  });
}

/**
 * The same, where the others' view does not follow from what is final: the view after the final block was
 * nullified before that became final.
 */
export function deafWhileOthersNullify(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, c: deaf } = fourOf(run);
    const isNullified = () => run.others(deaf).every((node) => (node.status()?.view ?? 0) > 2);
    run.lose(
      (delivery) =>
        delivery.to === deaf.name ||
        (delivery.message.type === "propose" && delivery.message.view > 1) ||
        (isVote(delivery, "finalize") && !isNullified()),
    );
    run.submit(leader);
    run.until("a view above the final one nullified", isNullified);
    run.untilIdle();
    run.expect("one final block", leader.status()?.finalHeight === 1);
    run.expect("one that knows of nothing", deaf.status()?.finalHeight === 0);
    run.finish();
  });
}

/** Two engines with the leader's key propose different blocks, each to another, and then the other way round. */
export function twinsPropose(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed, liars: new Map([[1, "twins"]]) });
    const { world } = run;
    const left = world.node("v1-left");
    const right = world.node("v1-right");
    const peersOf = (of: readonly (readonly [string, string])[]) => {
      world.dealsWith = (twin, peer) =>
        of.some(([side, name]) => twin.id.endsWith(side) && name === peer);
    };
    peersOf([
      ["left", "v0"],
      ["right", "v2"],
    ]);
    run.submit(left);
    run.submit(right);
    const [v0, v2] = [world.node("v0"), world.node("v2")];
    const digestAt = (node: typeof v0) => String(rowOf(node, 1)?.notarized?.digest);
    run.until("a block at each", () => [v0, v2].every((node) => rowOf(node, 1) !== undefined));
    run.expect("two blocks in one view", digestAt(v0) !== digestAt(v2));
    peersOf([
      ["left", "v2"],
      ["left", "v3"],
      ["right", "v0"],
    ]);
    run.pass(400);
    world.dealsWith = () => true;
    run.pass(400);
    run.finish();
  });
}

/** A proposal of a view that was nullified arrives when its receiver has voted in the next one. */
export function proposalOfAViewBehind(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, c: late } = fourOf(run);
    const held: Delivery[] = [];
    let isDeaf = true;
    run.lose((delivery) => {
      const { to, message } = delivery;
      const isFirstView = message.type === "propose" && message.view === 1;
      if (isFirstView && to === late.name) held.push(delivery);
      return isFirstView || isVote(delivery, "finalize") || (isDeaf && to === late.name);
    });
    run.submit(leader);
    run.submit(a);
    run.until("the others have entered view 2", () =>
      run.others(late).every((node) => (node.status()?.view ?? 0) > 1),
    );
    isDeaf = false;
    const rows = () => [...late.disk.votes.durable.rows.values()];
    run.until("the late one has voted above", () =>
      rows().some(({ view, notarized }) => view > 1 && notarized !== undefined),
    );
    run.expect("no vote of it below", rowOf(late, 1) === undefined);
    run.lose((delivery) => isVote(delivery, "finalize"));
    const [old] = held;
    run.world.network.send(present(old, "a proposal held back"));
    run.pass(50);
    run.finish();
  });
}

/** A notarization reaches one that has nullified the view and gone on: it may not finalize it any more. */
export function notarizationOfAViewNullified(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c: late } = fourOf(run);
    run.lose((delivery) => delivery.to === late.name || isVote(delivery, "finalize"));
    run.submit(late);
    run.until("one has nullified", () => rowOf(late, 1)?.nullified !== undefined);
    for (const node of [leader, a, b])
      run.expect("the others have finalized", rowOf(node, 1)?.finalized !== undefined);
    run.lose((delivery) => isVote(delivery, "finalize"));
    run.until("it has gone on", () => (late.status()?.view ?? 0) > 1);
    run.finish();
  });
}

/**
 * One finalizes a block that the three others nullify and skip, so that nothing of it may ever be sealed: the
 * next leader knows of no notarization and builds beside it.
 */
export function finalizedByOneAndSkipped(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a: one } = fourOf(run);
    const next = run.leaderOf(2);
    run.expect("another leads then", next !== one);
    run.lose(
      (delivery) =>
        delivery.from === one.name ||
        (delivery.to !== one.name && isVote(delivery, "notarize", 1)) ||
        (delivery.to !== one.name && isNotarization(delivery)),
    );
    run.submit(leader);
    run.until("one has finalized", () => rowOf(one, 1)?.finalized !== undefined);
    run.until("the next leader has built", () => rowOf(next, 2)?.notarized !== undefined);
    run.expect("beside that block", rowOf(next, 2)?.notarized?.parentView === 0);
    run.finish();
  });

  function isNotarization({ message }: Delivery): boolean {
    return message.type === "certificate" && message.certificate.ballot.kind === "notarize";
  }
}
