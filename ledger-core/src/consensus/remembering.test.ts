import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  finalize,
  nullify,
  setOf,
  voteMessage,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import type { Status } from "./message.ts";

const set = setOf(4);
const amnesiac = () => new LoneReplica({ set, recovered: { amnesia: true } });

/** The question of the newest keep-alive. */
function questionOf(lone: LoneReplica): Uint8Array {
  return present(lone.wait(1_000_000).sent("status").at(-1)?.question, "a question");
}

function answer(question: Uint8Array, more: Partial<Status> = {}): Status {
  const nothing = { epoch: 0, view: 1, finalHeight: 0, sealedSize: 0n } as const;
  return { type: "status", ...nothing, answer: { question, votes: [] }, ...more };
}

/** Our own vote, as a peer may still hold it. */
const ownVote = (view: number) => voteMessage(set, 0, nullify(view)).vote;

describe("a validator whose votes may be lost", () => {
  test("signs nothing, asks with each keep-alive, and answers nobody", () => {
    const lone = amnesiac().submit("note:a").wait(100_000);
    expect(lone.voted).toEqual([]);
    const question = questionOf(lone);
    expect(question).toHaveLength(8);
    const asked = { type: "status", epoch: 0, view: 1, finalHeight: 0, sealedSize: 1n } as const;
    lone.receive(1, { ...asked, question: new Uint8Array(8) });
    expect(lone.sent("status").filter((status) => status.answer !== undefined)).toEqual([]);
  });

  test("proposes nothing where it leads", () => {
    const lone = new LoneReplica({ set, self: 1, recovered: { amnesia: true } });
    expect(lone.submit("note:a").sent("propose")).toEqual([]);
    expect(lone.wait(10_000).sent("propose")).toEqual([]);
  });

  test("is found once: another vote of its own changes nothing in what it asks", () => {
    const lone = amnesiac();
    const question = questionOf(lone);
    lone.receive(1, voteMessage(set, 0, nullify(1)));
    expect(lone.all("amnesia")).toEqual([]);
    expect(questionOf(lone)).toEqual(question);
  });

  test("goes on after answers of all three others, above one more than what they proved", () => {
    const lone = amnesiac();
    const question = questionOf(lone);
    const entry = certificateOf(set, nullify(4), [1, 2, 3]);
    lone.receive(1, answer(question)).receive(2, answer(question, { view: 5, entry }));
    expect(lone.status.abstaining).toBe(true);
    lone.receive(2, answer(question)).receive(2, answer(question));
    expect(lone.status.abstaining).toBe(true);
    lone.receive(3, answer(question));
    expect(lone.status.abstaining).toBe(false);
    expect(lone.replica.floor).toEqual({ epoch: 0, view: 6 });
    expect(lone.disk.amnesia).toBe(false);
  });

  test("learns nothing from an epoch that has ended, nor tells: the votes of the next may be lost", () => {
    const asks = blockOn(genesis, { view: 1, texts: ["set:v0,v1,v2,v3"] });
    const boundary = present(asks.state.next, "a boundary that the state asks for");
    const last = blockOn(asks, { view: 2, boundary });
    const ended = (lone: LoneReplica) =>
      lone
        .receive(1, proposalOf(set, asks))
        .certificate(finalize(1, asks.digest), [1, 2, 3])
        .receive(2, proposalOf(set, last))
        .certificate(finalize(2, last.digest), [1, 2, 3]);
    const lone = ended(amnesiac());
    expect(lone.status.ended).toBe(true);
    const question = questionOf(lone);
    for (const peer of [1, 2, 3]) lone.receive(peer, answer(question));
    expect(lone.status.abstaining).toBe(true);
    const other = ended(new LoneReplica({ set })).receive(1, { ...answer(question), question });
    expect(other.sent("status").filter((status) => status.answer !== undefined)).toEqual([]);
  });

  test("tells all what it heard of, as long as it may not even nullify; others do not", () => {
    const heard = { type: "transactions", transactions: [utf8("note:a")] } as const;
    const lone = amnesiac();
    const question = questionOf(lone);
    for (const peer of [1, 2, 3]) lone.receive(peer, answer(question));
    expect([lone.replica.floor.view, lone.status.view]).toEqual([2, 1]);
    lone.receive(1, heard).wait(10_000);
    expect(lone.voted).toEqual([]);
    expect(lone.sent("transactions")).toContainEqual(heard);
    const other = new LoneReplica({ set }).receive(1, heard).wait(10_000);
    expect(other.voted).toContain("nullify 1");
    expect(other.sent("transactions")).toEqual([]);
  });

  test("abstains above every vote of its own that an answer holds, proved or not in its view", () => {
    const lone = amnesiac();
    const question = questionOf(lone);
    lone.receive(1, answer(question)).receive(2, answer(question));
    lone.receive(3, answer(question, { answer: { question, votes: [ownVote(9)] } }));
    expect(lone.replica.floor.view).toBe(10);
  });

  test("counts neither an old answer, nor an unproved view, nor a vote that it did not sign", () => {
    const lone = amnesiac();
    const question = questionOf(lone);
    for (const from of [1, 2, 3]) lone.receive(from, answer(new Uint8Array(8)));
    expect(lone.status.abstaining).toBe(true);
    const forged = { ...ownVote(9), signature: new Uint8Array(64) };
    const another = voteMessage(set, 1, nullify(9)).vote;
    const votes = [forged, another];
    lone.receive(1, answer(question, { view: 90, answer: { question, votes } }));
    lone.receive(2, answer(question)).receive(3, answer(question));
    expect(lone.replica.floor.view).toBe(2);
  });
});

