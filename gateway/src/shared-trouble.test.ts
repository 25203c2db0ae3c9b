import { expect, test } from "vitest";
import { SharedTrouble } from "./shared-trouble.ts";

test("what troubles several channels is news once, until it is over for all of them", () => {
  const trouble = new SharedTrouble<string>();
  expect(trouble.begins("milk", "DISK_FULL")).toBe(true);
  expect(trouble.begins("power", "DISK_FULL")).toBe(false);
  expect(trouble.begins("power", "DISK_FULL")).toBe(false);
  expect(trouble.codes).toEqual(["DISK_FULL"]);
  trouble.ends("milk");
  expect(trouble.codes).toEqual(["DISK_FULL"]);
  expect(trouble.begins("milk", "DISK_FULL")).toBe(false);
  trouble.ends("milk");
  trouble.ends("power");
  expect(trouble.codes).toEqual([]);
  expect(trouble.begins("power", "DISK_FULL")).toBe(true);
  expect(trouble.begins("milk", "DATABASE_BUSY")).toBe(true);
  expect(trouble.codes).toEqual(["DISK_FULL", "DATABASE_BUSY"]);
});
