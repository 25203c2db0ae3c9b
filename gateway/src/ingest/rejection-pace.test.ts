import { monotonicMillis } from "@tamga/ledger-core/base/time";
import { describe, expect, test } from "vitest";
import { RejectionPace } from "./rejection-pace.ts";

const at = monotonicMillis;
const pace = () => new RejectionPace({ burst: 3, perSecond: 10, devicesMax: 2 });

describe("the pace of rejections", () => {
  test("lets a burst through and then one each tenth of a second", () => {
    const paced = pace();
    for (let i = 0; i < 3; i++) {
      expect(paced.delayMs("a", at(0))).toBe(0);
      paced.spend("a", at(0));
    }
    expect(paced.delayMs("a", at(0))).toBe(100);
    expect(paced.delayMs("a", at(100))).toBe(0);
    paced.spend("a", at(100));
    expect(paced.delayMs("a", at(100))).toBe(100);
  });

  test("forgives with time, and holds nothing against a neighbour", () => {
    const paced = pace();
    for (let i = 0; i < 50; i++) paced.spend("a", at(0));
    expect(paced.delayMs("a", at(0))).toBeGreaterThan(4_000);
    expect(paced.delayMs("b", at(0))).toBe(0);
    expect(paced.delayMs("a", at(60_000))).toBe(0);
  });

  test("remembers a bounded number of devices", () => {
    const paced = pace();
    for (const device of ["a", "b", "c"]) for (let i = 0; i < 9; i++) paced.spend(device, at(0));
    expect(paced.delayMs("a", at(0))).toBe(0);
    expect(paced.delayMs("b", at(0))).toBeGreaterThan(0);
    expect(paced.delayMs("c", at(0))).toBeGreaterThan(0);
  });
});
