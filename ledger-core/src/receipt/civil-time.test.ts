import fc from "fast-check";
import { expect, test } from "vitest";
import { unixMillis } from "../base/time.ts";
import { formatTime, fromCivil } from "./civil-time.ts";

const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

test("formats every time as the platform does", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: last }), (at) => {
      expect(formatTime(unixMillis(at))).toBe(new Date(at).toISOString().replace(".000Z", "Z"));
    }),
  );
});

test("formats a local time with its offset", () => {
  const at = unixMillis(Date.UTC(2026, 2, 1, 0, 30));
  expect(formatTime(at, 120)).toBe("2026-03-01T02:30:00+02:00");
  expect(formatTime(at, -570)).toBe("2026-02-28T15:00:00-09:30");
  expect(formatTime(unixMillis(0), -60)).toBe("1969-12-31T23:00:00-01:00");
});

test("takes every date that exists, and no other", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Math.floor(last / 1_000) }), (seconds) => {
      const date = new Date(seconds * 1_000);
      const time = {
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(),
      };
      expect(fromCivil(time)).toBe(seconds * 1_000);
    }),
  );
  const noon = { year: 2024, month: 2, day: 29, hour: 12, minute: 0, second: 0 };
  expect(fromCivil(noon)).toBe(Date.UTC(2024, 1, 29, 12));
  for (const wrong of [
    { year: 2023 },
    { year: 2100 },
    { month: 13 },
    { month: 0 },
    { day: 0 },
    { day: 30 },
    { hour: 24 },
    { minute: 60 },
    { second: 60 },
  ])
    expect(fromCivil({ ...noon, ...wrong })).toBeUndefined();
  expect(fromCivil({ ...noon, year: 1960 })).toBe(0);
});
