import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  setOf,
  voteMessage,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { nullifyWakesMax, openViewsMax, viewsAheadMax } from "./limits.ts";
import type { Message } from "./message.ts";
import type { Ballot } from "./vote.ts";

const set = setOf(4);
const others = [1, 2, 3];
const quiet = { keepAliveMs: 1_000_000 };
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const lonely = () => new LoneReplica({ set, parameters: quiet });

describe("a vote is held against who brought it", () => {
  const good = voteMessage(set, 2, nullify(1));
  const wrongs: readonly (readonly [string, Message])[] = [
    ["VOTE_VOTER_UNKNOWN", { ...good, vote: { ...good.vote, voter: 4 } }],
    ["VOTE_SIGNATURE_WRONG", { ...good, vote: { ...good.vote, voter: 3 } }],
    ["VOTE_SIGNATURE_WRONG", { ...good, vote: { ...good.vote, ballot: nullify(2) } }],
    ["VOTE_PARENT_WRONG", voteMessage(set, 2, notarize(2, first.digest, 2))],
    ["VOTE_PARENT_WRONG", voteMessage(set, 2, finalize(2, first.digest, 3))],
  ];

  test.each(wrongs)("%s (%#)", (code, message) => {
    const lone = lonely().receive(1, message);
    expect(lone.all("misbehaviour")).toEqual([{ type: "misbehaviour", from: 1, code }]);
    // Nothing was counted: f + 1 would call for a NULLIFY.
    expect(lone.votes([3], nullify(1)).voted).toEqual([]);
  });

  test("and a right one is its voter's, whoever brings it", () => {
    const lone = lonely().receive(3, good);
    expect(lone.votes([3], nullify(1)).voted).toEqual(["nullify 1"]);
  });

  test("not where it comes again, or is of another epoch", () => {
    const lone = lonely().receive(2, good);
    expect(lone.receive(2, good, { ...good, epoch: 1 }).effects).toEqual([]);
    expect(lone.receive(2, voteMessage(setOf(4, 1), 2, nullify(1))).effects).toEqual([]);
  });
});

test("votes of viewsAheadMax views are kept, and none of a later view", () => {
  const lone = lonely();
  const last = lone.status.view + viewsAheadMax;
  const heldIn = (view: number) => {
    lone.receive(1, voteMessage(set, 1, nullify(view)));
    const { finalHeight } = lone.status;
    const asked = { type: "status", epoch: 0, view: 1, finalHeight, sealedSize: 1n } as const;
    lone.receive(1, { ...asked, question: new Uint8Array(8) });
    return lone.sent("status")[0]?.answer?.votes.map(({ ballot }) => ballot.view);
  };
  expect(heldIn(last)).toEqual([last]);
  expect(heldIn(last + 1)).toEqual([last]);
});

describe("a certificate is held against who brought it", () => {
  const good = certificateOf(set, nullify(1), others);
  const [one, two] = good.signatures;
  if (one === undefined || two === undefined) throw new Error("no signatures");
  const other = certificateOf(set, nullify(2), others);

  test.each([
    ["CERTIFICATE_SIGNER_REPEATED", { ...good, voters: [1, 1, 1], signatures: [one, one, one] }],
    ["CERTIFICATE_SIGNER_REPEATED", { ...good, voters: [2, 1, 3] }],
    ["CERTIFICATE_SIGNER_UNKNOWN", { ...good, voters: [1, 2, 4] }],
    ["CERTIFICATE_QUORUM_MISSING", { ...good, voters: [1, 2], signatures: [one, two] }],
    ["CERTIFICATE_QUORUM_MISSING", { ...good, signatures: [one, two] }],
    ["CERTIFICATE_SIGNATURE_WRONG", { ...good, signatures: other.signatures }],
  ])("%s (%#)", (code, certificate) => {
    const lone = lonely().receive(2, { type: "certificate", certificate });
    expect(lone.all("misbehaviour")).toEqual([{ type: "misbehaviour", from: 2, code }]);
    expect(lone.status.view).toBe(1);
    expect(lone.sent("certificate")).toEqual([]);
  });

  test("and is told once where it is good; one of another epoch is passed over", () => {
    const lone = lonely();
    const foreign = certificateOf(setOf(4, 1), nullify(1), others);
    expect(lone.receive(2, { type: "certificate", certificate: foreign }).effects).toEqual([]);
    lone.receive(2, { type: "certificate", certificate: good });
    expect(lone.sent("certificate")).toHaveLength(1);
    expect(lone.receive(3, { type: "certificate", certificate: good }).effects).toEqual([]);
  });
});

