import { monotonicMillis } from "@tamga/ledger-core/base/time";
import { expect, test } from "vitest";
import { leavesPerHeadWanted } from "../limits.ts";
import { OrderPace } from "./order-pace.ts";

const everyMs = 100;
const everyMsMax = 700;

/** Statements at a steady rate for a minute. @returns leaves and longest wait of each head. */
function steady(perSecond: number) {
  const pace = new OrderPace({ everyMs, everyMsMax });
  const heads: { leaves: number; waitedMs: number }[] = [];
  let waiting: number[] = [];
  for (let now = 0; now < 60_000; now++) {
    const sentBy = (ms: number) => Math.floor((perSecond * ms) / 1_000);
    for (let i = sentBy(now); i < sentBy(now + 1); i++) waiting.push(now);
    if (waiting.length === 0 || pace.waitMs(monotonicMillis(now)) > 0) continue;
    heads.push({ leaves: waiting.length, waitedMs: now - Math.min(...waiting) });
    pace.tried(monotonicMillis(now), waiting.length);
    waiting = [];
  }
  return heads;
}

test("what comes after idleness is ordered at once", () => {
  const heads = steady(0.5);
  expect(heads.length).toBe(30);
  expect(Math.max(...heads.map(({ waitedMs }) => waitedMs))).toBe(0);
});

test.each([2, 5, 20, 50])(
  "a trickle of %i a second shares heads, none later than the bound",
  (rate) => {
    const heads = steady(rate);
    expect(Math.max(...heads.map(({ waitedMs }) => waitedMs))).toBeLessThanOrEqual(everyMsMax);
    expect(heads.length).toBeLessThanOrEqual(
      60_000 / everyMsMax + 60 * (rate / leavesPerHeadWanted) * 2 + 8,
    );
  },
);

test("a full stream is ordered as often as it may be", () => {
  const heads = steady(400);
  expect(heads.length).toBeGreaterThanOrEqual(590);
  expect(heads.at(-1)?.leaves).toBe(40);
});

test("a head that the ledger does not take is no reason to wait longer", () => {
  const pace = new OrderPace({ everyMs, everyMsMax });
  for (let now = 0; now < 1_000; now += 100) pace.tried(monotonicMillis(now), 0);
  expect(pace.waitMs(monotonicMillis(900))).toBe(everyMs);
});

test("a shortest pause above the longest is the longest too", () => {
  const pace = new OrderPace({ everyMs: 5_000, everyMsMax });
  for (let now = 0; now < 3; now++) pace.tried(monotonicMillis(now), 1);
  expect(pace.waitMs(monotonicMillis(2))).toBe(5_000);
});
