import { describe, expect, test } from "vitest";
import { conditionLines, figure, markdownTable, medianOf, quantileOf, rowOf } from "./row.ts";

describe("statistics", () => {
  test("median of odd and even counts, whatever their order", () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
    expect(medianOf([7])).toBe(7);
  });

  test("quantiles lie on the line between neighbours", () => {
    const values = Array.from({ length: 101 }, (_, i) => 100 - i);
    expect(quantileOf(values, 0.99)).toBe(99);
    expect(quantileOf(values, 0)).toBe(0);
    expect(quantileOf(values, 1)).toBe(100);
    expect(quantileOf([0, 10], 0.25)).toBe(2.5);
    expect(() => quantileOf([], 0.5)).toThrow();
  });
});

describe("rows", () => {
  const measured = { name: "speed", unit: "m/s", values: [9, 12, 10], conditions: "downhill" };

  test("a measured limit comes before the budget, which judges", () => {
    const budget = { bound: "≥", value: 11 } as const;
    expect(rowOf({ ...measured, budget, limit: 40 })).toEqual({
      name: "speed",
      value: 10,
      unit: "m/s",
      limit: 40,
      ratio: 0.25,
      runs: 3,
      conditions: "downhill",
      min: 9,
      max: 12,
      budget: "≥ 11",
      met: false,
    });
    expect(rowOf({ ...measured, budget })).toMatchObject({ limit: 11, met: false });
    expect(rowOf({ ...measured, budget: { bound: "≤", value: 10 } }).met).toBe(true);
    expect(rowOf(measured)).toMatchObject({ limit: null, ratio: null, budget: null, met: null });
  });

  test("the table says what was missed, and keeps its columns", () => {
    const rows = [
      rowOf({ ...measured, name: "a|b", budget: { bound: "≤", value: 2 } }),
      rowOf({ ...measured, values: [1_234_567.8] }),
    ];
    const lines = markdownTable(rows).split("\n");
    expect(lines[1]).toBe("| --- | --- | --- | --- | --- | --- | --- |");
    expect(lines[2]).toBe("| a\\|b | 10 (9 … 12) | m/s | 2 | 5.00 | ≤ 2: **missed** | 3 |");
    expect(lines[3]).toBe("| speed | 1,234,568 | m/s |  |  |  | 1 |");
    expect(conditionLines(rows)).toContain("- speed: downhill");
  });

  test("figures have three digits, or all of a large number", () => {
    expect([0.012345, 12.345, 999.4, 1_000, -12_345, 0].map(figure)).toEqual([
      "0.0123",
      "12.3",
      "999",
      "1,000",
      "-12,345",
      "0",
    ]);
  });
});
