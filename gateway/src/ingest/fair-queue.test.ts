import { describe, expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

function filled(counts: Readonly<Record<string, number>>): FairQueue<string> {
  const queue = new FairQueue<string>({ totalMax: 100, perHolderMax: 60, shareMax: 4 });
  for (const [holder, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) queue.push(holder, `${holder}${i}`);
  return queue;
}

describe("FairQueue", () => {
  test("takes one of each in turn, each holder's own in order", () => {
    const queue = filled({ a: 50, b: 2, c: 1 });
    expect(queue.take(4)).toEqual(["a0", "b0", "c0", "a1"]);
    expect(queue.take(3)).toEqual(["b1", "a2", "a3"]);
    expect(queue.length).toBe(46);
  });

  test("goes on with whose turn it is in the next take", () => {
    const queue = filled({ a: 5, b: 5 });
    expect([...queue.take(1), ...queue.take(1), ...queue.take(1)]).toEqual(["a0", "b0", "a1"]);
  });

  test("keeps what is taken together short while others wait", () => {
    const queue = filled({ a: 50, b: 1 });
    expect(queue.take(64)).toHaveLength(8);
    expect(queue.take(64)).toHaveLength(43);
  });

  test("refuses past the limit of one and of all", () => {
    const queue = filled({ a: 60 });
    expect(queue.push("a", "one more")).toBe(false);
    for (let i = 0; i < 40; i++) expect(queue.push("b", "")).toBe(true);
    expect(queue.push("c", "one more")).toBe(false);
    expect(queue.drain()).toHaveLength(100);
    expect(queue.length).toBe(0);
    expect(queue.push("a", "again")).toBe(true);
  });
});
