/** A bundle's body: its seed and its readings, as they travel beside the statement (WIRE.md §6.2). */

import { concat } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { bodyBytesMax, readingBytesMax, readingsPerBundleMax } from "./limits.ts";
import { seedLength } from "./salted-leaf.ts";

/** `readings` are views into the body's bytes. */
export type Body = { readonly seed: Uint8Array; readonly readings: readonly Uint8Array[] };
export type BodyFault = {
  readonly code: "BODY_TOO_LONG" | "BODY_MALFORMED" | "BODY_TOO_MANY_READINGS";
};

/** CBOR `[seed, reading, reading, …]`: seed a bstr of 32 bytes, each reading's bytes as a bstr. */
export function encodeBody(body: Body): Uint8Array {
  const head = encodeCbor(new Array<null>(body.readings.length + 1).fill(null));
  // The head of an array of that many items; the nulls, one byte each, are cut off again.
  const parts = [head.subarray(0, head.length - body.readings.length - 1), encodeCbor(body.seed)];
  for (const reading of body.readings) parts.push(bstrHead(reading.length), reading);
  return concat(...parts);
}

/**
 * Splits a body without decoding the readings: the root is checked over their bytes.
 * Faults: BODY_TOO_LONG, BODY_TOO_MANY_READINGS, BODY_MALFORMED (also any longer-than-needed length).
 */
export function parseBody(bytes: Uint8Array): Result<Body, BodyFault> {
  if (bytes.length > bodyBytesMax) return err({ code: "BODY_TOO_LONG" });
  const list = headAt(bytes, 0, 4);
  if (list === undefined || list.argument < 2) return err({ code: "BODY_MALFORMED" });
  if (list.argument > readingsPerBundleMax + 1) return err({ code: "BODY_TOO_MANY_READINGS" });
  const items: Uint8Array[] = [];
  let offset = list.end;
  for (let i = 0; i < list.argument; i++) {
    const item = headAt(bytes, offset, 2);
    if (item === undefined || item.argument > readingBytesMax)
      return err({ code: "BODY_MALFORMED" });
    offset = item.end + item.argument;
    if (offset > bytes.length) return err({ code: "BODY_MALFORMED" });
    items.push(bytes.subarray(item.end, offset));
  }
  const [seed, ...readings] = items;
  if (offset !== bytes.length || seed?.length !== seedLength)
    return err({ code: "BODY_MALFORMED" });
  return ok({ seed, readings });
}

function bstrHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 256) return Uint8Array.of(0x58, length);
  return Uint8Array.of(0x59, length >> 8, length & 255);
}

/** The argument of the head at `offset`, if it is of this major type, short and minimal. */
function headAt(
  bytes: Uint8Array,
  offset: number,
  major: number,
): { readonly argument: number; readonly end: number } | undefined {
  const first = bytes[offset];
  if (first === undefined || first >> 5 !== major) return undefined;
  const short = first & 31;
  if (short < 24) return { argument: short, end: offset + 1 };
  const high = bytes[offset + 1];
  if (high === undefined) return undefined;
  if (short === 24) return high < 24 ? undefined : { argument: high, end: offset + 2 };
  const low = bytes[offset + 2];
  if (short !== 25 || low === undefined || high === 0) return undefined;
  return { argument: (high << 8) | low, end: offset + 3 };
}
