import { describe, expect, test } from "vitest";
import type { Made } from "../../../test/support/consensus-blocks.ts";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  channel,
  finalize,
  notarize,
  nullify,
  proofOf,
  setOf,
  wallStart,
} from "../../../test/support/consensus-fixture.ts";
import { nextEpochOf, pending } from "../../../test/support/fake-ledger.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { isSealPoint } from "./committing.ts";
import { settledBesideNextMax } from "./limits.ts";

const set = setOf(4);
const others = [1, 2, 3];
const quiet = { keepAliveMs: 1_000_000 };
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const second = blockOn(first, { view: 2, texts: ["note:b"] });

/** v0, given these blocks by their leaders, with one finalization of the last. */
function finalized(...blocks: readonly Made[]): LoneReplica {
  const lone = new LoneReplica({ set, parameters: quiet });
  return commit(lone, ...blocks);
}

function commit(lone: LoneReplica, ...blocks: readonly Made[]): LoneReplica {
  const last = present(blocks.at(-1), "a last block");
  const { view, parentView } = last.block.header;
  // Never with its own signature, which it would miss in its rows.
  const voters = [0, 1, 2, 3].filter((voter) => voter !== lone.self);
  lone.receive(1, {
    type: "final-blocks",
    blocks: blocks.map(({ block }) => block),
    certificate: certificateOf(set, finalize(view, last.digest, parentView), voters),
  });
  return lone;
}

describe("a final block is a seal point", () => {
  const every = { sealEveryHeights: 10, sealBucketMs: 1_000 };
  const header = {
    ...first.block.header,
    height: 7,
    seal: false,
    time: unixMillis(wallStart + 500),
  };
  const isPoint = (change: Partial<typeof header>, parentTime = wallStart) =>
    isSealPoint(every, { ...header, ...change }, parentTime);

  test("where its leader knew of nothing further, at every so many heights, and at a boundary", () => {
    expect(isPoint({})).toBe(false);
    expect(isPoint({ seal: true })).toBe(true);
    expect([9, 10, 11, 20].map((height) => isPoint({ height }))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(isPoint({ boundary: nextEpochOf(["v1"], channel) })).toBe(true);
  });

  test("where a bucket of time begins, by the headers' times alone", () => {
    expect(isPoint({ time: unixMillis(wallStart + 999) })).toBe(false);
    expect(isPoint({ time: unixMillis(wallStart + 1_000) })).toBe(true);
    expect(isPoint({ time: unixMillis(wallStart + 1_000) }, wallStart + 1_000)).toBe(false);
  });

  test("once for a size: a block that adds nothing to the log asks for no second seal", () => {
    const lone = finalized(first, second);
    const [asked] = lone.all("sign-seal");
    expect(asked?.point).toMatchObject({ height: 2, size: 3n });
    expect(lone.all("commit")[0]?.blocks.map(({ sealPoint }) => sealPoint?.size)).toEqual([2n, 3n]);
    const empty = blockOn(second, { view: 3, texts: [] });
    expect(empty.state.size).toBe(3n);
    commit(lone, empty);
    expect([lone.disk.height, lone.all("sign-seal")]).toEqual([3, []]);
  });

  test("never for what is not final: a notarized block can still be skipped", () => {
    const lone = new LoneReplica({ set, parameters: quiet }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), others);
    expect(lone.all("sign-seal")).toEqual([]);
  });
});

describe("one finalization makes its ancestors final", () => {
  test("in one commit, with the state of each", () => {
    const lone = finalized(first, second);
    const [one, ...more] = lone.all("commit");
    expect(more).toEqual([]);
    expect(one?.blocks.map(({ state }) => state)).toEqual([first.state, second.state]);
    expect(one?.certificate.ballot).toEqual(finalize(2, second.digest));
    expect(one?.floor).toEqual({ epoch: 0, view: 2 });
    const kinds = lone.effects.map(({ type }) => type);
    expect(kinds).toEqual(["commit", "sign-seal"]);
  });

  test("and a newer one whose blocks are missing does not hold up an older one", () => {
    const third = blockOn(second, { view: 3, texts: ["note:c"] });
    const lone = new LoneReplica({ set, parameters: quiet });
    lone.certificate(finalize(3, third.digest), others);
    expect(lone.sent("fetch-heights")).toEqual([{ type: "fetch-heights", from: 1 }]);
    commit(lone, first);
    expect([lone.disk.height, lone.status.view]).toEqual([1, 4]);
    expect(lone.sent("fetch-heights")).toEqual([{ type: "fetch-heights", from: 2 }]);
    commit(lone, second, third);
    expect([lone.disk.height, lone.status.view]).toEqual([3, 4]);
  });
});

