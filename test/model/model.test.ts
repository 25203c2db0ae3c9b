/** The Quint model: its invariants hold, and each rule taken out breaks one that all share. */

import { describe, expect, test } from "vitest";
import { allInvariants, mutants, sharedInvariants, wholeInstances } from "./model-cases.ts";
import { four, runDirected, simulate } from "./quint.ts";

const patienceMs = 120_000;
const steps = 40;

test("directed runs lead where they should", { timeout: patienceMs }, async () => {
  expect(await runDirected("directed")).toEqual({
    passed: [
      "answersFewerTest",
      "withoutMarginTest",
      "entryInMemoryTest",
      "abstainersAnswerTest",
      "wholeWaitsForAllTest",
      "wholeAbstainsTest",
      "wholeKeepsEntryTest",
      "wholeIsSilentTest",
    ],
    failed: [],
  });
});

describe("random runs", { timeout: patienceMs }, () => {
  test.each(wholeInstances)("%s: every invariant holds", async (_, instance) => {
    const simulation = { invariants: allInvariants, samples: 250, steps, seed: 7 };
    expect(await simulate(instance, simulation)).toEqual({ type: "holds" });
  });

  test("some block becomes final after votes were lost", async () => {
    const unseen = ["not(somethingIsFinalAfterALoss)"];
    const simulation = { invariants: unseen, samples: 1_000, steps, seed: 7 };
    expect((await simulate(four, simulation)).type).toBe("broken");
  });

  test.each([
    ["keepsS1", "{ ...sound, s1: false }"],
    ["keepsS2", "{ ...sound, s2: false }"],
  ])("%s is looked at", async (invariant, rules) => {
    const simulation = { invariants: [invariant], samples: 100, steps, seed: 1 };
    expect((await simulate({ ...four, rules }, simulation)).type).toBe("broken");
  });

  test.each(mutants)("without %s something breaks", async (_, change) => {
    const simulation = { invariants: sharedInvariants, samples: 1_000, steps, seed: 1 };
    expect((await simulate({ ...four, ...change }, simulation)).type).toBe("broken");
  });
});
