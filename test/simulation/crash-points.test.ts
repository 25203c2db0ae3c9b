import { describe, expect, test } from "vitest";
import type { CutPoint } from "./crash-points.ts";
import { scriptedEffects, scriptedSize, subsetsWith, violationAt } from "./crash-points.ts";

/** A minute of computing in all; no busy machine makes it red. */
const timeout = 1_200_000;
const effects = scriptedEffects();

/** What broke, with the point at which it did. */
function broken(points: readonly CutPoint[]): readonly string[] {
  return points.flatMap((point) => {
    const violation = violationAt(point);
    return violation === undefined ? [] : [`${JSON.stringify(point)}: ${violation.sentence}`];
  });
}

describe("a power cut in ten views of four validators", () => {
  test("has every kind of effect to fall on, at each validator", () => {
    for (let at = 0; at < scriptedSize; at++) {
      const types = new Set(effects.filter(({ node }) => node === at).map(({ type }) => type));
      expect([...types].sort()).toEqual(["commit", "persist", "sealed", "send", "sign-seal"]);
    }
    expect(subsetsWith(3).map((nodes) => nodes.join(""))).toEqual(
      "3 03 13 013 23 023 123 0123".split(" "),
    );
  });

  test.each([1, 2, 3, 4])(
    "after each effect, at its validator and any others, %i together",
    { timeout },
    (size) => {
      const points = effects.flatMap(({ node }, effect) =>
        subsetsWith(node)
          .filter((nodes) => nodes.length === size)
          .map((nodes) => ({ effect, nodes })),
      );
      expect(points.length).toBeGreaterThan(300);
      expect(broken(points)).toEqual([]);
    },
  );

  test("a point that is none of its validators' is said to be none", () => {
    const [first] = effects;
    const other = ((first?.node ?? 0) + 1) % scriptedSize;
    expect(violationAt({ effect: 0, nodes: [other] })?.rule).toBe("exception");
  });
});
