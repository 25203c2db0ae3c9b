/** The send queue over a table in memory: everything once, both sides progressing, little memory. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { wantedRangesMax } from "../limits.ts";
import type { Interval } from "./interval-set.ts";
import type { Place, SendSource } from "./send-queue.ts";
import { SendQueue } from "./send-queue.ts";

class Table implements SendSource {
  readonly rows: (Place & { pending: boolean })[] = [];

  add(run: number, from: number, to: number): void {
    this.rows.push({ run, from, to, id: this.rows.length, pending: true });
    this.rows.sort((a, b) => a.run - b.run || a.from - b.from);
  }

  nextPending(run: number, from: number): Place | undefined {
    return this.rows.find(
      (row) => row.pending && (row.run > run || (row.run === run && row.from >= from)),
    );
  }

  nextAt(run: number, { from, to }: Interval): Place | undefined {
    return this.rows.find((row) => row.run === run && row.from >= from && row.from < to);
  }

  pendingAt(run: number, from: number): Place | undefined {
    return this.rows.find((row) => row.pending && row.run === run && row.from === from);
  }
}

test("sends each statement once until a disconnection, whatever the order of events", () => {
  const event = fc.record({
    add: fc.boolean(),
    run: fc.integer({ min: 1, max: 3 }),
    skip: fc.nat({ max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), fc.boolean(), (events, drop) => {
      const table = new Table();
      const queue = new SendQueue(table, 4);
      const next = new Map<number, number>();
      const sent: number[] = [];
      for (const { add, run, skip } of events) {
        if (add) {
          const from = (next.get(run) ?? 0) + skip;
          table.add(run, from, from + 2);
          next.set(run, from + 2);
          queue.added(run, from, run === 3);
        } else {
          const place = queue.next();
          if (place !== undefined) sent.push(place.id);
        }
      }
      for (let place = queue.next(); place !== undefined; place = queue.next()) sent.push(place.id);
      expect(sent.toSorted((a, b) => a - b)).toEqual(
        table.rows.map(({ id }) => id).toSorted((a, b) => a - b),
      );
      if (!drop) return;
      for (const id of sent.slice(0, 3)) queue.acknowledged(id);
      queue.disconnected();
      const again: number[] = [];
      for (let place = queue.next(); place !== undefined; place = queue.next())
        again.push(place.id);
      expect(again.toSorted((a, b) => a - b)).toEqual(sent.slice(3).toSorted((a, b) => a - b));
    }),
  );
});

test("a live stream faster than the line leaves its older part to the backlog", () => {
  const table = new Table();
  const queue = new SendQueue(table, 4);
  for (let i = 0; i < 10; i++) {
    table.add(1, i, i + 1);
    queue.added(1, i, true);
  }
  const order = Array.from({ length: 10 }, () => queue.next()?.from);
  expect(order).toEqual([6, 0, 7, 1, 8, 2, 9, 3, 4, 5]);
});

test("wants no more ranges than the limit", () => {
  const queue = new SendQueue(new Table(), 4);
  for (let i = 0; i < wantedRangesMax; i++) {
    if (i % 4_096 === 0 || i > wantedRangesMax - 3) {
      expect(queue.want(1, { from: 2 * i, to: 2 * i + 1 })).toBe(true);
    } else queue.want(1, { from: 2 * i, to: 2 * i + 1 });
  }
  expect(queue.want(1, { from: 2 * wantedRangesMax, to: 2 * wantedRangesMax + 1 })).toBe(false);
});
