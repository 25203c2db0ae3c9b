import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairTurns } from "./turns.ts";

const share = 100;

describe("FairTurns", () => {
  test("gives those who always want more the same, up to a share and one unit of work", () => {
    const costs = fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(costs, (units) => {
        const turns = new FairTurns<number>(share);
        const got = units.map(() => 0);
        for (const key of units.keys()) turns.wake(key);
        for (let turn = 0; turn < 400; turn++)
          turns.turn((key, allowance) => {
            const unit = units[key] ?? 1;
            let spent = 0;
            while (spent < allowance) spent += unit;
            got[key] = (got[key] ?? 0) + spent;
            return { spent, more: true };
          });
        expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(share + Math.max(...units));
      }),
    );
  });

  test("serves the quiet one next, however loud the other is", () => {
    const turns = new FairTurns<string>(share);
    const served: string[] = [];
    const serve = (key: string) => {
      served.push(key);
      return { spent: share, more: key === "loud" };
    };
    turns.wake("loud");
    for (let turn = 0; turn < 5; turn++) turns.turn(serve);
    turns.wake("quiet");
    turns.turn(serve);
    turns.turn(serve);
    expect(served.slice(-2)).toEqual(["loud", "quiet"]);
    turns.remove("loud");
    expect(turns.idle).toBe(true);
    turns.turn(serve);
    expect(served).toHaveLength(7);
  });
});
