/** Checkpoints: the text in which a log states its size and root (C2SP tlog-checkpoint v1). */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { fromBase64, parseDigest, toBase64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { checkpointExtensionsMax, keyNameLengthMax, noteBytesMax } from "./limits.ts";
import { hasControlCharacter } from "./note.ts";
import type { TreeSize } from "./tree-size.ts";
import { parseTreeSize } from "./tree-size.ts";

export type Checkpoint = {
  /** Names the log: 1 … 255 characters on one line; ours are key names, others may have spaces. */
  readonly origin: string;
  readonly treeSize: TreeSize;
  readonly root: Digest;
  /** Lines that the log adds; a reader who does not know them passes over them. */
  readonly extensions: readonly string[];
};

export type CheckpointFault = {
  readonly code:
    | "CHECKPOINT_TOO_LONG"
    | "CHECKPOINT_MALFORMED"
    | "CHECKPOINT_BAD_ORIGIN"
    | "CHECKPOINT_BAD_SIZE"
    | "CHECKPOINT_BAD_ROOT"
    | "CHECKPOINT_TOO_MANY_EXTENSIONS";
};

/**
 * Parses a note's text as a checkpoint; only the form that {@link encodeCheckpoint} writes.
 *
 * Faults: CHECKPOINT_TOO_LONG, CHECKPOINT_MALFORMED (fewer than three lines, an empty line, no newline
 *   at the end, a control character), CHECKPOINT_BAD_ORIGIN (too long), CHECKPOINT_BAD_SIZE (not
 *   decimal, a leading zero, over 2^64−1), CHECKPOINT_BAD_ROOT (not 32 bytes of canonical base64),
 *   CHECKPOINT_TOO_MANY_EXTENSIONS.
 */
export function parseCheckpoint(text: string): Result<Checkpoint, CheckpointFault> {
  if (text.length > noteBytesMax) return err({ code: "CHECKPOINT_TOO_LONG" });
  const lines = text.split("\n");
  const isEnded = lines.pop() === "";
  const [origin, size, base64, ...extensions] = lines;
  if (origin === undefined || size === undefined || base64 === undefined)
    return err({ code: "CHECKPOINT_MALFORMED" });
  if (!isEnded || lines.includes("") || hasControlCharacter(text))
    return err({ code: "CHECKPOINT_MALFORMED" });
  if (origin.length > keyNameLengthMax) return err({ code: "CHECKPOINT_BAD_ORIGIN" });
  const treeSize = parseTreeSize(size);
  if (!treeSize.ok) return err({ code: "CHECKPOINT_BAD_SIZE" });
  const root = parseDigest(fromBase64(base64) ?? new Uint8Array(0));
  if (!root.ok) return err({ code: "CHECKPOINT_BAD_ROOT" });
  if (extensions.length > checkpointExtensionsMax)
    return err({ code: "CHECKPOINT_TOO_MANY_EXTENSIONS" });
  return ok({ origin, treeSize: treeSize.value, root: root.value, extensions });
}

/** The note's text: origin, size, root and extensions, a line each. */
export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { origin, treeSize, root, extensions } = checkpoint;
  const lines = [origin, treeSize.toString(), toBase64(root), ...extensions];
  const text = lines.map((line) => `${line}\n`).join("");
  assert(parseCheckpoint(text).ok, "checkpoint lines are within their rules");
  return text;
}
