/** The registers that one data line of a P1 telegram states. */

import type { CaptureTime, Register } from "../driver.ts";
import type { Obis, P1Line } from "./p1-line.ts";
import { parseObis } from "./p1-line.ts";
import { isP1Time, parseP1Time } from "./p1-time.ts";
import { parseP1Value } from "./p1-value.ts";

/** @property standardOffsetMinutes offset of standard time from UTC, east positive. */
export type P1Context = { readonly standardOffsetMinutes: number };

/** Reads a line by its shape: a profile buffer, the hourly gas value of DSMR 2 and 3, or values. */
export function parseP1Registers(line: P1Line, context: P1Context): readonly Register[] {
  if (line.obis !== undefined) {
    const gas = parseHourlyValue(line.obis, line.groups);
    if (gas !== undefined) return gas;
    const profile = parseProfile(line.obis, line.groups, context);
    if (profile !== undefined) return profile;
  }
  return parseValues(line, line.groups, context);
}

/**
 * A buffer, as the failure log 1-0:99.97.0 `(count)(code)[(time)(value)]…` or the demand history
 * 0-0:98.1.0 `(count)(code)(code)[(stored)(occurred)(value)]…`: the entries are registers of the
 * inner code, each with the time that stands nearest before it; the count is one of the line's own.
 */
function parseProfile(
  obis: Obis,
  groups: readonly string[],
  context: P1Context,
): readonly Register[] | undefined {
  const inner = parseObis(groups[1] ?? "");
  if (inner === undefined || !/^\d{1,5}$/.test(groups[0] ?? "")) return undefined;
  let start = 1;
  while (parseObis(groups[start] ?? "") !== undefined) start++;
  const count: Register = { obis: obis.text, value: parseP1Value(obis, groups[0] ?? "") };
  const entries = parseValues({ id: inner.text, obis: inner }, groups.slice(start), context);
  return [count, ...entries];
}

/**
 * 0-n:24.3.0 `(time)(status)(minutes)(n)[(code)(unit)]×n[(value)]×n` of DSMR 2.2 and 3.0. Its time has
 * no season letter, so it names no instant and is kept as text.
 */
function parseHourlyValue(obis: Obis, groups: readonly string[]): readonly Register[] | undefined {
  if (obis.c !== 24 || obis.d !== 3 || groups.length < 6) return undefined;
  const [time = "", status = "", , channels = ""] = groups;
  const count = Number(channels);
  if (!/^\d{12}$/.test(time) || !/^\d$/.test(channels) || groups.length !== 4 + 3 * count)
    return undefined;
  const registers: Register[] = [{ obis: obis.text, value: { text: time } }];
  for (let i = 0; i < count; i++) {
    const inner = parseObis(groups[4 + 2 * i] ?? "");
    if (inner === undefined) return undefined;
    const value = `${groups[4 + 2 * count + i]}*${groups[5 + 2 * i]}`;
    registers.push({
      obis: inner.text,
      value: parseP1Value(inner, value),
      ...(/^[0-9A-Fa-f]{1,8}$/.test(status) ? { status: Number.parseInt(status, 16) } : {}),
    });
  }
  return registers;
}

/** Each value is a register; a time stamp belongs to the values after it (`24.2.1(time)(value)`). */
function parseValues(
  address: { readonly id: string; readonly obis: Obis | undefined },
  groups: readonly string[],
  context: P1Context,
): readonly Register[] {
  const named = address.obis === undefined ? { name: address.id } : { obis: address.obis.text };
  const registers: Register[] = [];
  let captureTime: CaptureTime | undefined;
  for (const [index, group] of groups.entries()) {
    if (isP1Time(group) && index + 1 < groups.length) {
      captureTime = parseP1Time(group, context.standardOffsetMinutes);
      continue;
    }
    const value = isP1Time(group) ? { text: group } : parseP1Value(address.obis, group);
    registers.push({ ...named, value, ...(captureTime === undefined ? {} : { captureTime }) });
  }
  return registers;
}
