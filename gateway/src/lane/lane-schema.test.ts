/** Places as integers, at their bounds. */

import { expect, it } from "vitest";
import { laneIncarnationsMax } from "../limits.ts";
import { placeKey, placeOfKey } from "./lane-schema.ts";

it("keeps the order of incarnations and leaves, up to the limits of both", () => {
  const places = [
    { lane: 1, leafIndex: 0n },
    { lane: 1, leafIndex: 2n ** 40n - 1n },
    { lane: 2, leafIndex: 0n },
    { lane: laneIncarnationsMax, leafIndex: 2n ** 40n - 1n },
  ];
  const keys = places.map(placeKey);
  expect(keys.map(placeOfKey)).toEqual(places);
  expect([...keys].sort((a, b) => a - b)).toEqual(keys);
  expect(keys.every(Number.isSafeInteger)).toBe(true);
  expect(() => placeKey({ lane: laneIncarnationsMax + 1, leafIndex: 0n })).toThrow(
    "within the limit",
  );
  expect(() => placeKey({ lane: 1, leafIndex: 2n ** 40n + 1n })).toThrow("2^40");
});