describe("openViewsMax", () => {
  test("views may be open above the last final one, and no further is entered", () => {
    const lone = lonely().certificate(nullify(openViewsMax - 1), others);
    expect(lone.status.view).toBe(openViewsMax);
    lone.certificate(nullify(openViewsMax), others);
    expect(lone.status.view).toBe(openViewsMax);
    lone.receive(1, { type: "certificate", certificate: certificateOf(set, nullify(1), others) });
    expect(lone.status.view).toBe(openViewsMax);
  });

  test("make room as soon as something is final, although the certificate came before", () => {
    const lone = lonely().certificate(nullify(openViewsMax), others);
    expect(lone.status.view).toBe(1);
    lone.receive(1, proposalOf(set, first));
    lone.certificate(finalize(1, first.digest), others);
    expect(lone.status).toMatchObject({ finalHeight: 1, view: openViewsMax + 1 });
  });

  test("behind, a validator catches up and votes in the view that the others are in", () => {
    const far = openViewsMax + 5;
    const block = blockOn(genesis, { view: far, parentView: 0, texts: ["note:a"] });
    const final = certificateOf(set, finalize(far, block.digest, 0), others);
    const nothing = { epoch: 0, view: far + 1, finalHeight: 1, sealedSize: 1n } as const;
    const lone = lonely().receive(1, { type: "status", ...nothing, final });
    expect(lone.status.view).toBe(1);
    lone.receive(1, { type: "final-blocks", blocks: [block.block], certificate: final });
    expect(lone.status).toMatchObject({ finalHeight: 1, view: far + 1 });
    const next = blockOn(block, { view: far + 1, texts: ["note:b"] });
    lone.receive(set.leaderOf(far + 1), proposalOf(set, next, { parent: final }));
    expect(lone.voted).toEqual([`notarize ${far + 1}`]);
  });
});

describe("nullifyWakesMax", () => {
  /** Whether a peer's NULLIFY of the view at hand arms its timers; the view then ends without it. */
  const isWoken = (lone: LoneReplica, voter: number): boolean => {
    const { view } = lone.status;
    lone.receive(voter, voteMessage(set, voter, nullify(view)));
    const { viewTimersArmed } = lone.status;
    lone.certificate(nullify(view), others);
    return viewTimersArmed;
  };
  /** Past the views that the voter itself leads, where its NULLIFY ends the view at once. */
  const wakes = (lone: LoneReplica, voter: number, count: number): readonly boolean[] => {
    const woken: boolean[] = [];
    while (woken.length < count) {
      const { view } = lone.status;
      if (set.leaderOf(view) === voter) lone.certificate(nullify(view), others);
      else woken.push(isWoken(lone, voter));
    }
    return woken;
  };
  const times = (count: number, value: boolean) => Array.from({ length: count }, () => value);

  test("wake-ups a peer has, then others must speak; another peer has its own", () => {
    const lone = lonely();
    expect(wakes(lone, 2, nullifyWakesMax + 2)).toEqual([
      ...times(nullifyWakesMax, true),
      false,
      false,
    ]);
    expect(wakes(lone, 3, 1)).toEqual([true]);
  });

  test("begin anew with a final block, and none is spent while there is something to order", () => {
    const lone = lonely();
    wakes(lone, 2, nullifyWakesMax);
    const { view } = lone.status;
    const made = blockOn(genesis, { view, parentView: 0, texts: ["note:a"] });
    lone.certificate(finalize(view, made.digest, 0), others);
    lone.receive(1, { type: "blocks", blocks: [made.block] });
    expect(lone.status.finalHeight).toBe(1);
    expect(wakes(lone, 2, nullifyWakesMax + 1)).toEqual([...times(nullifyWakesMax, true), false]);
    const busy = lonely().submit("note:b");
    for (let at = 0; at < 2 * nullifyWakesMax; at++) isWoken(busy, 2);
    const spent: Ballot = nullify(busy.status.view);
    expect(busy.receive(2, voteMessage(set, 2, spent)).status.viewTimersArmed).toBe(true);
  });
});

test("the first reason to halt is the one that is named", () => {
  const block = (text: string) => certificateOf(set, notarize(1, digestOf(text)), others);
  const certificates = [block("one"), block("two"), block("three")];
  const lone = new LoneReplica({ set, recovered: { certificates } });
  expect(lone.all("halt")).toHaveLength(1);
});
