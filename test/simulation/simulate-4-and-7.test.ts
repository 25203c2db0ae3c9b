import { expect, test } from "vitest";
import { runSeed } from "./run-seed.ts";
import { seedsHold } from "./seeds-hold.ts";

test("the same seed gives the same trace, another one another", () => {
  expect(runSeed(11)).toEqual(runSeed(11));
  expect(runSeed(11)).not.toEqual(runSeed(12));
});

seedsHold(4, 700);
seedsHold(7, 400);
