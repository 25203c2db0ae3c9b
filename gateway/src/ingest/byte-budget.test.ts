import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesInFlightMax,
  bytesInFlightPerDeviceMax,
  channelsMax,
  packetBytesMax,
} from "../limits.ts";
import { ByteBudget, divided } from "./byte-budget.ts";

describe("ByteBudget", () => {
  test("holds the total and each share to their limits", () => {
    const budget = new ByteBudget({ totalMax: 100, shareMax: 60 });
    expect(budget.take("a", 60)).toBe(true);
    expect(budget.take("a", 1)).toBe(false);
    expect(budget.take("b", 40)).toBe(true);
    expect(budget.take("c", 1)).toBe(false);
    expect(budget.total).toBe(100);
    budget.give("a", 60);
    expect(budget.room("a")).toBe(60);
    expect(budget.take("c", 60)).toBe(true);
  });

  test("never counts more than it was given, and ends at zero", () => {
    const moves = fc.array(
      fc.record({ holder: fc.constantFrom("a", "b", "c"), bytes: fc.nat(50) }),
    );
    fc.assert(
      fc.property(moves, (list) => {
        const budget = new ByteBudget({ totalMax: 100, shareMax: 60 });
        const taken = list.filter(({ holder, bytes }) => budget.take(holder, bytes));
        expect(budget.total).toBe(taken.reduce((sum, { bytes }) => sum + bytes, 0));
        expect(budget.total).toBeLessThanOrEqual(100);
        for (const { holder, bytes } of taken) budget.give(holder, bytes);
        expect(budget.total).toBe(0);
        expect(budget.room("a")).toBe(60);
      }),
    );
  });

  test("wakes whoever waits as soon as there is room, once, and in order", () => {
    const budget = new ByteBudget({ totalMax: 100, shareMax: 100 });
    const woken: string[] = [];
    budget.take("a", 100);
    budget.whenRoom("b", 80, () => woken.push("b"));
    budget.whenRoom("c", 10, () => woken.push("c"));
    const cancel = budget.whenRoom("d", 10, () => woken.push("d"));
    cancel();
    budget.give("a", 20);
    expect(woken).toEqual(["c"]);
    budget.give("a", 80);
    expect(woken).toEqual(["c", "b"]);
  });

  test("is divided among channels, so that none takes what another needs, down to one device's share", () => {
    const limits = { totalMax: bytesInFlightMax, shareMax: bytesInFlightPerDeviceMax };
    expect(divided(limits, 1)).toEqual(limits);
    expect(divided(limits, 2).totalMax).toBe(bytesInFlightMax / 2);
    expect(divided(limits, channelsMax)).toEqual({
      totalMax: bytesInFlightPerDeviceMax,
      shareMax: bytesInFlightPerDeviceMax,
    });
    const [milk, power] = [
      new ByteBudget(divided(limits, 64)),
      new ByteBudget(divided(limits, 64)),
    ];
    expect(milk.take("cow-1", bytesInFlightPerDeviceMax)).toBe(true);
    expect(milk.take("cow-2", 1)).toBe(false);
    expect(power.take("meter-1", bytesInFlightPerDeviceMax)).toBe(true);
  });

  test("a device's share has room for several packets, and the gateway for many devices", () => {
    expect(bytesInFlightPerDeviceMax).toBeGreaterThanOrEqual(4 * packetBytesMax);
    expect(bytesInFlightMax).toBeGreaterThanOrEqual(4 * bytesInFlightPerDeviceMax);
  });
});
