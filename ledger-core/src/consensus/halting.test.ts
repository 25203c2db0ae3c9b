import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  proofOf,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { FakeLedger } from "../../../test/support/fake-ledger.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { err } from "../base/result.ts";
import { equivocationsPerBlockMax, validatorsPerEpochMax } from "./limits.ts";

const set = setOf(4);
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const others = [1, 2, 3];

/** That it has stopped, why, and that nothing moves it any more. */
function expectHalted(lone: LoneReplica, code: string): void {
  expect(lone.all("halt").map((effect) => effect.code)).toEqual([code]);
  expect(lone.status.halted).toBe(code);
  expect(lone.wakeAt).toBeUndefined();
  expect(lone.submit("note:z").effects).toEqual([]);
  const voters = lone.set.size === 1 ? [] : others;
  expect(lone.wait(10_000).votes(voters, nullify(lone.status.view)).effects).toEqual([]);
}

describe("a replica halts", () => {
  test.each([
    ["two notarizations", notarize(1, first.digest), notarize(1, digestOf("other"))],
    ["a final view that is nullified", finalize(2, digestOf("other"), 0), nullify(2)],
  ] as const)("where two certificates of a view contradict: %s", (_name, one, other) => {
    const lone = new LoneReplica({ set }).certificate(one, others);
    lone.certificate(other, others);
    expectHalted(lone, "CONSENSUS_FAULTS_EXCEEDED");
  });

  test("where two stored certificates do", () => {
    const certificates = [
      certificateOf(set, notarize(1, first.digest), others),
      certificateOf(set, notarize(1, digestOf("other")), others),
    ];
    const lone = new LoneReplica({ set, recovered: { certificates } });
    expectHalted(lone, "CONSENSUS_FAULTS_EXCEEDED");
  });

  test("where a block that is final does not execute here", () => {
    const application = new FakeLedger();
    application.salt = "broken";
    const lone = new LoneReplica({ set, ports: { application } });
    lone.receive(1, proposalOf(set, first));
    expect(lone.voted).toEqual(["nullify 1"]);
    // One NOTARIZE more or less: a peer may have been wrong.
    lone.certificate(notarize(1, first.digest), others);
    expect(lone.status.halted).toBeUndefined();
    lone.certificate(finalize(1, first.digest), others);
    expectHalted(lone, "CONSENSUS_EXECUTION_DIFFERS");
    expect(lone.disk.height).toBe(0);
  });

  test("where a block that is notarized does not, before it would vote on it", () => {
    const application = new FakeLedger();
    application.salt = "broken";
    const lone = new LoneReplica({ set, ports: { application } });
    lone.certificate(notarize(1, first.digest), others);
    lone.receive(1, { type: "blocks", blocks: [first.block] });
    expect(lone.voted).toEqual([]);
    expectHalted(lone, "CONSENSUS_EXECUTION_DIFFERS");
  });

  test("where its own ledger asks for a boundary that it refuses", () => {
    class Refusing extends FakeLedger {
      override execute(...args: Parameters<FakeLedger["execute"]>) {
        const [, { boundary }] = args;
        return boundary === undefined ? super.execute(...args) : err({ code: "FAKE_REFUSED" });
      }
    }
    const lone = new LoneReplica({ set: setOf(1), ports: { application: new Refusing() } });
    lone.submit("set:v1");
    expect(lone.disk.height).toBe(1);
    expectHalted(lone, "CONSENSUS_BOUNDARY_INVALID");
  });
});

describe("a leader that equivocates", () => {
  const other = blockOn(genesis, { view: 1, texts: ["note:z"] });
  const proof = proofOf(set, 1, [notarize(1, first.digest), notarize(1, other.digest)]);

  test("is reported in the next block, once", () => {
    const lone = new LoneReplica({ set, self: 2 }).submit("note:b");
    lone.receive(1, proposalOf(set, first), proposalOf(set, other));
    lone.certificate(nullify(1), [0, 1, 3]);
    const [proposal] = lone.sent("propose");
    expect(proposal?.block.equivocations).toEqual([proof]);
    if (proposal === undefined) throw new Error("no proposal");
    const { digest } = lone.disk.rows.get("0 2")?.notarized ?? first;
    lone.certificate(finalize(2, digest, 0), [0, 1, 3]);
    expect(lone.status.finalHeight).toBe(1);
    for (const view of [3, 4, 5]) lone.certificate(nullify(view), [0, 1, 3]);
    lone.receive(3, { type: "equivocation", proof });
    lone.submit("note:c");
    expect(lone.sent("propose")[0]?.block.equivocations).toEqual([]);
  });

  test("is known by a proof from anybody; a wrong proof is held against who brought it", () => {
    const lone = new LoneReplica({ set }).receive(3, { type: "equivocation", proof });
    expect(lone.all("equivocation")).toEqual([{ type: "equivocation", proof }]);
    expect(lone.receive(2, { type: "equivocation", proof }).effects).toEqual([]);
    const legal = proofOf(set, 1, [notarize(1, first.digest), nullify(1)]);
    lone.receive(3, { type: "equivocation", proof: legal });
    expect(lone.all("misbehaviour")).toEqual([
      { type: "misbehaviour", from: 3, code: "EQUIVOCATION_NONE" },
    ]);
  });

  test("leaves one proof a validator, so many in a block", () => {
    const names = Array.from({ length: validatorsPerEpochMax }, (_, at) => `v${at}`);
    const everybody = setOf(names);
    const lone = new LoneReplica({ set: everybody });
    for (let voter = 1; voter < names.length; voter++)
      for (const view of [1, 2]) {
        const ballots = [notarize(view, first.digest), notarize(view, other.digest)] as const;
        lone.receive(voter, {
          type: "equivocation",
          proof: proofOf(everybody, voter, ballots),
        });
        expect(lone.all("equivocation")).toHaveLength(view === 1 ? 1 : 0);
      }
    const all = names.map((_, at) => at);
    for (let view = 1; view < names.length; view++) lone.certificate(nullify(view), all.slice(1));
    lone.submit("note:b");
    expect(lone.sent("propose")[0]?.block.equivocations).toHaveLength(equivocationsPerBlockMax);
  });

  test("that is oneself, by a second key holder: its own view is not hurried", () => {
    const lone = new LoneReplica({ set, self: 1 });
    lone.receive(3, { type: "equivocation", proof });
    expect(lone.submit("note:b").voted).toEqual([]);
    expect(lone.sent("propose")).toHaveLength(1);
  });
});

describe("a leader that is silent", () => {
  const status = { type: "status", epoch: 0, view: 1, finalHeight: 0, sealedSize: 1n } as const;
  const later = (heard: readonly number[]) => {
    const lone = new LoneReplica({ set }).wait(6_000);
    for (const peer of heard) lone.receive(peer, status);
    return lone.submit("note:a").voted;
  };

  test("while a quorum spoke is not waited for", () => {
    expect(later([2, 3])).toEqual(["nullify 1"]);
  });

  test("is waited for where it spoke too, or where too few did", () => {
    expect(later([1, 2, 3])).toEqual([]);
    expect(later([2])).toEqual([]);
    expect(later([])).toEqual([]);
  });

  test("is waited for soon after a start, which tells nothing of its silence", () => {
    const lone = new LoneReplica({ set, now: 100_000 });
    lone.receive(2, status).receive(3, status);
    expect(lone.submit("note:a").voted).toEqual([]);
  });
});
