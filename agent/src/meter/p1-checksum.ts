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
  if (crc16Arc(covered) === stated || crcOfUnixText(covered) === stated) return ok(found);
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

/**
 * The checksum as the meter computed it where a capture was stored with bare LF line ends: on the
 * line they are CR LF always. Not tried where one CR is left: then the bytes are the line's own,
 * and a flipped line end must not be mended.
 */
function crcOfUnixText(bytes: Uint8Array): number | undefined {
  if (bytes.includes(carriageReturn)) return undefined;
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
    lines.push(bytes.subarray(start, end), crLf);
    start = end + 1;
  }
  return crc16Arc(concat(...lines, bytes.subarray(start)));
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const crLf = Uint8Array.of(carriageReturn, lineFeed);
