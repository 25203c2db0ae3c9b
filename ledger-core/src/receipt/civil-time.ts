/** Calendar dates in UTC (proleptic Gregorian) from and to milliseconds, without a clock or locale. */

import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";

export type CivilTime = {
  readonly year: number;
  /** 1 … 12. */
  readonly month: number;
  /** 1 … 31. */
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
};

const dayMillis = 86_400_000;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** @returns undefined for a date that does not exist; a time before 1970 becomes 1970. */
export function fromCivil(time: CivilTime): UnixMillis | undefined {
  const { year, month, day, hour, minute, second } = time;
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  let days = daysBefore(year) + day - 1;
  for (let m = 1; m < month; m++) days += daysOf(year, m);
  return unixMillis(days * dayMillis + ((hour * 60 + minute) * 60 + second) * 1_000);
}

/** RFC 3339 text with `Z`, or with an offset in minutes; milliseconds only where there are some. */
export function formatTime(at: UnixMillis, offsetMinutes?: number): string {
  const local = at + (offsetMinutes ?? 0) * 60_000;
  const days = Math.floor(local / dayMillis);
  const millis = local - days * dayMillis;
  let year = 1970 + Math.floor(days / 365.2425);
  while (daysBefore(year + 1) <= days) year++;
  while (daysBefore(year) > days) year--;
  let day = days - daysBefore(year);
  let month = 1;
  while (day >= daysOf(year, month)) day -= daysOf(year, month++);
  const seconds = Math.floor(millis / 1_000);
  const fraction = millis % 1_000;
  const date = `${pad(year, 4)}-${pad(month)}-${pad(day + 1)}`;
  const clock = [seconds / 3_600, (seconds / 60) % 60, seconds % 60]
    .map((part) => pad(Math.floor(part)))
    .join(":");
  return `${date}T${clock}${fraction === 0 ? "" : `.${pad(fraction, 3)}`}${zone(offsetMinutes)}`;
}

function zone(offsetMinutes: number | undefined): string {
  if (offsetMinutes === undefined) return "Z";
  const minutes = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

/** Days from 1970-01-01 to the first day of the year. */
function daysBefore(year: number): number {
  return 365 * (year - 1970) + leapYearsBefore(year) - leapYearsBefore(1970);
}

function leapYearsBefore(year: number): number {
  const last = year - 1;
  return Math.floor(last / 4) - Math.floor(last / 100) + Math.floor(last / 400);
}

function daysOf(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && leap ? 29 : (monthDays[month - 1] ?? 0);
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}
