/** The emulator's own account of what it put on the line. */

import { readFileSync, statSync } from "node:fs";

/** `torn`: in a write during which the reader went away; it may have been read or not. */
export type WireFrame = {
  readonly sequence: number;
  /** SHA-256 of the frame, lower-case hexadecimal. */
  readonly digest: string;
  readonly fate: "sent" | "torn";
};

const lineLength = 72;

/** @returns the frames by sequence. Throws where a line is not `SEQUENCE SHA256 sent|torn`. */
export function readWireLog(path: string): readonly WireFrame[] {
  const lines = readFileSync(path, "latin1").split("\n");
  lines.pop();
  return lines.map((line) => {
    const match = /^(\d+) ([0-9a-f]{64}) (sent|torn)$/.exec(line);
    if (match === null) throw new Error(`malformed line in the wire log: ${line}`);
    const fate = match[3] === "torn" ? "torn" : "sent";
    return { sequence: Number(match[1]), digest: match[2] ?? "", fate };
  });
}

/** The sequence of its last line; 0 while it is empty. */
export function lastOfWireLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size < lineLength) return 0;
  const text = readFileSync(path, "latin1");
  const end = text.lastIndexOf("\n");
  const begin = text.lastIndexOf("\n", end - 1) + 1;
  return Number.parseInt(text.slice(begin, end), 10);
}
