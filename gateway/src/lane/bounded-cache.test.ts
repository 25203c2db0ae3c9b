/** The cache's bound, and what it forgets. */

import { expect, it } from "vitest";
import { BoundedCache } from "./bounded-cache.ts";

it("holds its maximum and forgets what was not asked for longest", () => {
  const cache = new BoundedCache<number>(3);
  for (const [i, key] of ["a", "b", "c"].entries()) cache.set(key, i);
  expect(cache.get("a")).toBe(0);
  cache.set("d", 3);
  expect(cache.size).toBe(3);
  expect([cache.get("b"), cache.get("a"), cache.get("c"), cache.get("d")]).toEqual([
    undefined,
    0,
    2,
    3,
  ]);
  cache.set("a", 9);
  expect([cache.size, cache.get("a")]).toEqual([3, 9]);
  cache.clear();
  expect(cache.size).toBe(0);
});
