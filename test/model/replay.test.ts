/** Runs of the model, followed by real replicas: they sign what the model signs, and abstain where it does. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { replay } from "./replay.ts";
import type { Trace, TraceStep } from "./trace.ts";
import { traceSchema } from "./trace.ts";

const folder = new URL("traces/", import.meta.url);
const traces = readdirSync(folder).map((name): readonly [string, Trace] => {
  return [name, traceSchema.parse(JSON.parse(readFileSync(new URL(name, folder), "utf8")))];
});
const honestOf = ({ validators, liars }: Trace) =>
  Array.from({ length: validators }, (_, at) => at).filter((at) => !liars.includes(at));
const isLed = (step: TraceStep, { validators }: Trace) =>
  step.type === "vote" &&
  step.ballot.kind === "notarize" &&
  step.ballot.view % validators === step.validator;

describe.each(traces)("%s", (_, trace) => {
  test.each(honestOf(trace))("validator %i signs what the model signs, to the end", (self) => {
    const wanted = trace.steps.filter((step) => step.validator === self);
    expect(replay(trace, self)).toEqual({
      votes: wanted.filter(({ type }) => type === "vote").length,
      recoveries: wanted.filter(({ type }) => type === "recover").length,
    });
  });
});

test("the runs have leaders' blocks, restarts, lost votes and finality in them", () => {
  const has = (what: (step: TraceStep, trace: Trace) => boolean) =>
    traces.filter(([, trace]) => trace.steps.some((step) => what(step, trace))).length;
  expect(has(isLed)).toBeGreaterThan(0);
  expect(has(({ type }) => type === "restart")).toBeGreaterThan(0);
  expect(has(({ type }) => type === "recover")).toBeGreaterThan(0);
  expect(has((step) => step.type === "vote" && step.ballot.kind === "finalize")).toBe(
    traces.length,
  );
});

describe("a run that is not the model's", () => {
  const [, trace] = traces.find(([name]) => name.startsWith("final-after-a-loss")) ?? [];
  const changed = (change: (steps: readonly TraceStep[]) => readonly TraceStep[]): Trace => {
    if (trace === undefined) throw new Error("no run with a loss");
    return { ...trace, steps: [...change(trace.steps)] };
  };
  const self = trace?.steps.find(({ type }) => type === "recover")?.validator ?? 0;

  test("abstains to another view: noticed", () => {
    const other = changed((steps) =>
      steps.map((step) => (step.type === "recover" ? { ...step, floor: step.floor + 1 } : step)),
    );
    expect(() => replay(other, self)).toThrow("abstains to another view");
  });

  test("recovers with an answer fewer: noticed", () => {
    const other = changed((steps) => {
      const at = steps.findIndex(({ type }) => type === "answer");
      return steps.filter((_, index) => index !== at);
    });
    expect(() => replay(other, self)).toThrow("the flag is still set");
  });

  test("finalizes what no quorum notarized: noticed", () => {
    const other = changed((steps) =>
      steps.filter((step) => step.type !== "vote" || step.ballot.kind !== "notarize"),
    );
    const voter = other.steps.find(
      (step) => step.type === "vote" && step.ballot.kind === "finalize",
    )?.validator;
    expect(() => replay(other, voter ?? self)).toThrow("no certificate");
  });
});
