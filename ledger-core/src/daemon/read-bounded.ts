/** Reads a file that somebody else wrote, of whatever length it may be. */

import { closeSync, openSync, readSync } from "node:fs";
import { concat } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";

/**
 * At most one byte past the limit, so that whoever judges the bytes sees that they are too many.
 *
 * @param file a path, or `-` for standard input.
 * @param limit bytes.
 * @throws OperationalError FILE_UNREADABLE.
 */
export function readBounded(file: string, limit: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  try {
    const descriptor = file === "-" ? 0 : openSync(file, "r");
    try {
      while (total <= limit) {
        const buffer = new Uint8Array(Math.min(65_536, limit + 1 - total));
        const count = readSync(descriptor, buffer);
        if (count === 0) break;
        parts.push(buffer.subarray(0, count));
        total += count;
      }
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("FILE_UNREADABLE", `The file ${file} cannot be read: ${reason}`, {
      cause,
    });
  }
  return concat(...parts);
}
