/** Signed notes: a text and the lines of those who signed it (C2SP signed-note v1). */

import { assert } from "../base/assert.ts";
import { concat, fromBase64, fromUtf8, toBase64, u32, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { noteBytesMax, noteSignaturesMax } from "./limits.ts";
import type { VerifierKey } from "./verifier-key.ts";
import { isKeyName, keyIdOf } from "./verifier-key.ts";

/** One line: who says to have signed, and the bytes whose meaning the key's type decides. */
export type NoteSignature = {
  readonly name: string;
  /** 32 bits; the first four bytes of a hash over name, type and key. */
  readonly keyId: number;
  /** At least one byte. */
  readonly signature: Uint8Array;
};

/** A note as it stands: nothing in it is verified. */
export type SignedNote = {
  /** What is signed, as UTF-8, the newline at its end included. */
  readonly text: string;
  /** In the note's order, those of unknown keys too. */
  readonly signatures: readonly NoteSignature[];
};

export type NoteFault =
  | { readonly code: "NOTE_TOO_LONG"; readonly limit: number }
  | { readonly code: "NOTE_NOT_UTF8" }
  | { readonly code: "NOTE_CONTROL_CHARACTER" }
  | { readonly code: "NOTE_UNSIGNED" }
  | { readonly code: "NOTE_TOO_MANY_SIGNATURES"; readonly limit: number }
  | { readonly code: "NOTE_SIGNATURE_MALFORMED"; readonly line: number };

export type NoteKeyFault = {
  readonly code: "NOTE_SIGNATURE_MISSING" | "NOTE_SIGNATURE_REPEATED" | "NOTE_SIGNATURE_INVALID";
};

const dash = "\u2014 ";
const keyIdBytes = 4;

/**
 * Splits a note into its text and its signature lines.
 *
 * Faults: NOTE_TOO_LONG, NOTE_NOT_UTF8, NOTE_CONTROL_CHARACTER, NOTE_UNSIGNED (no blank line with
 *   signature lines after it, or no newline at the end), NOTE_TOO_MANY_SIGNATURES,
 *   NOTE_SIGNATURE_MALFORMED (with the line's number from 0).
 */
export function parseNote(bytes: Uint8Array): Result<SignedNote, NoteFault> {
  if (bytes.length > noteBytesMax) return err({ code: "NOTE_TOO_LONG", limit: noteBytesMax });
  const whole = fromUtf8(bytes);
  if (whole === undefined) return err({ code: "NOTE_NOT_UTF8" });
  if (hasControlCharacter(whole)) return err({ code: "NOTE_CONTROL_CHARACTER" });
  // The text may hold blank lines; the last one ends it.
  const blank = whole.lastIndexOf("\n\n");
  const lines = whole.slice(blank + 2).split("\n");
  if (blank < 0 || lines.pop() !== "" || lines.length === 0) return err({ code: "NOTE_UNSIGNED" });
  if (lines.length > noteSignaturesMax)
    return err({ code: "NOTE_TOO_MANY_SIGNATURES", limit: noteSignaturesMax });
  const signatures: NoteSignature[] = [];
  for (const [line, content] of lines.entries()) {
    const signature = parseSignatureLine(content);
    if (signature === undefined) return err({ code: "NOTE_SIGNATURE_MALFORMED", line });
    signatures.push(signature);
  }
  return ok({ text: whole.slice(0, blank + 1), signatures });
}

/** The bytes of a note with at least one signature; {@link parseNote} gives it back. */
export function encodeNote(note: SignedNote): Uint8Array {
  assert(note.text.endsWith("\n") && !hasControlCharacter(note.text), "note text is plain lines");
  assert(note.signatures.length > 0, "note is signed");
  assert(note.signatures.length <= noteSignaturesMax, "note signatures within their limit");
  const bytes = utf8(`${note.text}\n${note.signatures.map(encodeSignatureLine).join("")}`);
  assert(bytes.length <= noteBytesMax, "note within its limit");
  return bytes;
}

/** `— name base64(key id ‖ signature)` and a newline. */
export function encodeSignatureLine(signature: NoteSignature): string {
  assert(isKeyName(signature.name), "key name without spaces and plus");
  assert(signature.signature.length > 0, "signature is not empty");
  return `${dash}${signature.name} ${toBase64(concat(u32(signature.keyId), signature.signature))}\n`;
}

/** Wraps a log's Ed25519 signature over the note's text, as UTF-8, into a line's content. */
export function noteSignature(
  crypto: Pick<CryptoPort, "sha256">,
  key: VerifierKey & { readonly type: "ed25519" },
  signature: Uint8Array,
): NoteSignature {
  assert(signature.length === 64, "Ed25519 signature has 64 bytes");
  return { name: key.name, keyId: keyIdOf(crypto, key), signature };
}

/**
 * Checks one key's Ed25519 signature over the text (signature type 0x01) and gives the text. Lines of
 * other keys are passed over, as the specification rules.
 *
 * Faults: NOTE_SIGNATURE_MISSING, NOTE_SIGNATURE_REPEATED (two lines of this key: one is enough, and
 *   a note full of them would buy as many checks), NOTE_SIGNATURE_INVALID.
 */
export function verifyNote(
  crypto: CryptoPort,
  key: VerifierKey & { readonly type: "ed25519" },
  note: SignedNote,
): Result<string, NoteKeyFault> {
  const found = signatureOf(crypto, key, note);
  if (found.length > 1) return err({ code: "NOTE_SIGNATURE_REPEATED" });
  const [line] = found;
  if (line === undefined) return err({ code: "NOTE_SIGNATURE_MISSING" });
  const point = { algorithm: "EdDSA", point: key.publicKey } as const;
  return crypto.verify(point, utf8(note.text), line.signature)
    ? ok(note.text)
    : err({ code: "NOTE_SIGNATURE_INVALID" });
}

/** The lines whose name and key id are this key's. */
export function signatureOf(
  crypto: Pick<CryptoPort, "sha256">,
  key: VerifierKey,
  note: SignedNote,
): readonly NoteSignature[] {
  const keyId = keyIdOf(crypto, key);
  return note.signatures.filter((line) => line.name === key.name && line.keyId === keyId);
}

/** Characters below U+0020 other than newline, which a note must not have. */
export function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return true;
  }
  return false;
}

function parseSignatureLine(line: string): NoteSignature | undefined {
  if (!line.startsWith(dash)) return undefined;
  const space = line.indexOf(" ", dash.length);
  const name = line.slice(dash.length, space);
  const bytes = fromBase64(line.slice(space + 1));
  if (space < 0 || !isKeyName(name) || bytes === undefined) return undefined;
  if (bytes.length <= keyIdBytes) return undefined;
  const keyId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { name, keyId, signature: bytes.slice(keyIdBytes) };
}
