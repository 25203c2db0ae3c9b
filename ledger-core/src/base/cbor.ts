/**
 * Deterministic CBOR (RFC 8949 §4.2.1) in both directions: decoding accepts only the bytes that
 * encoding would produce, within limits, so a value has exactly one form.
 */

import { Tagged } from "cborg";
import { CborReader } from "./cbor-reader.ts";
import { writeCbor } from "./cbor-writer.ts";
import type { Result } from "./result.ts";
import { err } from "./result.ts";

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

/** Encodes with core deterministic order. Throws only on values outside {@link CborValue}. */
export function encodeCbor(value: CborValue): Uint8Array {
  return writeCbor(value);
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
  return new CborReader(bytes).read();
}

/**
 * As {@link decodeCbor}, but byte strings of more than 64 bytes are views of `bytes`, which must not change
 * any more: for what is kept no longer than these. A copy of each costs as much as the rest of the walk.
 */
export function decodeCborInPlace(bytes: Uint8Array, limit: number): Result<CborValue, CborFault> {
  if (bytes.length > limit) return err({ code: "CBOR_TOO_LONG", limit });
  return new CborReader(bytes, true).read();
}

/** A COSE_Sign1 or another tagged value. */
export function tagged(tag: number, value: CborValue): Tagged {
  return new Tagged(tag, value);
}

export { Tagged };
