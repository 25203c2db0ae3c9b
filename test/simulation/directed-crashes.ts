/** Written schedules of lost power and lost disks, each for a rule that seeds seldom reach. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Violation } from "./directed-run.ts";
import { DirectedRun, fourOf, isVote, rowOf, violationOf, writesVote } from "./directed-run.ts";
import type { Delivery } from "./network.ts";

/**
 * Two lose power right after FINALIZE was written, and the only other holder of the notarization is gone. The
 * fourth has nullified: without the certificate on their disks no view would ever be entered again.
 */
export function twoFinalizedAndTheLeaderGone(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    run.lose(
      ({ from, to, message }) =>
        to === c.name ||
        (from === leader.name && message.type !== "propose" && message.type !== "transactions"),
    );
    for (const node of [a, b])
      run.cutAt(node, (effect) => writesVote(effect, "finalized", 1), "after");
    run.submit(leader);
    run.submit(c);
    run.until("two have finalized and are down", () => !a.isUp && !b.isUp);
    run.vanish(leader);
    run.until("the fourth nullified", () => rowOf(c, 1)?.nullified !== undefined);
    for (const node of [a, b])
      run.expect("FINALIZE on the disk", rowOf(node, 1)?.finalized !== undefined);
    run.finish();
  });
}

/** Three wrote NOTARIZE and lost power before a byte of it left; the leader, who built the block, is gone. */
export function threeNotarizedAndTheLeaderGone(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    for (const node of [a, b, c])
      run.cutAt(node, (effect) => writesVote(effect, "notarized", 1), "after");
    run.submit(leader);
    run.until("three are down", () => ![a, b, c].some(({ isUp }) => isUp));
    run.vanish(leader);
    for (const node of [a, b, c])
      run.expect("NOTARIZE on the disk", rowOf(node, 1)?.notarized !== undefined);
    run.finish();
  });
}

/** One holds a notarization without its body, which two that lost power have on their disks, and the leader not. */
export function bodyOnTwoDisks(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    run.lose(
      (delivery) =>
        isVote(delivery, "finalize") ||
        (delivery.to === c.name && !isVote(delivery, "notarize", 1) && !isFirstVote(delivery)),
    );
    run.submit(leader);
    run.until("one knows of the notarization alone", () => c.status()?.view === 2);
    run.vanish(leader);
    for (const node of [a, b]) node.powerCut();
    run.expect("no vote of that one", rowOf(c, 1) === undefined);
    run.finish();
  });

  /** The certificate that a and b form: it tells c what is notarized. */
  function isFirstVote({ message }: Delivery): boolean {
    return message.type === "certificate" && message.certificate.ballot.view === 1;
  }
}

/** All restart right after clean-up, and then every message of the views behind them arrives once more. */
export function cleanUpThenRestart(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const heard: Delivery[] = [];
    run.lose((delivery) => {
      heard.push(delivery);
      return false;
    });
    for (const node of run.present) {
      run.submit(node);
      run.pass(60);
    }
    run.untilIdle();
    for (const node of run.present) {
      run.expect("a final chain", node.disk.channel.durable.blocks.length > 1);
      node.powerCut();
    }
    for (const node of run.world.nodes) node.start();
    const old = heard.splice(0);
    run.lose(() => false);
    for (const delivery of old) run.world.network.send(delivery);
    for (const node of run.present) run.submit(node);
    run.finish();
  });
}

/** One lost its votes and was told how far they may have gone: below that it keeps still, after a restart too. */
export function floorOfAnAmnesiac(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a } = fourOf(run);
    run.submit(leader);
    run.untilIdle();
    const snapshot = a.disk.snapshot();
    a.powerCut();
    a.disk.restore(snapshot, { votes: "lost", channel: "kept", flag: true });
    a.forgetLost();
    a.start();
    run.until("the amnesiac was answered", () => !a.abstaining);
    const { view } = present(a.status(), "status");
    run.expect("a floor above its view", a.disk.votes.durable.floor.view >= view);
    run.submit(leader);
    run.pass(15);
    a.powerCut();
    a.start();
    run.submit(a);
    run.finish();
  });
}

/** The leader is gone, and the three others lose power right after NULLIFY was written: all are needed. */
export function ownNullifyAfterRestart(seed?: number): Violation | undefined {
  return violationOf(() => {
    const run = new DirectedRun({ size: 4, seed });
    const { leader, a, b, c } = fourOf(run);
    run.vanish(leader);
    for (const node of [a, b, c]) {
      run.cutAt(node, (effect) => writesVote(effect, "nullified", 1), "after");
      run.submit(node);
    }
    run.until("three are down", () => ![a, b, c].some(({ isUp }) => isUp));
    for (const node of [a, b, c])
      run.expect("NULLIFY on the disk", rowOf(node, 1)?.nullified !== undefined);
    run.finish();
  });
}