describe("a validator that thinks it has all its votes", () => {
  const found = (lone: LoneReplica) => lone.all("amnesia").map(({ state }) => state);

  test("finds one of its own in a late answer, in a relayed vote, and in a certificate", () => {
    const late = new LoneReplica({ set });
    const question = new Uint8Array(8);
    late.receive(1, answer(question, { answer: { question, votes: [ownVote(3)] } }));
    expect(found(late)).toEqual(["found"]);
    const relayed = new LoneReplica({ set }).receive(1, voteMessage(set, 0, nullify(3)));
    expect(found(relayed)).toEqual(["found"]);
    const certified = new LoneReplica({ set }).certificate(nullify(3), [0, 1, 2]);
    expect(found(certified)).toEqual(["found"]);
    for (const lone of [late, relayed, certified]) {
      expect(lone.status.abstaining).toBe(true);
      expect(lone.disk.amnesia).toBe(true);
    }
  });

  test("is not made to doubt by what it did not sign, or signed at or below its floor", () => {
    const lone = new LoneReplica({ set, recovered: { floor: { epoch: 0, view: 3 } } });
    const question = new Uint8Array(8);
    const forged = { ...ownVote(5), signature: new Uint8Array(64) };
    const another = voteMessage(set, 2, nullify(5)).vote;
    const votes = [forged, another, ownVote(3)];
    lone.receive(1, answer(question, { answer: { question, votes } }));
    expect(lone.status.abstaining).toBe(false);
  });

  test("asks anew each time: an answer to an earlier question does not count for a later loss", () => {
    const lone = amnesiac();
    const first = questionOf(lone);
    for (const from of [1, 2, 3]) lone.receive(from, answer(first));
    expect(lone.status.abstaining).toBe(false);
    lone.receive(1, voteMessage(set, 0, nullify(7)));
    expect(lone.status.abstaining).toBe(true);
    for (const from of [1, 2, 3]) lone.receive(from, answer(first));
    expect(lone.status.abstaining).toBe(true);
    const second = questionOf(lone);
    expect(second).not.toEqual(first);
    for (const from of [1, 2, 3]) lone.receive(from, answer(second));
    expect(lone.status.abstaining).toBe(false);
  });
});

test("who abstains above what it can prove does not answer until it can", () => {
  const lone = new LoneReplica({ set, recovered: { floor: { epoch: 0, view: 5 } } });
  const asked = { type: "status", epoch: 0, view: 1, finalHeight: 0, sealedSize: 1n } as const;
  const question = new Uint8Array(8);
  const answers = () =>
    lone
      .receive(1, { ...asked, question })
      .sent("status")
      .filter((one) => one.answer !== undefined);
  expect(answers()).toEqual([]);
  lone.certificate(nullify(4), [1, 2, 3]);
  expect(answers()).toHaveLength(1);
});
