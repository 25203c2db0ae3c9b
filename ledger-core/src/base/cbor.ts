/**
 * Deterministic CBOR (RFC 8949 §4.2.1) in both directions: decoding accepts only the bytes that
 * encoding would produce, within limits, so a value has exactly one form.
 */

import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { equal } from "./bytes.ts";
import type { Result } from "./result.ts";
import { err, ok } from "./result.ts";

/** What the wire formats use: no floats, no undefined, no indefinite lengths, tags only 18 (COSE_Sign1). */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | Tagged;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
export type CborKey = number | string;

export type CborFault =
  | { readonly code: "CBOR_TOO_LONG"; readonly limit: number }
  | { readonly code: "CBOR_TOO_DEEP"; readonly limit: number }
  | { readonly code: "CBOR_MALFORMED" }
  | { readonly code: "CBOR_NOT_DETERMINISTIC" };

/** Nesting that any of our formats reaches, with room to spare. */
export const cborDepthMax = 16;

/** Encodes with core deterministic order. Throws only on values outside {@link CborValue}. */
export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes one item that fills `bytes` exactly.
 *
 * @param limit the most bytes that this item may have.
 * Faults: CBOR_TOO_LONG, CBOR_TOO_DEEP, CBOR_MALFORMED (also duplicate keys and trailing bytes),
 *   CBOR_NOT_DETERMINISTIC (another order or a longer length than need be).
 */
export function decodeCbor(bytes: Uint8Array, limit: number): Result<CborValue, CborFault> {
  if (bytes.length > limit) return err({ code: "CBOR_TOO_LONG", limit });
  if (deeperThan(bytes, cborDepthMax)) return err({ code: "CBOR_TOO_DEEP", limit: cborDepthMax });
  let value: CborValue;
  try {
    value = decode(bytes, decodeOptions);
  } catch {
    return err({ code: "CBOR_MALFORMED" });
  }
  let again: Uint8Array;
  try {
    again = encodeCbor(value);
  } catch {
    return err({ code: "CBOR_MALFORMED" });
  }
  return equal(again, bytes) ? ok(value) : err({ code: "CBOR_NOT_DETERMINISTIC" });
}

/** A COSE_Sign1 or another tagged value. */
export function tagged(tag: number, value: CborValue): Tagged {
  return new Tagged(tag, value);
}

export { Tagged };

const decodeOptions = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  tags: { 18: Tagged.decoder(18) },
};

/** Scans heads only; the decoder recurses, so a deep bomb is refused before it starts. */
function deeperThan(bytes: Uint8Array, depthMax: number): boolean {
  const open: number[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const head = bytes[offset] ?? 0;
    const major = head >> 5;
    const short = head & 31;
    const size = short < 24 ? 0 : short <= 27 ? 1 << (short - 24) : 0;
    let argument = short < 24 ? short : 0;
    for (let i = 1; i <= size; i++) argument = argument * 256 + (bytes[offset + i] ?? 0);
    offset += 1 + size;
    let children = 0;
    if (major === 2 || major === 3) offset += argument;
    else if (major === 4) children = argument;
    else if (major === 5) children = 2 * argument;
    else if (major === 6) children = 1;
    if (children > 0) {
      if (open.length === depthMax) return true;
      open.push(children);
      continue;
    }
    while (open.length > 0) {
      const left = (open.at(-1) ?? 0) - 1;
      if (left > 0) {
        open[open.length - 1] = left;
        break;
      }
      open.pop();
    }
  }
  return false;
}
