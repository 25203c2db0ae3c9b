/**
 * Deterministic CBOR (RFC 8949 §4.2.1) in both directions: decoding accepts only the bytes that
 * encoding would produce, within limits, so a value has exactly one form.
 */

import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { fromUtf8 } from "./bytes.ts";
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
 * Faults: CBOR_TOO_LONG, CBOR_TOO_DEEP, CBOR_MALFORMED (also duplicate keys, trailing bytes and a
 *   longer length than need be), CBOR_NOT_DETERMINISTIC (keys in another order).
 */
export function decodeCbor(bytes: Uint8Array, limit: number): Result<CborValue, CborFault> {
  if (bytes.length > limit) return err({ code: "CBOR_TOO_LONG", limit });
  const wrong = scan(bytes);
  if (wrong !== undefined) return err(wrong);
  try {
    return ok(decode(bytes, decodeOptions));
  } catch {
    return err({ code: "CBOR_MALFORMED" });
  }
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

/** A container that the scan is in: items left, and for a map where its last key stood. */
type Open = { left: number; readonly isMap: boolean; keyFrom: number; keyTo: number };

/**
 * Walks the heads of all items without building a value: depth, shortest arguments and the order of
 * map keys. What it lets pass has one form only, so a decoder need not encode again to compare.
 */
function scan(bytes: Uint8Array): CborFault | undefined {
  const open: Open[] = [];
  let offset = 0;
  do {
    const start = offset;
    const head = bytes[offset];
    if (head === undefined) return { code: "CBOR_MALFORMED" };
    const major = head >> 5;
    const short = head & 31;
    // Of the simple values only false, true and null: a float 1.0 would pass for the integer 1.
    if (short > 27 || (major === 7 && (short < 20 || short > 22)))
      return { code: "CBOR_MALFORMED" };
    let argument = short;
    offset++;
    if (short >= 24) {
      const size = 1 << (short - 24);
      if (offset + size > bytes.length) return { code: "CBOR_MALFORMED" };
      argument = 0;
      for (let i = 0; i < size; i++) argument = argument * 256 + (bytes[offset + i] ?? 0);
      offset += size;
      if (argument < (leastArguments[short - 24] ?? 0)) return { code: "CBOR_MALFORMED" };
    }
    let children = 0;
    if (major === 2 || major === 3) {
      offset += argument;
      if (offset > bytes.length) return { code: "CBOR_MALFORMED" };
      // The decoder would put U+FFFD in place of what is no UTF-8, and two forms would be one text.
      if (major === 3 && !isUtf8(bytes, offset - argument, offset))
        return { code: "CBOR_MALFORMED" };
    } else if (major === 4) children = argument;
    else if (major === 5) children = 2 * argument;
    else if (major === 6) children = 1;
    const parent = open.at(-1);
    if (parent?.isMap === true && parent.left % 2 === 0) {
      // A key. Ours are integers and texts: a container as a key is nobody's.
      if (major !== 0 && major !== 1 && major !== 3) return { code: "CBOR_MALFORMED" };
      const order = compareKeys(bytes, parent, start, offset);
      if (order === 0) return { code: "CBOR_MALFORMED" };
      if (order > 0) return { code: "CBOR_NOT_DETERMINISTIC" };
      parent.keyFrom = start;
      parent.keyTo = offset;
    }
    if (children > 0) {
      if (open.length === cborDepthMax) return { code: "CBOR_TOO_DEEP", limit: cborDepthMax };
      open.push({ left: children, isMap: major === 5, keyFrom: 0, keyTo: 0 });
      continue;
    }
    // An item ends, and with it every container whose last one it was.
    for (let inner = open.at(-1); inner !== undefined && --inner.left === 0; inner = open.at(-1)) {
      open.pop();
    }
  } while (open.length > 0);
  return offset === bytes.length ? undefined : { code: "CBOR_MALFORMED" };
}

/** Well-formed, and without the byte order mark that the decoder would swallow. */
function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  if (bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf) return false;
  for (let i = from; i < to; i++) {
    if ((bytes[i] ?? 0) >= 0x80) return fromUtf8(bytes.subarray(i, to)) !== undefined;
  }
  return true;
}

/** The least argument that needs a head of one, two, four and eight further bytes (RFC 8949 §4.2.1). */
const leastArguments = [24, 256, 65_536, 4_294_967_296];

/** Bytewise order of the last key and the next: positive where they stand the wrong way round. */
function compareKeys(bytes: Uint8Array, last: Open, from: number, to: number): number {
  const lengths = last.keyTo - last.keyFrom;
  if (lengths === 0) return -1;
  const length = Math.min(lengths, to - from);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[last.keyFrom + i] ?? 0) - (bytes[from + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return lengths - (to - from);
}
