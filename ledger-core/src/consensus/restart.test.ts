import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  finalize,
  notarize,
  nullify,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { equal } from "../base/bytes.ts";

const set = setOf(4);
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const quiet = { parameters: { keepAliveMs: 1_000_000 } };

describe("after a restart", () => {
  test("own votes count again: two others' NULLIFY make a quorum with the stored one", () => {
    const lone = new LoneReplica({ set }).submit("note:a").wait(200);
    expect(lone.voted).toContain("nullify 1");
    const again = lone.restart().votes([2, 3], nullify(1));
    expect(again.sent("certificate").map(({ certificate }) => certificate.voters)).toEqual([
      [0, 2, 3],
    ]);
    expect(again.status.view).toBe(2);
  });

  test("own votes are sent again with the same signatures, and none is signed anew", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    const [before] = lone.sent("vote");
    const again = lone.restart();
    expect(again.effects.filter(({ type }) => type === "persist")).toEqual([]);
    again.wait(100);
    expect(again.sent("vote")).toEqual([before]);
  });

  test("votes for what is final are not sent again, where the power took their clean-up", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    const rows = [...lone.disk.rows.values()];
    expect(rows).toHaveLength(1);
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    const floor = { epoch: 0, view: 0 };
    const again = lone.restart({ recovered: { rows, floor, blocks: [first.block] } });
    expect(again.all("persist").flatMap(({ writes }) => writes)).toEqual([
      { type: "floor", floor: { epoch: 0, view: 1 } },
    ]);
    expect(again.status.finalView).toBe(1);
    expect(again.wait(100_000).voted).toEqual([]);
    // Nor does the body wait for a view.
    expect(again.status.isIdle).toBe(true);
  });

  test("a leader sends the same proposal again, never a new one", () => {
    const lone = new LoneReplica({ set, self: 1, ...quiet }).submit("note:a");
    const [before] = lone.sent("propose");
    expect(before?.block.header.view).toBe(1);
    const again = lone.restart();
    again.submit("note:b");
    expect(again.sent("propose")).toEqual([]);
    again.wait(100);
    expect(again.sent("propose")).toEqual([before]);
    again.certificate(nullify(1), [0, 2, 3]);
    expect(again.wait(1_000).sent("propose")).toEqual([]);
  });

  test("a proposal on a final parent carries that finalization, one on an open parent its notarization", () => {
    const lone = new LoneReplica({ set, self: 2, ...quiet }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), [0, 1, 3]);
    const parentOf = (of: LoneReplica) => of.wait(150).sent("propose")[0]?.parent?.ballot.kind;
    lone.wait(50);
    expect(lone.sent("propose")[0]?.parent?.ballot.kind).toBe("notarize");
    expect(parentOf(lone.restart())).toBe("notarize");
    const other = new LoneReplica({ set, self: 2, ...quiet }).receive(1, proposalOf(set, first));
    other.certificate(finalize(1, first.digest), [0, 1, 3]);
    other.submit("note:b");
    expect(other.sent("propose")[0]?.parent?.ballot.kind).toBe("finalize");
    expect(parentOf(other.restart())).toBe("finalize");
  });

  test("enters the view after the highest certificate, or that of the highest own vote", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), [1, 2, 3]);
    expect(lone.restart().status.view).toBe(2);
    lone.wait(1_000);
    lone.votes([2, 3], nullify(2));
    lone.votes([2, 3], nullify(3));
    expect(lone.restart().status.view).toBe(3);
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    expect([lone.status.finalHeight, lone.restart().status.view]).toEqual([1, 3]);
    const fresh = new LoneReplica({ set, disk: lone.disk, recovered: { rows: [] } });
    expect(fresh.status).toMatchObject({ finalView: 1, finalHeight: 1 });
  });

  test("FINALIZE and what it stands on suffice to go on when everybody else has forgotten", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), [1, 2, 3]);
    expect(lone.voted).toEqual(["finalize 1"]);
    const again = lone.restart();
    again.wait(100);
    expect(again.voted).toContain("finalize 1");
    // The certificate that lets a peer enter view 2, and the body for who asks.
    expect(again.sent("certificate").map(({ certificate }) => certificate.ballot)).toEqual([
      notarize(1, first.digest),
    ]);
    again.receive(2, { type: "fetch-blocks", epoch: 0, digests: [first.digest] });
    expect(again.sent("blocks").map(({ blocks }) => blocks)).toEqual([[first.block]]);
  });

  test("certificates and blocks of another epoch, or below what is final, are left alone", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    const foreign = blockOn(genesis, { view: 1, epoch: 1 });
    const again = lone.restart({
      recovered: {
        ...lone.disk.recovered(),
        blocks: [foreign.block],
        certificates: [
          certificateOf(setOf(4, 1), nullify(7)),
          certificateOf(set, notarize(1, first.digest)),
        ],
      },
    });
    expect(again.status).toMatchObject({ view: 2, finalHeight: 1 });
    again.receive(1, { type: "fetch-blocks", epoch: 0, digests: [foreign.digest] });
    expect(again.effects).toEqual([]);
  });

  test("the newest point that is not sealed is signed again", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    const [asked] = lone.all("sign-seal");
    expect(asked?.point).toMatchObject({ height: 1, size: 2n });
    expect(lone.restart().all("sign-seal")).toEqual([asked]);
    const follower = lone.restart({ self: null });
    expect(follower.all("sign-seal")).toEqual([]);
    expect(follower.status.isIdle).toBe(true);
  });

  test("it is woken where it has voted in the view, and idle where it has not", () => {
    const lone = new LoneReplica({ set }).votes([1], nullify(1));
    expect(lone.voted).toEqual(["nullify 1"]);
    expect(lone.restart().status.viewTimersArmed).toBe(true);
    expect(new LoneReplica({ set }).restart().status.viewTimersArmed).toBe(false);
  });

  test("the disk holds the certificate by which it entered before its NULLIFY leaves", () => {
    const lone = new LoneReplica({ set }).certificate(nullify(1), [1, 2, 3]);
    expect(lone.disk.certificates.size).toBe(0);
    lone.votes([2, 3], nullify(2));
    expect(lone.disk.certificates.has("0 1 nullify")).toBe(true);
    const digests = [...lone.disk.rows.values()].map(({ nullified }) => nullified !== undefined);
    expect(digests).toEqual([true]);
    expect(equal(lone.disk.tip().digest, genesis.digest)).toBe(true);
  });
});
