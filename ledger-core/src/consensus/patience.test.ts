import { describe, expect, test } from "vitest";
import { monotonicMillis } from "../base/time.ts";
import { patienceMsMax } from "./limits.ts";
import { Backoff, earliest, Patience } from "./patience.ts";

const at = monotonicMillis;

function armed(failedViews = 0, hopeless = false) {
  const patience = new Patience(100);
  patience.arm(at(1_000), failedViews, hopeless);
  return patience;
}

describe("Patience", () => {
  test("arms t_l = 2Δ and t_a = 3Δ, once", () => {
    const patience = armed();
    expect([patience.isArmed, patience.armedAt, patience.next]).toEqual([true, 1_000, 1_200]);
    patience.arm(at(1_100), 5, true);
    expect(patience.next).toBe(1_200);
    expect(patience.expire(at(1_199))).toBe(false);
    expect(patience.expire(at(1_200))).toBe(true);
    // Spent: a view is nullified once.
    expect(patience.next).toBeUndefined();
    expect(patience.expire(at(9_999))).toBe(false);
    expect(patience.isArmed).toBe(true);
  });

  test("a proposal cancels t_l and leaves t_a, before the arming or after", () => {
    const patience = armed();
    patience.proposed();
    expect(patience.expire(at(1_299))).toBe(false);
    expect(patience.expire(at(1_300))).toBe(true);
    const early = new Patience(100);
    early.proposed();
    early.arm(at(1_000), 0, false);
    expect(early.next).toBe(1_300);
  });

  test("entering a view and having nothing to order cancel both", () => {
    const patience = armed();
    patience.proposed();
    patience.cancel();
    expect([patience.isArmed, patience.next, patience.expire(at(9_999))]).toEqual([
      false,
      undefined,
      false,
    ]);
    // Still the same view: its proposal stays known.
    patience.arm(at(2_000), 0, false);
    expect(patience.next).toBe(2_300);
    patience.enter();
    patience.arm(at(3_000), 0, false);
    expect(patience.next).toBe(3_200);
  });

  test("does not wait for a hopeless leader", () => {
    expect(armed(3, true).expire(at(1_000))).toBe(true);
    const patience = armed();
    patience.hurry(at(1_050));
    expect(patience.expire(at(1_050))).toBe(true);
    const proposed = armed();
    proposed.proposed();
    proposed.hurry(at(1_050));
    expect(proposed.next).toBe(1_050);
    const idle = new Patience(100);
    idle.hurry(at(1_050));
    expect(idle.next).toBeUndefined();
  });

  test("waits 1.5 times as long for each failed view, up to patienceMsMax", () => {
    const patience = new Patience(100);
    expect([0, 1, 2].map((failed) => patience.delta(failed))).toEqual([100, 150, 225]);
    let last = 0;
    for (let failed = 0; failed < 100; failed++) {
      expect(patience.delta(failed)).toBeGreaterThanOrEqual(last);
      last = patience.delta(failed);
    }
    expect(last).toBe(patienceMsMax);
    expect(patience.delta(Number.MAX_SAFE_INTEGER)).toBe(patienceMsMax);
    expect(armed(1_000).next).toBe(1_000 + 2 * patienceMsMax);
  });
});

describe("Backoff", () => {
  test("comes after Δ, then ever more rarely, up to patienceMsMax", () => {
    const backoff = new Backoff(100);
    expect([backoff.at, backoff.due(at(5))]).toEqual([undefined, false]);
    backoff.start(at(1_000));
    backoff.start(at(1_050));
    expect(backoff.at).toBe(1_100);
    expect(backoff.due(at(1_099))).toBe(false);
    expect(backoff.due(at(1_100))).toBe(true);
    expect(backoff.at).toBe(1_250);
    const waits: number[] = [];
    for (let time = 1_250, times = 0; times < 30; times++) {
      expect(backoff.due(at(Math.ceil(time)))).toBe(true);
      waits.push((backoff.at ?? 0) - Math.ceil(time));
      time = backoff.at ?? 0;
    }
    expect(waits[0]).toBe(225);
    expect(waits.at(-1)).toBe(patienceMsMax);
    expect(Math.max(...waits)).toBe(patienceMsMax);
  });

  test("starts over after progress", () => {
    const backoff = new Backoff(100);
    backoff.start(at(1_000));
    backoff.due(at(1_100));
    backoff.reset();
    expect(backoff.at).toBeUndefined();
    backoff.start(at(2_000));
    expect(backoff.at).toBe(2_100);
    backoff.stop();
    expect(backoff.due(at(9_999))).toBe(false);
  });

  test("a new view brings it forward and never puts it off", () => {
    const backoff = new Backoff(100);
    backoff.hasten(at(900));
    expect(backoff.at).toBeUndefined();
    backoff.start(at(1_000));
    backoff.hasten(at(1_050));
    expect(backoff.at).toBe(1_100);
    backoff.due(at(1_100));
    backoff.due(at(1_250));
    expect(backoff.at).toBe(1_475);
    backoff.hasten(at(1_260));
    expect(backoff.at).toBe(1_360);
  });
});

describe("earliest", () => {
  test("is the first time that is set, rounded up, 0 included", () => {
    expect(earliest()).toBeUndefined();
    expect(earliest(undefined, undefined)).toBeUndefined();
    expect(earliest(undefined, 7.2, 9)).toBe(8);
    expect(earliest(5, 0, undefined)).toBe(0);
  });
});
