import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  finalize,
  notarize,
  nullify,
  setOf,
  voteMessage,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { resentVotesMax } from "./limits.ts";

const set = setOf(4);
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });

describe("NULLIFY", () => {
  test("comes 2Δ after the timers were armed without a proposal", () => {
    const lone = new LoneReplica({ set }).submit("note:a");
    expect(lone.status.viewTimersArmed).toBe(true);
    expect(lone.wait(199).voted).toEqual([]);
    expect(lone.wait(1).voted).toContain("nullify 1");
    expect([...lone.disk.rows.keys()]).toEqual(["0 1"]);
  });

  test("comes 3Δ after they were armed with a valid proposal, which cancels t_l", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    expect(lone.wait(299).voted).not.toContain("nullify 1");
    expect(lone.wait(1).voted).toContain("nullify 1");
  });

  test("comes after f + 1 others, not after f", () => {
    const lone = new LoneReplica({ set }).votes([3], nullify(1));
    expect(lone.voted).toEqual([]);
    lone.votes([2], nullify(1));
    expect(lone.voted).toEqual(["nullify 1"]);
    // With the own one that is a quorum.
    expect(lone.sent("certificate").map(({ certificate }) => certificate.ballot)).toEqual([
      nullify(1),
    ]);
    expect(lone.status.view).toBe(2);
  });

  test("comes after the leader's own", () => {
    const lone = new LoneReplica({ set }).votes([1], nullify(1));
    expect(lone.voted).toEqual(["nullify 1"]);
  });

  test("counts f + 1 by the size of the set", () => {
    const ten = setOf(10);
    const lone = new LoneReplica({ set: ten }).votes([4, 5, 6], nullify(1));
    expect(lone.voted).toEqual([]);
    expect(lone.votes([7], nullify(1)).voted).toEqual(["nullify 1"]);
  });

  test("of another view calls for nothing here, and comes to count when that is entered", () => {
    const lone = new LoneReplica({ set }).votes([2, 3], nullify(2));
    expect([lone.voted, lone.status.viewTimersArmed]).toEqual([[], false]);
    lone.certificate(nullify(1), [1, 2, 3]);
    expect(lone.voted).toEqual(["nullify 2"]);
  });

  test("is sent again with back-off, with the certificate that lets a peer enter the view", () => {
    const lone = new LoneReplica({ set, parameters: { keepAliveMs: 100_000 } });
    lone.certificate(nullify(1), [1, 2, 3]);
    lone.votes([2], nullify(2));
    expect(lone.voted).toEqual(["nullify 2"]);
    const times: number[] = [];
    for (let ms = 0; ms < 1_000; ms++) {
      lone.wait(1);
      if (lone.voted.length === 0) continue;
      times.push(lone.now);
      expect(lone.voted).toEqual(["nullify 2"]);
      expect(lone.sent("certificate").map(({ certificate }) => certificate.ballot)).toEqual([
        nullify(1),
      ]);
    }
    expect(times).toEqual([101, 251, 476, 814]);
  });

  test("waits longer after each failed view, and soon again once something is final", () => {
    const lone = new LoneReplica({ set }).submit("note:x");
    const patienceOf = () => {
      const from = lone.now;
      while (!lone.wait(1).voted.some((vote) => vote === `nullify ${lone.status.view}`));
      return lone.now - from;
    };
    const waits: number[] = [];
    for (const view of [1, 2, 3]) {
      waits.push(patienceOf());
      lone.certificate(nullify(view), [1, 2, 3]);
    }
    expect(waits).toEqual([200, 300, 450]);
    // View 4 is its own: it proposes, and the block becomes final.
    const [proposal] = lone.sent("propose");
    if (proposal === undefined) throw new Error("no proposal");
    const { digest } = proposalDigest(lone);
    lone.certificate(finalize(4, digest, 0), [1, 2, 3]);
    expect(lone.status).toMatchObject({ finalHeight: 1, view: 5 });
    lone.submit("note:y");
    expect(patienceOf()).toBe(200);
  });

  test("is not signed beside FINALIZE, nor by a follower", () => {
    const follower = new LoneReplica({ set, self: null }).submit("note:a");
    expect(follower.wait(5_000).sent("vote")).toEqual([]);
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.votes([2], notarize(1, first.digest));
    expect(lone.voted).toEqual(["finalize 1"]);
    lone.votes([1, 2, 3], nullify(1));
    expect(lone.voted).toEqual([]);
  });
});

/** What stands in the row of the view at hand. */
function proposalDigest(lone: LoneReplica) {
  const row = lone.disk.rows.get(`0 ${lone.status.view}`)?.notarized;
  if (row === undefined) throw new Error("no own proposal");
  return row;
}

