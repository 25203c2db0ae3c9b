/** Points in time as branded numbers. */

import type { Brand } from "./brand.ts";
import { mint } from "./brand.ts";

/** Milliseconds since 1970-01-01T00:00:00Z, an integer in 0 … 2^53−1. */
export type UnixMillis = Brand<number, "UnixMillis">;

/** Milliseconds of a clock that never steps, within one boot; an integer ≥ 0. */
export type MonotonicMillis = Brand<number, "MonotonicMillis">;

/** Truncates to whole milliseconds; a negative or unsafe value becomes 0. */
export function unixMillis(value: number): UnixMillis {
  const whole = Math.trunc(value);
  return mint<UnixMillis>(Number.isSafeInteger(whole) && whole >= 0 ? whole : 0);
}

/** Truncates to whole milliseconds; a negative or unsafe value becomes 0. */
export function monotonicMillis(value: number): MonotonicMillis {
  const whole = Math.trunc(value);
  return mint<MonotonicMillis>(Number.isSafeInteger(whole) && whole >= 0 ? whole : 0);
}