describe("a transaction that blocks leave out", () => {
  /** Final blocks of peers, which take nothing from v0's pool. */
  const emptyAt = (view: number, on: Made | typeof genesis, seal: boolean) =>
    blockOn(on, { view, seal, texts: [`note:${view}`] });

  test("is refused on the final state after two blocks whose leaders knew of no more, not before", () => {
    const lone = new LoneReplica({ set, parameters: quiet }).submit("bad:x");
    const one = emptyAt(1, genesis, true);
    commit(lone, one);
    expect([lone.all("refused"), lone.status.pending]).toEqual([[], 1]);
    const busy = emptyAt(2, one, false);
    commit(lone, busy);
    expect([lone.all("refused"), lone.status.pending]).toEqual([[], 1]);
    commit(lone, emptyAt(3, busy, true));
    expect(lone.all("refused")).toEqual([
      { type: "refused", ...pending("bad:x"), fault: { code: "FAKE_BAD" } },
    ]);
    expect(lone.status.pending).toBe(0);
  });

  test("waits where many do while the next block is under way", () => {
    const bad = Array.from({ length: settledBesideNextMax + 2 }, (_, at) => `bad:${at}`);
    const lone = new LoneReplica({ set, parameters: quiet }).submit(...bad);
    const one = emptyAt(1, genesis, true);
    const two = emptyAt(2, one, true);
    const three = emptyAt(3, two, true);
    commit(lone, one);
    lone.receive(2, proposalOf(set, two));
    lone.certificate(notarize(2, two.digest, 1), others);
    lone.receive(3, proposalOf(set, three));
    expect(lone.voted).toContain("notarize 3");
    commit(lone, two);
    expect(lone.all("refused").map(({ id }) => id)).toEqual(bad.slice(0, settledBesideNextMax));
    commit(lone, three);
    expect(lone.all("refused").map(({ id }) => id)).toEqual(bad.slice(settledBesideNextMax));
    expect(lone.status.pending).toBe(0);
  });

  test("stays where it is valid: its leader may not have known of it", () => {
    const lone = new LoneReplica({ set, parameters: quiet }).submit("note:late");
    let last: Made | typeof genesis = genesis;
    for (const view of [1, 2, 3]) {
      const next = emptyAt(view, last, true);
      commit(lone, next);
      last = next;
    }
    expect([lone.all("refused"), lone.status.pending]).toEqual([[], 1]);
  });
});

describe("a boundary", () => {
  const asks = blockOn(genesis, { view: 1, texts: ["set:v1,v2"] });
  const boundary = blockOn(asks, { view: 2, boundary: present(asks.state.next, "an epoch") });

  test("that is final ends its epoch: nothing more is proposed, voted or timed there", () => {
    const lone = finalized(asks, boundary);
    expect(lone.all("epoch-ended").map(({ next }) => next)).toEqual([asks.state.next]);
    expect(lone.status).toMatchObject({ ended: true, isIdle: true, viewTimersArmed: false });
    const late = blockOn(boundary, { view: 3, texts: ["note:late"] });
    lone.receive(3, proposalOf(set, late));
    lone.submit("note:b");
    expect([lone.voted, lone.status.viewTimersArmed]).toEqual([[], false]);
    expect(lone.wait(100_000).voted).toEqual([]);
  });

  test("that was proposed again and is finalized in a second view is final already", () => {
    const lone = finalized(asks, boundary);
    lone.certificate(finalize(3, boundary.digest, 2), others);
    expect([lone.all("commit"), lone.all("epoch-ended"), lone.disk.height]).toEqual([[], [], 2]);
    expect(lone.status.halted).toBeUndefined();
  });

  test("is proposed again as it is by the next leader, and votes carry its first view's header", () => {
    const lone = new LoneReplica({ set, parameters: quiet, self: 3 });
    commit(lone, asks);
    lone.receive(2, proposalOf(set, boundary));
    lone.certificate(notarize(2, boundary.digest), [0, 1, 2]);
    const [again] = lone.sent("propose");
    expect(again).toMatchObject({ view: 3, parentView: 2 });
    expect(again?.block).toEqual(boundary.block);
    const voter = new LoneReplica({ set, parameters: quiet });
    commit(voter, asks);
    voter.certificate(notarize(2, boundary.digest), others);
    voter.receive(3, present(again, "the boundary again"));
    expect([voter.faults, voter.voted]).toEqual([[], ["finalize 2", "notarize 3"]]);
  });

  test("is the only block that may be: a leader that does not know its parent's body waits", () => {
    const lone = new LoneReplica({ set, parameters: quiet, self: 3 });
    commit(lone, asks);
    lone.certificate(notarize(2, boundary.digest), [0, 1, 2]);
    lone.submit("note:b");
    expect(lone.sent("propose")).toEqual([]);
  });
});

test("an equivocation that a final block reports is not reported again, others' are", () => {
  const proofs = [1, 2].map((voter) =>
    proofOf(set, voter, [notarize(9, first.digest), notarize(9, second.digest)]),
  );
  const reported = proofs.slice(0, 1);
  const lone = new LoneReplica({ set, parameters: quiet });
  for (const proof of proofs) lone.receive(3, { type: "equivocation", proof });
  commit(lone, blockOn(genesis, { view: 1, equivocations: reported }));
  for (const view of [2, 3]) lone.certificate(nullify(view), others);
  lone.submit("note:z");
  expect(lone.status.view).toBe(4);
  const [proposal] = lone.sent("propose");
  expect(proposal?.block.equivocations).toEqual(proofs.slice(1));
  expect(proposal?.block.transactions).toEqual([utf8("note:z")]);
});

test("proposals and votes for views that a final block passes are let go", () => {
  const ahead = blockOn(first, { view: 3, parentView: 1 });
  const lone = new LoneReplica({ set, parameters: quiet }).receive(3, proposalOf(set, ahead));
  const far = blockOn(second, { view: 4, parentView: 2, texts: ["note:d"] });
  lone.receive(1, { type: "blocks", blocks: [first.block, second.block] });
  lone.certificate(notarize(1, first.digest), others);
  lone.certificate(finalize(4, far.digest, 2), others);
  commit(lone, first, second, far);
  expect(lone.status).toMatchObject({ finalHeight: 3, finalView: 4, view: 5 });
  expect(lone.receive(3, proposalOf(set, ahead)).effects).toEqual([]);
});
