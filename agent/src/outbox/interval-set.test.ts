/** The interval set against a plain set of numbers. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { IntervalSet } from "./interval-set.ts";

const operation = fc.record({
  add: fc.boolean(),
  from: fc.nat({ max: 40 }),
  length: fc.nat({ max: 10 }),
});

test("holds what a plain set holds, in intervals that neither overlap nor touch", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const set = new IntervalSet();
      const plain = new Set<number>();
      for (const { add, from, length } of operations) {
        if (add) set.add({ from, to: from + length });
        else set.remove({ from, to: from + length });
        for (let at = from; at < from + length; at++) {
          if (add) plain.add(at);
          else plain.delete(at);
        }
      }
      for (let at = 0; at < 60; at++) expect(set.has(at)).toBe(plain.has(at));
      let last = -1;
      for (const { from, to } of set.intervals()) {
        expect(from).toBeGreaterThan(last);
        expect(to).toBeGreaterThan(from);
        expect(set.endOf(from)).toBe(to);
        last = to;
      }
      expect(set.size).toBe(set.intervals().length);
    }),
  );
});
