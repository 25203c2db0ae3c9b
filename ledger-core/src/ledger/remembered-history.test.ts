/** A history that remembers answers as one that asks each time, and asks the database less. */

import { describe, expect, it } from "vitest";
import { RememberedHistory } from "./remembered-history.ts";

/** A database that counts its questions. */
class FakeRows {
  readonly ids: string[] = [];
  asked = 0;

  get size(): number {
    return this.ids.length;
  }

  isOrdered(id: string): boolean {
    this.asked++;
    return this.ids.includes(id);
  }
}

describe("a history that remembers", () => {
  it("asks once for what is absent, and knows when that is over", () => {
    const rows = new FakeRows();
    const history = new RememberedHistory(rows);
    expect([history.isOrdered("a"), history.isOrdered("a")]).toEqual([false, false]);
    expect(rows.asked).toBe(1);
    rows.ids.push("b", "a");
    history.appended(["b", "a"]);
    expect([history.isOrdered("a"), history.isOrdered("b")]).toEqual([true, true]);
    expect(history.isOrdered("c")).toBe(false);
    expect(rows.asked).toBe(2);
  });

  it("asks again after an append that it was not told of", () => {
    const rows = new FakeRows();
    const history = new RememberedHistory(rows);
    expect(history.isOrdered("a")).toBe(false);
    rows.ids.push("a");
    expect(history.isOrdered("a")).toBe(true);
    rows.ids.push("b", "c");
    history.appended(["c"]);
    expect([history.isOrdered("b"), history.isOrdered("c")]).toEqual([true, true]);
  });

  it("keeps so many and no more, and asks anew about what came before those", () => {
    const rows = new FakeRows();
    const history = new RememberedHistory(rows, 2);
    expect(history.isOrdered("a")).toBe(false);
    for (const id of ["x", "a", "y", "z"]) {
      rows.ids.push(id);
      history.appended([id]);
    }
    // Absent at size 0, which is before what is kept.
    expect(history.isOrdered("a")).toBe(true);
    expect(history.isOrdered("x")).toBe(true);
    for (const id of ["p", "q", "r"]) history.isOrdered(id);
    const { asked } = rows;
    expect(history.isOrdered("r")).toBe(false);
    expect(rows.asked).toBe(asked);
    expect(history.isOrdered("p")).toBe(false);
    expect(rows.asked).toBe(asked + 1);
  });

  it("answers as the rows do, whatever comes in between", () => {
    const rows = new FakeRows();
    const history = new RememberedHistory(rows, 3);
    let seed = 7;
    const next = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (let step = 0; step < 2_000; step++) {
      const id = String(next(40));
      const kind = next(8);
      if (kind < 2 && !rows.ids.includes(id)) {
        rows.ids.push(id);
        if (kind === 0) history.appended([id]);
      } else expect(history.isOrdered(id)).toBe(rows.ids.includes(id));
    }
  });
});
