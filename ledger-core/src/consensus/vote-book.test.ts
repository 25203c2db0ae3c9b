import { describe, expect, test } from "vitest";
import {
  channel,
  digestOf,
  finalize,
  keyOf,
  notarize,
  nullify,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { VoteRow } from "./replica-io.ts";
import type { Ballot } from "./vote.ts";
import { voteBytes } from "./vote.ts";
import type { VoteFault, VoteGrounds } from "./vote-book.ts";
import { VoteBook } from "./vote-book.ts";

const domain = { channel, epoch: 1 };
const [a, b] = [digestOf("a"), digestOf("b")];
const grounds = (view: number): VoteGrounds => ({ view, executed: true, notarized: true });

type Stored = ConstructorParameters<typeof VoteBook>[1];

/** A book of validator v0, with every message that it signed. */
function bookOf(stored: Partial<Stored> = {}, self: number | undefined = 0) {
  const signed: Uint8Array[] = [];
  const sign = (message: Uint8Array) => {
    signed.push(message);
    return keyOf("v0").sign(message);
  };
  const floor = { epoch: 0, view: 99 };
  const book = new VoteBook({ domain, self, sign }, { floor, amnesia: false, rows: [], ...stored });
  const refusal = (ballot: Ballot, on = grounds(ballot.view)): VoteFault["code"] | undefined => {
    const result = book.sign(ballot, on);
    return result.ok ? undefined : result.fault.code;
  };
  return { book, signed, refusal };
}

describe("VoteBook signs", () => {
  test("with its own key, and asks for the row to be written before the vote leaves", () => {
    const { book } = bookOf();
    const ballot = notarize(3, a);
    const { vote, write } = unwrap(book.sign(ballot, grounds(3)));
    const key = setOf(4).keyOf(0);
    expect(nodeCrypto.verify(key, voteBytes(domain, ballot), vote.signature)).toBe(true);
    expect(vote.voter).toBe(0);
    expect(write).toEqual({
      type: "vote",
      row: {
        epoch: 1,
        view: 3,
        notarized: { parentView: 2, digest: a, signature: vote.signature },
      },
    });
  });

  test("the same vote again without signing again, whatever the moment", () => {
    const { book, signed } = bookOf();
    for (const ballot of [notarize(3, a), finalize(3, a), nullify(4)]) {
      const first = unwrap(book.sign(ballot, grounds(ballot.view)));
      const later = { view: 9, executed: false, notarized: false };
      const again = unwrap(book.sign(ballot, later));
      expect(again.vote).toEqual(first.vote);
      expect(again.write).toBeUndefined();
      expect(book.has(ballot)).toBe(true);
    }
    expect(signed).toHaveLength(3);
  });

  test("NOTARIZE then NULLIFY, and NOTARIZE of one block then FINALIZE of another", () => {
    const { book, refusal } = bookOf();
    expect(refusal(notarize(3, a))).toBeUndefined();
    expect(refusal(nullify(3))).toBeUndefined();
    expect(refusal(notarize(4, a))).toBeUndefined();
    expect(refusal(finalize(4, b))).toBeUndefined();
    expect(book.votesOf(3).map(({ ballot }) => ballot)).toEqual([notarize(3, a), nullify(3)]);
    expect(book.votesOf(4).map(({ ballot }) => ballot)).toEqual([notarize(4, a), finalize(4, b)]);
    expect(book.highestView).toBe(4);
  });
});

describe("VoteBook refuses", () => {
  test("S1: a second NOTARIZE of a view, for another digest or another parent", () => {
    const { book, signed, refusal } = bookOf();
    unwrap(book.sign(notarize(3, a), grounds(3)));
    expect(refusal(notarize(3, b))).toBe("VOTE_CONFLICTS");
    expect(refusal(notarize(3, a, 1))).toBe("VOTE_CONFLICTS");
    expect(book.has(notarize(3, a, 1))).toBe(false);
    expect(signed).toHaveLength(1);
    expect(refusal(notarize(4, b))).toBeUndefined();
  });

  test("S2: NULLIFY beside FINALIZE, in either order, and a second FINALIZE", () => {
    const { book, refusal } = bookOf();
    unwrap(book.sign(finalize(3, a), grounds(3)));
    expect(refusal(nullify(3))).toBe("VOTE_CONFLICTS");
    expect(refusal(finalize(3, b))).toBe("VOTE_CONFLICTS");
    unwrap(book.sign(nullify(4), grounds(4)));
    expect(refusal(finalize(4, a))).toBe("VOTE_CONFLICTS");
  });

  test("S2 from rows that an earlier run wrote", () => {
    const signature = new Uint8Array(64);
    const rows: VoteRow[] = [
      { epoch: 1, view: 5, nullified: { signature } },
      { epoch: 1, view: 6, finalized: { parentView: 4, digest: a, signature } },
    ];
    const { refusal, signed } = bookOf({ rows });
    expect(refusal(finalize(5, a))).toBe("VOTE_CONFLICTS");
    expect(refusal(nullify(6))).toBe("VOTE_CONFLICTS");
    expect(signed).toHaveLength(0);
  });

  test("S3: NOTARIZE and NULLIFY outside the current view", () => {
    const { refusal } = bookOf();
    for (const view of [4, 6]) {
      expect(refusal(notarize(5, a), grounds(view))).toBe("VOTE_OTHER_VIEW");
      expect(refusal(nullify(5), grounds(view))).toBe("VOTE_OTHER_VIEW");
    }
  });

  test("S3: NOTARIZE of a body that was not executed", () => {
    const { refusal } = bookOf();
    expect(refusal(notarize(5, a), { ...grounds(5), executed: false })).toBe("VOTE_NOT_EXECUTED");
  });

  test("S3: FINALIZE without the notarization, or without the executed body; in any view", () => {
    const { refusal } = bookOf();
    const on = grounds(9);
    expect(refusal(finalize(5, a), { ...on, notarized: false })).toBe("VOTE_NOT_NOTARIZED");
    expect(refusal(finalize(5, a), { ...on, executed: false })).toBe("VOTE_NOT_EXECUTED");
    expect(refusal(finalize(5, a), on)).toBeUndefined();
  });

  test("S5: every view at or below the floor, and every view of an epoch before it", () => {
    const { book, refusal } = bookOf({ floor: { epoch: 1, view: 4 } });
    expect(refusal(nullify(4))).toBe("VOTE_BELOW_FLOOR");
    expect(refusal(nullify(0))).toBe("VOTE_BELOW_FLOOR");
    expect(refusal(nullify(5))).toBeUndefined();
    expect(book.isBelowFloor(4)).toBe(true);
    expect(bookOf({ floor: { epoch: 2, view: 0 } }).refusal(nullify(70))).toBe("VOTE_BELOW_FLOOR");
  });

  test("view 0 of a new epoch only where the floor is in that epoch", () => {
    expect(bookOf({ floor: { epoch: 0, view: 1_000 } }).refusal(nullify(0))).toBeUndefined();
    expect(bookOf({ floor: { epoch: 1, view: 0 } }).refusal(nullify(0))).toBe("VOTE_BELOW_FLOOR");
  });

  test("everything where it is no validator, or abstains", () => {
    const follower = bookOf();
    const none = new VoteBook(
      { domain, self: undefined, sign: () => new Uint8Array(64) },
      { floor: { epoch: 0, view: 0 }, amnesia: false, rows: follower.book.rows },
    );
    const result = none.sign(nullify(3), grounds(3));
    expect(!result.ok && result.fault.code).toBe("VOTE_NOT_A_VALIDATOR");
    expect(none.votesOf(3)).toEqual([]);
    const { book, refusal } = bookOf({ amnesia: true });
    expect(refusal(nullify(3))).toBe("VOTE_ABSTAINING");
    expect(book.setAmnesia(false)).toEqual({ type: "amnesia", set: false });
    expect(refusal(nullify(3))).toBeUndefined();
    expect(book.setAmnesia(true)).toEqual({ type: "amnesia", set: true });
    // Even a vote that stands in the book.
    expect(refusal(nullify(3))).toBe("VOTE_ABSTAINING");
  });
});

describe("VoteBook's floor", () => {
  test("rises only, and rows at or below it are forgotten", () => {
    const { book } = bookOf();
    for (const view of [3, 4, 5]) unwrap(book.sign(nullify(view), grounds(view)));
    expect(book.raiseFloor(4)).toEqual({ epoch: 1, view: 4 });
    expect(book.rows.map(({ view }) => view)).toEqual([5]);
    expect(book.raiseFloor(2)).toEqual({ epoch: 1, view: 4 });
    expect(book.floor).toEqual({ epoch: 1, view: 4 });
    expect(book.votesOf(3)).toEqual([]);
  });

  test("is not lowered by a book of an earlier epoch", () => {
    const { book } = bookOf({ floor: { epoch: 2, view: 7 } });
    expect(book.raiseFloor(100)).toEqual({ epoch: 2, view: 7 });
  });

  test("keeps stored rows out that are below it or of another epoch", () => {
    const signature = new Uint8Array(64);
    const row = (epoch: number, view: number): VoteRow => ({
      epoch,
      view,
      nullified: { signature },
    });
    const floor = { epoch: 1, view: 2 };
    const { book } = bookOf({ floor, rows: [row(1, 2), row(1, 3), row(0, 9), row(2, 9)] });
    expect(book.rows).toEqual([row(1, 3)]);
    expect(book.row(9)).toBeUndefined();
    expect(bookOf().book.highestView).toBe(0);
  });
});
