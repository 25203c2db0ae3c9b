import { describe, expect, test } from "vitest";
import { deafWhileOthersOrder, delayJustUnderDelta, firstFinalizeLost } from "./directed-links.ts";
import { DirectedRun, violationOf } from "./directed-run.ts";
import { directedSchedules } from "./directed-schedules.ts";
import { OracleViolation } from "./oracle-violation.ts";

/** What a power cut spares is drawn: several draws each. */
const seeds = [1, 2, 3, 4, 5];

describe.each([...directedSchedules])("%s", (_name, schedule) => {
  test("holds", () => {
    expect(seeds.map((seed) => schedule(seed))).toEqual(seeds.map(() => undefined));
  });
});

test.each([5, 7, 10])("with %i validators links may be slow, deaf and lossy too", (size) => {
  const schedules = [firstFinalizeLost, delayJustUnderDelta, deafWhileOthersOrder];
  expect(schedules.map((schedule) => schedule(1, size))).toEqual(schedules.map(() => undefined));
});

test("a schedule that misses its situation, a broken rule and any other error say so", () => {
  const missed = () => new DirectedRun({ size: 4 }).until("what never comes", () => false);
  expect(violationOf(missed)?.rule).toBe("schedule");
  const broken = () => {
    throw new OracleViolation("S1", "v1 notarized twice");
  };
  expect(violationOf(broken)).toEqual({ rule: "S1", sentence: "S1: v1 notarized twice" });
  const thrown = () => {
    throw new RangeError("of the engine's own");
  };
  expect(violationOf(thrown)?.rule).toBe("exception");
});
