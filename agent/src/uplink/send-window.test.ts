import { monotonicMillis } from "@tamga/ledger-core/base/time";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SendWindow } from "./send-window.ts";

const max = { messages: 16, bytes: 1_000 };
const at = monotonicMillis(0);

test("opens by an acknowledgement, and halves when what was in flight is lost", () => {
  const window = new SendWindow(max);
  expect(window.limit).toBe(8);
  for (let id = 0; id < 20; id++) {
    window.sent(id, { bytes: 1, at });
    expect(window.acknowledged(id)).toBe(true);
  }
  expect(window.limit).toBe(16);
  window.lost();
  expect(window.limit).toBe(16);
  for (const limit of [8, 4, 2, 1, 1]) {
    window.sent(1, { bytes: 1, at });
    window.lost();
    expect(window.limit).toBe(limit);
    expect(window.bytes).toBe(0);
  }
});

test("one message always fits, however large; a second only within the bytes", () => {
  const window = new SendWindow(max);
  expect(window.fits(5_000)).toBe(true);
  window.sent(1, { bytes: 999, at });
  expect(window.fits(1)).toBe(true);
  expect(window.fits(2)).toBe(false);
});

test("whatever happens, no more is in flight than its maxima", () => {
  const event = fc.oneof(
    fc.record({ type: fc.constant("send" as const), bytes: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ type: fc.constant("acknowledge" as const), nth: fc.nat(20) }),
    fc.record({ type: fc.constant("lose" as const) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300 }), (events) => {
      const window = new SendWindow(max);
      const inFlight = new Map<number, number>();
      let next = 0;
      for (const happened of events) {
        if (happened.type === "send" && window.fits(happened.bytes)) {
          window.sent(next, { bytes: happened.bytes, at });
          inFlight.set(next++, happened.bytes);
        } else if (happened.type === "acknowledge") {
          const id = [...inFlight.keys()][happened.nth];
          if (id !== undefined) {
            expect(window.acknowledged(id)).toBe(true);
            expect(window.acknowledged(id)).toBe(false);
            inFlight.delete(id);
          }
        } else if (happened.type === "lose") {
          window.lost();
          inFlight.clear();
        }
        const bytes = [...inFlight.values()].reduce((sum, value) => sum + value, 0);
        expect(window.messages).toBe(inFlight.size);
        expect(window.bytes).toBe(bytes);
        expect(inFlight.size).toBeLessThanOrEqual(max.messages);
        expect(bytes).toBeLessThanOrEqual(max.bytes);
        expect(window.limit).toBeGreaterThanOrEqual(1);
      }
    }),
  );
});
