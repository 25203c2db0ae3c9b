import { describe, expect, test } from "vitest";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { ViewHistory } from "./view-history.ts";
import type { Ballot } from "./vote.ts";

const set = setOf(4);
const [base, a, b] = [digestOf("base"), digestOf("a"), digestOf("b")];
const everything = () => true;

function historyOf(baseView: number, ...ballots: readonly Ballot[]) {
  const history = new ViewHistory(set, { view: baseView, digest: base });
  for (const ballot of ballots) history.tally(ballot.view).keep(certificateOf(set, ballot));
  return history;
}

describe("chooseParent", () => {
  test("is the last final block where nothing lies between", () => {
    expect(historyOf(0).chooseParent(1, everything)).toEqual({ view: 0, digest: base });
    expect(historyOf(7).chooseParent(8, everything)).toEqual({ view: 7, digest: base });
  });

  test("is the highest notarized block, with its certificate", () => {
    const history = historyOf(0, notarize(1, a), notarize(2, b));
    const certificate = certificateOf(set, notarize(2, b));
    expect(history.chooseParent(3, everything)).toEqual({ view: 2, digest: b, certificate });
    expect(history.chooseParent(2, everything)).toMatchObject({ view: 1, digest: a });
  });

  test("skips views that are nullified, down to the last final block", () => {
    expect(
      historyOf(0, notarize(1, a), nullify(2), nullify(3)).chooseParent(4, everything),
    ).toMatchObject({
      view: 1,
    });
    expect(historyOf(4, nullify(5), nullify(6)).chooseParent(7, everything)).toEqual({
      view: 4,
      digest: base,
    });
  });

  test("names the hole: the highest view that has no certificate", () => {
    const history = historyOf(0, notarize(1, a), nullify(3), nullify(5));
    expect(history.chooseParent(6, everything)).toEqual({ hole: 4 });
    expect(history.chooseParent(4, everything)).toEqual({ hole: 2 });
    expect(historyOf(0).chooseParent(2, everything)).toEqual({ hole: 1 });
  });

  test("passes over a notarized block whose body is not here only where its view is nullified", () => {
    const isHere = (digest: Uint8Array) => digest !== b;
    expect(historyOf(0, notarize(1, a), notarize(2, b)).chooseParent(3, isHere)).toEqual({
      hole: 2,
    });
    const skipped = historyOf(0, notarize(1, a), notarize(2, b), nullify(2));
    expect(skipped.chooseParent(3, isHere)).toMatchObject({ view: 1 });
    expect(skipped.chooseParent(3, everything)).toMatchObject({ view: 2 });
  });
});

describe("ViewHistory", () => {
  test("names the views in between whose nullification is missing, newest first, so many", () => {
    const history = historyOf(0, nullify(2), nullify(4), notarize(5, a));
    expect(history.notNullified(0, 6, 10)).toEqual([5, 3, 1]);
    expect(history.notNullified(0, 6, 2)).toEqual([5, 3]);
    expect(history.notNullified(5, 6, 10)).toEqual([]);
    expect(history.nullifications(0, 6, 10).map(({ ballot }) => ballot.view)).toEqual([4, 2]);
    expect(history.nullifications(0, 6, 1).map(({ ballot }) => ballot.view)).toEqual([4]);
  });

  test("lets a peer enter a view by the strongest certificate of the view before it", () => {
    const all = historyOf(0, notarize(1, a), nullify(2), notarize(3, a), finalize(3, a));
    const kinds = [1, 2, 3, 4, 5].map((view) => all.entryOf(view)?.ballot.kind);
    expect(kinds).toEqual([undefined, "notarize", "nullify", "finalize", undefined]);
  });

  test("knows what is notarized in a view, the last final block in its own", () => {
    const history = historyOf(3, notarize(4, a), nullify(5), finalize(6, b));
    expect(history.isNotarized(3, base)).toBe(true);
    expect(history.isNotarized(3, a)).toBe(false);
    expect(history.isNotarized(4, a)).toBe(true);
    expect(history.isNotarized(4, b)).toBe(false);
    expect(history.isNotarized(5, a)).toBe(false);
    expect(history.isNotarized(6, b)).toBe(true);
    expect(history.isNotarized(7, b)).toBe(false);
  });

  test("finds the highest view that is certified; view 0 is one", () => {
    expect(historyOf(0).highestCertified).toBe(0);
    expect(historyOf(0, nullify(4), notarize(2, a)).highestCertified).toBe(4);
    const history = historyOf(0, notarize(2, a));
    history.tally(9);
    expect(history.highestCertified).toBe(2);
  });

  test("forgets what is at or below the base when that advances", () => {
    const history = historyOf(0, notarize(1, a), notarize(2, b), nullify(3));
    history.advance({ view: 2, digest: b });
    expect([...history.tallies].map(({ view }) => view)).toEqual([3]);
    expect(history.baseView).toBe(2);
    expect(history.find(1)).toBeUndefined();
    expect(history.chooseParent(4, everything)).toEqual({ view: 2, digest: b });
    expect(history.tally(3)).toBe(history.find(3));
  });
});
