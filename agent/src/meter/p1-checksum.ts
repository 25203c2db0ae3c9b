/** Judges the checksum of a P1 telegram (DSMR P1 companion v4.0 … 5.0.2 §6.2). */

import { concat } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { crc16Arc } from "./crc16.ts";
import type { P1Telegram } from "./p1-splitter.ts";

/** The case in which this meter writes the letters of its checksum. */
export type LetterCase = "upper" | "lower";

/**
 * @param letterCase the case of this line's earlier checksums. One flipped bit turns `B` into `b`,
 *   which states the same checksum: a single letter of the other case is therefore refused, and
 *   two or more of it, which no single flip makes, are the meter's habit from then on.
 * @returns the letter case to expect from now on. Call it only where a checksum is present.
 *   Faults: P1_BAD_CHECKSUM.
 */
export function verifyP1Checksum(
  telegram: P1Telegram,
  letterCase: LetterCase,
): Result<LetterCase, { code: "P1_BAD_CHECKSUM" }> {
  const covered = telegram.bytes.subarray(0, telegram.endOffset + 1);
  const stated = Number.parseInt(telegram.checksum, 16);
  const found = judgeLetters(telegram.checksum, letterCase);
  if (found === undefined) return err({ code: "P1_BAD_CHECKSUM" });
  if (crc16Arc(asOnTheLine(covered)) === stated) return ok(found);
  return err({ code: "P1_BAD_CHECKSUM" });
}

function judgeLetters(checksum: string, letterCase: LetterCase): LetterCase | undefined {
  const upper = checksum.replace(/[^A-F]/g, "").length;
  const lower = checksum.replace(/[^a-f]/g, "").length;
  if (upper > 0 && lower > 0) return undefined;
  if (upper + lower === 0) return letterCase;
  const found = upper > 0 ? "upper" : "lower";
  return found === letterCase || upper + lower > 1 ? found : undefined;
}

/** True for a capture that was stored as text: no CR anywhere before the `!`. */
export function isStoredAsText(telegram: P1Telegram): boolean {
  return !telegram.bytes.subarray(0, telegram.endOffset).includes(carriageReturn);
}

/**
 * On the line every line ends with CR LF, and the meter's checksum covers them. A capture stored as
 * text has bare LF everywhere: it is judged as it was sent. Never both ways: two checksums that pass
 * would let one flipped bit in every 65,536 through.
 */
function asOnTheLine(bytes: Uint8Array): Uint8Array {
  if (bytes.includes(carriageReturn)) return bytes;
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
    lines.push(bytes.subarray(start, end), crLf);
    start = end + 1;
  }
  return concat(...lines, bytes.subarray(start));
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const crLf = Uint8Array.of(carriageReturn, lineFeed);
