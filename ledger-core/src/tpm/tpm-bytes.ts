/** Writes TPM 2.0 structures (TCG TPM 2.0 Library, Part 2); `concat` joins them. */

import { assert } from "../base/assert.ts";
import { concat } from "../base/bytes.ts";

/** One byte. */
export function tpmU8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** Two bytes, big-endian. */
export function tpmU16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}

/** A TPM2B_…: two bytes of length, then the bytes; at most 65,535. */
export function tpmSized(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = concat(...parts);
  assert(bytes.length <= 0xffff, "a TPM2B fits its length");
  return concat(tpmU16(bytes.length), bytes);
}
