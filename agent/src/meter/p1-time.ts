/** The time stamps of a P1 telegram, `YYMMDDhhmmssX` (DSMR P1 companion, tag 9 "TST"). */

import { unixMillis } from "@tamga/ledger-core/base/time";
import type { CaptureTime } from "../driver.ts";

/** True for the shape of a time stamp with its season letter, whatever date it states. */
export function isP1Time(text: string): boolean {
  return /^\d{12}[SW]$/i.test(text);
}

/**
 * @param text `YYMMDDhhmmss` and `W` (standard time) or `S` (one hour ahead of it).
 * @param standardOffsetMinutes offset of standard time from UTC, east positive.
 * @returns undefined where the letter is missing or the date does not exist: meters send
 *   `632525252525W` for "never". The meter says nothing of its clock's quality; a year before
 *   2000 is a clock that was never set.
 */
export function parseP1Time(text: string, standardOffsetMinutes: number): CaptureTime | undefined {
  if (!isP1Time(text)) return undefined;
  const part = (index: number) => Number(text.slice(2 * index, 2 * index + 2));
  const [month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5)];
  // POSIX %y: 69 … 99 are of the last century, so that a clock at its epoch reads as 1970.
  const year = part(0) < 69 ? 2000 + part(0) : 1900 + part(0);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offsetMinutes = standardOffsetMinutes + (text.slice(12).toUpperCase() === "S" ? 60 : 0);
  const minutes = (daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute - offsetMinutes;
  const at = (minutes * 60 + second) * 1000;
  if (at < 0) return undefined;
  return { at: unixMillis(at), offsetMinutes, quality: year < 2000 ? "doubtful" : "unknown" };
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 in the Gregorian calendar; years run from March, so that leap days end them. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + dayOfYear - 719_468;
}
