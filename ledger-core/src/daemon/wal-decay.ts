/**
 * Finds commits in a write-ahead log that SQLite would pass over in silence: it takes the first frame that
 * is not whole for the end (SQLite, "Database File Format", section 4). After a power cut that is right,
 * since what was cut off had not been acknowledged; where a frame decayed, whole commits follow it.
 */

import { closeSync, openSync, readSync } from "node:fs";

/** Which frame is not what was written, from 0. */
export type WalDecay = { readonly frame: number };

/**
 * A commit is on disk before the next one is written, so at most the last may be torn: a frame of this log
 * beyond the end of a commit that is not whole shows decay. The newest commit alone can decay unnoticed.
 * Only for a log to which nobody writes, and which is emptied on every open.
 */
export function walDecayOf(log: string): WalDecay | undefined {
  let file: number;
  try {
    file = openSync(log, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return scan((at, bytes) => readSync(file, bytes, 0, bytes.length, at) === bytes.length);
  } finally {
    closeSync(file);
  }
}

const headBytes = 32;
const frameHeadBytes = 24;
const magic = 0x377f0682;

type Sums = { readonly a: number; readonly b: number };

function scan(read: (at: number, bytes: Uint8Array) => boolean): WalDecay | undefined {
  const head = new DataView(new ArrayBuffer(headBytes));
  if (!read(0, new Uint8Array(head.buffer))) return undefined;
  // The magic number's last bit says in which byte order the sums run.
  const little = (head.getUint32(0) & 1) === 0;
  let sums = sumOn({ a: 0, b: 0 }, head, { from: 0, to: 24, little });
  // The head is on disk before the first frame is written.
  if ((head.getUint32(0) & ~1) !== magic || !isSum(head, 24, sums))
    return read(headBytes, new Uint8Array(frameHeadBytes)) ? { frame: 0 } : undefined;
  const frame = new DataView(new ArrayBuffer(frameHeadBytes + head.getUint32(8)));
  const bytes = new Uint8Array(frame.buffer);
  let isWhole = true;
  let bad = 0;
  let isPastCommit = false;
  for (let at = 0; read(headBytes + at * frame.byteLength, bytes); at++) {
    const isOurs =
      frame.getUint32(8) === head.getUint32(16) && frame.getUint32(12) === head.getUint32(20);
    if (isWhole) {
      sums = sumOn(sums, frame, { from: 0, to: 8, little });
      sums = sumOn(sums, frame, { from: frameHeadBytes, to: frame.byteLength, little });
      if (isOurs && isSum(frame, 16, sums)) continue;
      isWhole = false;
      bad = at;
    }
    // What an earlier round left behind.
    if (!isOurs) continue;
    if (isPastCommit) return { frame: bad };
    isPastCommit = frame.getUint32(4) !== 0;
  }
  return undefined;
}

function isSum(view: DataView, at: number, { a, b }: Sums): boolean {
  return view.getUint32(at) === a && view.getUint32(at + 4) === b;
}

function sumOn(
  { a, b }: Sums,
  view: DataView,
  { from, to, little }: { readonly from: number; readonly to: number; readonly little: boolean },
): Sums {
  let [first, second] = [a, b];
  for (let at = from; at < to; at += 8) {
    first = (first + view.getUint32(at, little) + second) >>> 0;
    second = (second + view.getUint32(at + 4, little) + first) >>> 0;
  }
  return { a: first, b: second };
}
