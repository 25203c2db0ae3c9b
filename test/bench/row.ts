/** What one bench found: rows, the statistics over their runs, and the table for people. Pure. */

import { assert, present } from "@tamga/ledger-core/base/assert";

/** A budget of the design: at least, or at most, so much of the row's unit. */
export type Budget = { readonly bound: "≥" | "≤"; readonly value: number };

/** One line of the result; `--json` writes these. */
export type Row = {
  readonly name: string;
  /** Median over the runs. */
  readonly value: number;
  readonly unit: string;
  /** What the machine itself could do, measured beside it, or the budget where nothing bounds it; null without either. */
  readonly limit: number | null;
  /** `value` to `limit`. */
  readonly ratio: number | null;
  readonly runs: number;
  readonly conditions: string;
  readonly min: number;
  readonly max: number;
  /** Such as "≥ 100000"; null for a row that only stands beside another. */
  readonly budget: string | null;
  readonly met: boolean | null;
};

export type Measured = {
  readonly name: string;
  readonly unit: string;
  /** One value a run. */
  readonly values: readonly number[];
  readonly conditions: string;
  readonly budget?: Budget;
  /** A bound that was measured beside it. */
  readonly limit?: number;
};

/** The row of what was measured at least once. */
export function rowOf(measured: Measured): Row {
  const { name, unit, values, conditions, budget } = measured;
  const value = medianOf(values);
  const limit = measured.limit ?? budget?.value ?? null;
  return {
    name,
    value,
    unit,
    limit,
    ratio: limit === null || limit === 0 ? null : value / limit,
    runs: values.length,
    conditions,
    min: Math.min(...values),
    max: Math.max(...values),
    budget: budget === undefined ? null : `${budget.bound} ${budget.value}`,
    met: budget === undefined ? null : isMet(value, budget),
  };
}

export function medianOf(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}

/** @param q 0 … 1; between two values it is on the line that joins them. */
export function quantileOf(values: readonly number[], q: number): number {
  assert(values.length > 0 && q >= 0 && q <= 1, "a quantile of something");
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = present(sorted[Math.floor(at)], "value below the quantile");
  const above = present(sorted[Math.ceil(at)], "value above the quantile");
  return below + (above - below) * (at - Math.floor(at));
}

function isMet(value: number, { bound, value: wanted }: Budget): boolean {
  return bound === "≥" ? value >= wanted : value <= wanted;
}

/** Three significant digits, whole numbers from a thousand on, thousands apart. */
export function figure(value: number): string {
  if (Math.abs(value) >= 1_000) {
    const digits = String(Math.abs(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, ",");
    return value < 0 ? `-${digits}` : digits;
  }
  return String(Number(value.toPrecision(3)));
}

/** GitHub's table: what, median (least … most), limit, ratio, budget. */
export function markdownTable(rows: readonly Row[]): string {
  const head = ["what", "median (min … max)", "unit", "limit", "ratio", "budget", "runs"];
  const lines = rows.map((row) => [
    row.name,
    row.runs === 1
      ? figure(row.value)
      : `${figure(row.value)} (${figure(row.min)} … ${figure(row.max)})`,
    row.unit,
    row.limit === null ? "" : figure(row.limit),
    row.ratio === null ? "" : row.ratio.toFixed(2),
    row.budget === null ? "" : `${row.budget}${row.met === true ? "" : ": **missed**"}`,
    String(row.runs),
  ]);
  const cells = (line: readonly string[]) =>
    `| ${line.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [cells(head), cells(head.map(() => "---")), ...lines.map(cells)].join("\n");
}

/** One line a row, for what the numbers mean. */
export function conditionLines(rows: readonly Row[]): string {
  return rows.map((row) => `- ${row.name}: ${row.conditions}`).join("\n");
}
