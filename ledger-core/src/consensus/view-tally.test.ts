import { describe, expect, test } from "vitest";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  setOf,
  voteOf,
} from "../../../test/support/consensus-fixture.ts";
import { digestKey, sameBallot, ViewTally } from "./view-tally.ts";
import type { Ballot } from "./vote.ts";

const set = setOf(4);
const [a, b] = [digestOf("a"), digestOf("b")];

function tallyWith(...votes: readonly (readonly [voter: number, ballot: Ballot])[]) {
  const tally = new ViewTally(set, 5);
  const added = votes.map(([voter, ballot]) => tally.add(voteOf(set, voter, ballot)));
  return { tally, added, types: added.map(({ type }) => type) };
}

describe("ViewTally counts", () => {
  test.each([notarize(5, a), nullify(5), finalize(5, a)])("a quorum of $kind", (ballot) => {
    const { added, tally } = tallyWith([3, ballot], [0, ballot], [2, ballot]);
    const certificates = added.map((one) => (one.type === "counted" ? one.certificate : undefined));
    expect(certificates).toEqual([undefined, undefined, certificateOf(set, ballot, [0, 2, 3])]);
    // Formed, not kept: whoever forms it decides.
    expect(tally.isHeld(ballot)).toBe(false);
  });

  test("nobody twice", () => {
    const { types, tally } = tallyWith([0, nullify(5)], [0, nullify(5)], [1, nullify(5)]);
    expect(types).toEqual(["counted", "repeated", "counted"]);
    expect(tally.nullifyCount).toBe(2);
    expect(tally.nullification).toBeUndefined();
  });

  test("votes for different blocks apart", () => {
    const { added } = tallyWith(
      [0, notarize(5, a)],
      [1, notarize(5, b)],
      [2, notarize(5, a, 3)],
      [3, notarize(5, a)],
    );
    expect(added).toEqual(Array.from({ length: 4 }, () => ({ type: "counted" })));
  });

  test("on, once a certificate is held, without forming another", () => {
    const { tally } = tallyWith([0, nullify(5)], [1, nullify(5)]);
    expect(tally.keep(certificateOf(set, nullify(5)))).toBe("kept");
    expect(tally.add(voteOf(set, 2, nullify(5)))).toEqual({ type: "counted" });
  });

  test("and knows again what it counted, to the byte", () => {
    const { tally } = tallyWith([0, notarize(5, a)]);
    const vote = voteOf(set, 0, notarize(5, a));
    expect(tally.holds(vote)).toBe(true);
    expect(tally.holds({ ...vote, signature: new Uint8Array(64) })).toBe(false);
    expect(tally.holds(voteOf(set, 0, notarize(5, b)))).toBe(false);
    expect(tally.holds(voteOf(set, 1, notarize(5, a)))).toBe(false);
    expect(tally.vote("notarize", 0)).toEqual(vote);
    expect(tally.vote("finalize", 0)).toBeUndefined();
  });
});

describe("ViewTally tells equivocation", () => {
  test.each([
    ["two NOTARIZE", notarize(5, a), notarize(5, b)],
    ["two NOTARIZE of one block on other parents", notarize(5, a, 4), notarize(5, a, 3)],
    ["two FINALIZE", finalize(5, a), finalize(5, b)],
    ["NULLIFY, then FINALIZE", nullify(5), finalize(5, a)],
    ["FINALIZE, then NULLIFY", finalize(5, a), nullify(5)],
  ] as const)("%s", (_name, first, second) => {
    const { added, tally } = tallyWith([2, first], [2, second]);
    const signed = (ballot: Ballot) => {
      return { ballot, signature: voteOf(set, 2, ballot).signature };
    };
    const proof = { epoch: 0, voter: 2, first: signed(first), second: signed(second) };
    expect(added).toEqual([{ type: "counted" }, { type: "equivocation", proof }]);
    expect(tally.votesBy(2)).toEqual([voteOf(set, 2, first)]);
  });

  test.each([
    ["NOTARIZE, then NULLIFY", notarize(5, a), nullify(5)],
    ["NULLIFY, then NOTARIZE", nullify(5), notarize(5, a)],
    ["NOTARIZE of one block, FINALIZE of another", notarize(5, a), finalize(5, b)],
  ] as const)("but not of %s", (_name, first, second) => {
    const { types, tally } = tallyWith([2, first], [2, second]);
    expect(types).toEqual(["counted", "counted"]);
    expect(tally.votesBy(2)).toHaveLength(2);
  });
});

describe("ViewTally keeps certificates", () => {
  const kept = (...ballots: readonly Ballot[]) => {
    const tally = new ViewTally(set, 5);
    return { tally, outcomes: ballots.map((ballot) => tally.keep(certificateOf(set, ballot))) };
  };

  test("one of a kind", () => {
    for (const ballot of [notarize(5, a), nullify(5), finalize(5, a)])
      expect(kept(ballot, ballot).outcomes).toEqual(["kept", "held"]);
  });

  test.each([
    ["two notarizations", notarize(5, a), notarize(5, b)],
    ["notarizations of one block on other parents", notarize(5, a, 4), notarize(5, a, 3)],
    ["a notarization beside another block's finalization", finalize(5, a), notarize(5, b)],
    ["a finalization beside another block's notarization", notarize(5, a), finalize(5, b)],
    ["two finalizations", finalize(5, a), finalize(5, b)],
    ["a nullification of what is final", finalize(5, a), nullify(5)],
    ["a finalization of what is nullified", nullify(5), finalize(5, a)],
  ] as const)("and sees the contradiction of %s", (_name, first, second) => {
    expect(kept(first, second).outcomes).toEqual(["kept", "contradiction"]);
  });

  test("notarization and nullification of one view stand side by side", () => {
    const { tally, outcomes } = kept(notarize(5, a), nullify(5));
    expect(outcomes).toEqual(["kept", "kept"]);
    expect(tally.notarization?.ballot.digest).toEqual(a);
    expect(tally.nullification?.ballot.view).toBe(5);
    expect(tally.finalization).toBeUndefined();
  });

  test("a finalization counts as the notarization", () => {
    const { tally } = kept(finalize(5, a));
    expect(tally.notarization?.ballot).toEqual(finalize(5, a));
    expect(tally.isHeld(notarize(5, a))).toBe(true);
    expect(tally.isHeld(notarize(5, b))).toBe(false);
    expect(tally.isHeld(finalize(5, a))).toBe(true);
    expect(tally.isHeld(nullify(5))).toBe(false);
    expect(kept(notarize(5, a)).tally.isHeld(finalize(5, a))).toBe(false);
    expect(kept(nullify(5)).tally.isHeld(nullify(5))).toBe(true);
  });
});

describe("sameBallot", () => {
  test("wants kind, view, parent and digest to be the same", () => {
    expect(sameBallot(nullify(5), nullify(5))).toBe(true);
    expect(sameBallot(nullify(5), nullify(6))).toBe(false);
    expect(sameBallot(notarize(5, a), finalize(5, a))).toBe(false);
    expect(sameBallot(notarize(5, a), notarize(5, digestOf("a")))).toBe(true);
    expect(sameBallot(notarize(5, a), notarize(5, b))).toBe(false);
    expect(sameBallot(notarize(5, a, 3), notarize(5, a, 4))).toBe(false);
  });

  test("a digest's key is its hexadecimal", () => {
    expect(digestKey(Uint8Array.of(0, 255))).toBe("00ff");
  });
});
