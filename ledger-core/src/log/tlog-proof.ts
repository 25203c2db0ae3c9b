/** The portable text of an inclusion proof with its checkpoint (C2SP tlog-proof v1). */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { fromBase64, fromUtf8, parseDigest, toBase64, utf8 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { inclusionPathLengthMax, proofExtraBytesMax, proofTextBytesMax } from "./limits.ts";
import type { NoteFault, SignedNote } from "./note.ts";
import { encodeNote, parseNote } from "./note.ts";
import type { LeafIndex } from "./tree-size.ts";
import { parseLeafIndex } from "./tree-size.ts";

/** A proof as it stands: nothing in it is verified. */
export type TlogProof = {
  /** Opaque, and covered by no signature; at most 64 KiB, or left out. */
  readonly extra?: Uint8Array;
  readonly index: LeafIndex;
  /** From the leaf's sibling up. */
  readonly path: readonly Digest[];
  /** The log's checkpoint, with its signature and cosignatures. */
  readonly note: SignedNote;
};

export type TlogProofFault =
  | NoteFault
  | { readonly code: "TLOG_PROOF_TOO_LONG"; readonly limit: number }
  | { readonly code: "TLOG_PROOF_UNKNOWN_VERSION" }
  | { readonly code: "TLOG_PROOF_MALFORMED" }
  | { readonly code: "TLOG_PROOF_EXTRA_TOO_LONG"; readonly limit: number }
  | { readonly code: "TLOG_PROOF_PATH_TOO_LONG"; readonly limit: number };

const header = "c2sp.org/tlog-proof@v1";
const extraPrefix = "extra ";
const indexPrefix = "index ";

/** The text as UTF-8, for a file that ends in `.tlog-proof`. */
export function encodeTlogProof(proof: TlogProof): Uint8Array {
  const { extra, index, path, note } = proof;
  assert((extra?.length ?? 0) <= proofExtraBytesMax, "extra bytes within their limit");
  assert(path.length <= inclusionPathLengthMax, "path within its limit");
  const lines = [
    header,
    ...(extra === undefined ? [] : [`${extraPrefix}${toBase64(extra)}`]),
    `${indexPrefix}${index}`,
    ...path.map(toBase64),
    "",
    fromUtf8(encodeNote(note)),
  ];
  return utf8(lines.join("\n"));
}

/**
 * Parses the text; whether it proves anything is for `verifyNote`, `verifyCosignature`,
 * `parseCheckpoint` and `verifyInclusion` to say.
 *
 * Faults: TLOG_PROOF_TOO_LONG, TLOG_PROOF_UNKNOWN_VERSION (another first line), TLOG_PROOF_MALFORMED,
 *   TLOG_PROOF_EXTRA_TOO_LONG, TLOG_PROOF_PATH_TOO_LONG, and those of the note.
 */
export function parseTlogProof(bytes: Uint8Array): Result<TlogProof, TlogProofFault> {
  if (bytes.length > proofTextBytesMax)
    return err({ code: "TLOG_PROOF_TOO_LONG", limit: proofTextBytesMax });
  const text = fromUtf8(bytes);
  if (text === undefined) return err({ code: "TLOG_PROOF_MALFORMED" });
  if (!text.startsWith(`${header}\n`)) return err({ code: "TLOG_PROOF_UNKNOWN_VERSION" });
  // The proof's own lines are never empty; the checkpoint after the first blank line may have some.
  const blank = text.indexOf("\n\n");
  if (blank < 0) return err({ code: "TLOG_PROOF_MALFORMED" });
  const lines = text.slice(0, blank).split("\n").slice(1);
  const extraLine = lines[0]?.startsWith(extraPrefix) ? lines.shift() : undefined;
  const indexLine = lines.shift();
  if (lines.length > inclusionPathLengthMax)
    return err({ code: "TLOG_PROOF_PATH_TOO_LONG", limit: inclusionPathLengthMax });

  const extra =
    extraLine === undefined ? undefined : fromBase64(extraLine.slice(extraPrefix.length));
  if (extraLine !== undefined && extra === undefined) return err({ code: "TLOG_PROOF_MALFORMED" });
  if ((extra?.length ?? 0) > proofExtraBytesMax)
    return err({ code: "TLOG_PROOF_EXTRA_TOO_LONG", limit: proofExtraBytesMax });
  if (indexLine?.startsWith(indexPrefix) !== true) return err({ code: "TLOG_PROOF_MALFORMED" });
  const index = parseLeafIndex(indexLine.slice(indexPrefix.length));
  if (!index.ok) return err({ code: "TLOG_PROOF_MALFORMED" });
  const path: Digest[] = [];
  for (const line of lines) {
    const hash = parseDigest(fromBase64(line) ?? new Uint8Array(0));
    if (!hash.ok) return err({ code: "TLOG_PROOF_MALFORMED" });
    path.push(hash.value);
  }
  const note = parseNote(utf8(text.slice(blank + 2)));
  if (!note.ok) return note;
  const proof = { index: index.value, path, note: note.value };
  return ok(extra === undefined ? proof : { extra, ...proof });
}
