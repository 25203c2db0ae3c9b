/** Time stamps of a P1 telegram. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseP1Time } from "./p1-time.ts";

const days = fc.date({
  min: new Date("2000-01-02"),
  max: new Date("2068-12-30"),
  noInvalidDate: true,
});

test("every second of 2000 … 2068 comes back", () => {
  fc.assert(
    fc.property(days, (date) => {
      const second = Math.floor(date.getTime() / 1000) * 1000;
      const digits = new Date(second + 3_600_000).toISOString().replace(/\D/g, "").slice(2, 14);
      expect(parseP1Time(`${digits}W`, 60)?.at).toBe(second);
      expect(parseP1Time(`${digits}S`, 60)?.at).toBe(second - 3_600_000);
    }),
  );
});

test.each([
  "632525252525W",
  "230229000000W",
  "230101240000S",
  "230101000000",
  "2301010000000",
  "690101000000W",
])("%s is no time", (text) => expect(parseP1Time(text, 60)).toBeUndefined());

test("a clock at its epoch is doubtful", () => {
  expect(parseP1Time("700101010000W", 60)).toEqual({
    at: 0,
    offsetMinutes: 60,
    quality: "doubtful",
  });
});
