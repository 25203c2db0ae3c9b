/** Up to 256 log entries in one resource, each behind its 16-bit length (C2SP tlog-tiles). */

import { assert } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { entryBytesMax } from "./limits.ts";
import { tileWidth } from "./tile.ts";

export type EntryBundleFault =
  | { readonly code: "ENTRY_BUNDLE_TRUNCATED" }
  | { readonly code: "ENTRY_BUNDLE_MISCOUNTED"; readonly expected: number };

/** @param entries 1 … 256 entries, each of at most 65,535 bytes. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  assert(entries.length >= 1 && entries.length <= tileWidth, "bundle has 1 to 256 entries");
  let length = 0;
  for (const entry of entries) {
    assert(entry.length <= entryBytesMax, "entry length fits 16 bits");
    length += 2 + entry.length;
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const entry of entries) {
    bytes[offset] = entry.length >> 8;
    bytes[offset + 1] = entry.length & 255;
    bytes.set(entry, offset + 2);
    offset += 2 + entry.length;
  }
  return bytes;
}

/**
 * Splits a bundle; the entries are views into `bytes`.
 *
 * @param width how many entries the path promised, 1 … 256.
 * Faults: ENTRY_BUNDLE_TRUNCATED, ENTRY_BUNDLE_MISCOUNTED (fewer or more than promised).
 */
export function parseEntryBundle(
  bytes: Uint8Array,
  width: number,
): Result<Uint8Array[], EntryBundleFault> {
  assert(width >= 1 && width <= tileWidth, "bundle has 1 to 256 entries");
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (entries.length === width) return err({ code: "ENTRY_BUNDLE_MISCOUNTED", expected: width });
    const [high, low] = [bytes[offset], bytes[offset + 1]];
    if (high === undefined || low === undefined) return err({ code: "ENTRY_BUNDLE_TRUNCATED" });
    const end = offset + 2 + high * 256 + low;
    if (end > bytes.length) return err({ code: "ENTRY_BUNDLE_TRUNCATED" });
    entries.push(bytes.subarray(offset + 2, end));
    offset = end;
  }
  return entries.length === width
    ? ok(entries)
    : err({ code: "ENTRY_BUNDLE_MISCOUNTED", expected: width });
}