describe("FINALIZE", () => {
  test("follows the notarization of an executed block that was not nullified here", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.wait(300);
    expect(lone.voted).toContain("nullify 1");
    lone.certificate(notarize(1, first.digest), [1, 2, 3]);
    expect(lone.voted).toEqual([]);
    expect(lone.status.view).toBe(2);
  });

  test("may be for another block than its own NOTARIZE", () => {
    const other = blockOn(genesis, { view: 1, texts: ["note:z"] });
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, other.digest), [1, 2, 3]);
    expect(lone.voted).toEqual([]);
    lone.receive(2, { type: "blocks", blocks: [other.block] });
    expect(lone.voted).toEqual(["finalize 1"]);
    expect(lone.status.halted).toBeUndefined();
  });

  test("has notarization, body and ancestors on disk before it leaves", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), [1, 2, 3]);
    expect(lone.voted).toEqual(["finalize 1"]);
    expect([...lone.disk.certificates.keys()]).toEqual(["0 1 notarize"]);
    const second = blockOn(first, { view: 3 });
    const nullifications = [certificateOf(set, nullify(2), [1, 2, 3])];
    lone.receive(3, proposalOf(set, second, { nullifications }));
    expect(lone.voted).toEqual(["notarize 3"]);
    expect([...lone.disk.certificates.keys()]).toEqual(["0 1 notarize", "0 2 nullify"]);
    expect(lone.disk.blocks.size).toBe(2);
  });

  test("is sent again until the finalization is here, and no more than resentVotesMax votes", () => {
    const lone = new LoneReplica({ set, parameters: { keepAliveMs: 1_000_000 } });
    let parent = first;
    const views = resentVotesMax + 6;
    for (let view = 1; view <= views; view++) {
      if (view > 1) parent = blockOn(parent, { view });
      if (set.leaderOf(view) !== 0) lone.receive(set.leaderOf(view), proposalOf(set, parent));
      else
        lone.receive(1, {
          type: "certificate",
          certificate: certificateOf(set, nullify(view), [1, 2, 3]),
        });
      lone.certificate(notarize(view, parent.digest), [1, 2, 3]);
      lone.receive(1, { type: "blocks", blocks: [parent.block] });
    }
    const open = [...lone.disk.rows.values()].filter(({ finalized }) => finalized !== undefined);
    expect(open.length).toBeGreaterThan(resentVotesMax);
    lone.wait(200);
    expect(lone.voted).toHaveLength(resentVotesMax);
    expect(lone.voted[0]).toBe(`finalize ${views}`);
    lone.certificate(finalize(views, parent.digest), [1, 2, 3]);
    expect(lone.status.finalHeight).toBe(views);
    expect(lone.wait(10_000).voted).toEqual([]);
  });
});

describe("above seven validators", () => {
  const eight = setOf(8);
  const block = proposalOf(eight, first);

  test("votes for blocks go to this leader and the next, to all after Δ/2; NULLIFY always to all", () => {
    const lone = new LoneReplica({ set: eight }).receive(1, block);
    expect(lone.voted).toEqual(["notarize 1", "notarize 1"]);
    expect(lone.sentTo("vote")).toEqual([1, 2]);
    expect(lone.wait(49).sentTo("vote")).toEqual([]);
    expect(lone.wait(1).sentTo("vote")).toEqual(["all"]);
    const other = new LoneReplica({ set: eight }).votes([1], nullify(1));
    expect(other.sentTo("vote")).toEqual(["all"]);
    // A leader does not send to itself.
    const leader = new LoneReplica({ set: eight, self: 2 }).receive(1, block);
    expect(leader.sentTo("vote")).toEqual([1]);
  });

  test("whoever gathers a finalization tells the others; with few each gathers its own", () => {
    const told = (of: typeof set) => {
      const lone = new LoneReplica({ set: of }).receive(1, proposalOf(of, first));
      lone.certificate(notarize(1, first.digest), [1, 2, 3, 4, 5, 6].slice(0, of.quorum));
      lone.step(
        ...[1, 2, 3, 4, 5].map((from) => {
          const voter = from % of.size;
          const message = voteMessage(of, voter, finalize(1, first.digest));
          return { type: "message", from: voter, message } as const;
        }),
      );
      expect(lone.status.finalHeight).toBe(1);
      return lone.sent("certificate").filter(({ certificate }) => {
        return certificate.ballot.kind === "finalize";
      }).length;
    };
    expect(told(eight)).toBe(1);
    expect(told(set)).toBe(0);
  });
});
