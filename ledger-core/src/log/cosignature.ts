/** Timestamped Ed25519 cosignatures of checkpoints (C2SP tlog-cosignature v1, signature type 0x04). */

import { assert } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import { concat, u32, u64, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { cosignatureTimeSecondsMax } from "./limits.ts";
import type { NoteSignature, SignedNote } from "./note.ts";
import { encodeSignatureLine, signatureOf } from "./note.ts";
import { keyIdOf } from "./verifier-key.ts";

/** One who cosigns. A key serves one name only: the signed message does not hold the name. */
export type Cosigner = { readonly name: string; readonly publicKey: Uint8Array };

/** This cosigner signed this text at this time; only the two verifiers below make it. */
export type VerifiedCosignature = Brand<
  { readonly name: string; readonly timeSeconds: number; readonly text: string },
  "VerifiedCosignature"
>;

export type CosignatureFault = {
  readonly code:
    | "COSIGNATURE_MISSING"
    | "COSIGNATURE_REPEATED"
    | "COSIGNATURE_BAD_LENGTH"
    | "COSIGNATURE_TIME_OUT_OF_RANGE"
    | "COSIGNATURE_INVALID";
};

/** What can be wrong with a cosignature that is there. */
export type DetachedCosignatureFault = {
  readonly code: Exclude<CosignatureFault["code"], "COSIGNATURE_MISSING" | "COSIGNATURE_REPEATED">;
};

/** A cosignature without its note. `keyId` has 4 bytes. */
export type DetachedCosignature = {
  readonly keyId: Uint8Array;
  readonly timeSeconds: number;
  readonly signature: Uint8Array;
};

const timeBytes = 8;
const ed25519SignatureBytes = 64;

/**
 * The bytes that a cosigner signs.
 *
 * @param text the checkpoint's note text, its last newline included.
 * @param timeSeconds seconds since 1970, 0 … the last second of the year 9999.
 */
export function cosignatureMessage(text: string, timeSeconds: number): Uint8Array {
  assert(isTime(timeSeconds), "cosignature time within its limit");
  assert(text.endsWith("\n"), "note text ends its last line");
  return utf8(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}

/** Wraps an Ed25519 signature over {@link cosignatureMessage} into a line's content. */
export function cosignature(
  crypto: Pick<CryptoPort, "sha256">,
  cosigner: Cosigner,
  signed: { readonly timeSeconds: number; readonly signature: Uint8Array },
): NoteSignature {
  assert(isTime(signed.timeSeconds), "cosignature time within its limit");
  assert(signed.signature.length === ed25519SignatureBytes, "Ed25519 signature has 64 bytes");
  return {
    name: cosigner.name,
    keyId: keyIdOf(crypto, { ...cosigner, type: "cosignature-v1" }),
    signature: concat(u64(BigInt(signed.timeSeconds)), signed.signature),
  };
}

/** The whole line of a cosignature, newline included: what a witness answers. */
export function encodeCosignatureLine(
  crypto: Pick<CryptoPort, "sha256">,
  cosigner: Cosigner,
  signed: { readonly timeSeconds: number; readonly signature: Uint8Array },
): string {
  return encodeSignatureLine(cosignature(crypto, cosigner, signed));
}

/**
 * Checks one cosigner's line of a note; what the text says is for `parseCheckpoint` to judge.
 *
 * Faults: COSIGNATURE_MISSING, COSIGNATURE_REPEATED (two lines of this cosigner), COSIGNATURE_BAD_LENGTH,
 *   COSIGNATURE_TIME_OUT_OF_RANGE (after the year 9999, so in the future), COSIGNATURE_INVALID.
 */
export function verifyCosignature(
  crypto: CryptoPort,
  cosigner: Cosigner,
  note: SignedNote,
): Result<VerifiedCosignature, CosignatureFault> {
  const found = signatureOf(crypto, { ...cosigner, type: "cosignature-v1" }, note);
  if (found.length > 1) return err({ code: "COSIGNATURE_REPEATED" });
  const [line] = found;
  if (line === undefined) return err({ code: "COSIGNATURE_MISSING" });
  const bytes = line.signature;
  if (bytes.length !== timeBytes + ed25519SignatureBytes)
    return err({ code: "COSIGNATURE_BAD_LENGTH" });
  return verifyDetachedCosignature(crypto, cosigner, {
    text: note.text,
    timeSeconds: Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)),
    signature: bytes.subarray(timeBytes),
  });
}

/**
 * Checks a cosignature that came without its note: the text is the caller's own.
 * Faults: COSIGNATURE_BAD_LENGTH, COSIGNATURE_TIME_OUT_OF_RANGE, COSIGNATURE_INVALID.
 */
export function verifyDetachedCosignature(
  crypto: CryptoPort,
  cosigner: Cosigner,
  signed: {
    readonly text: string;
    readonly timeSeconds: number;
    readonly signature: Uint8Array;
  },
): Result<VerifiedCosignature, DetachedCosignatureFault> {
  const { text, timeSeconds, signature } = signed;
  if (signature.length !== ed25519SignatureBytes) return err({ code: "COSIGNATURE_BAD_LENGTH" });
  if (!isTime(timeSeconds)) return err({ code: "COSIGNATURE_TIME_OUT_OF_RANGE" });
  const point = { algorithm: "EdDSA", point: cosigner.publicKey } as const;
  if (!crypto.verify(point, cosignatureMessage(text, timeSeconds), signature))
    return err({ code: "COSIGNATURE_INVALID" });
  return ok(mint<VerifiedCosignature>({ name: cosigner.name, timeSeconds, text }));
}

/** A cosigner's line of a note, taken apart and not verified; undefined where there is not just one. */
export function detachCosignature(
  crypto: Pick<CryptoPort, "sha256">,
  cosigner: Cosigner,
  note: SignedNote,
): DetachedCosignature | undefined {
  const [line, ...others] = signatureOf(crypto, { ...cosigner, type: "cosignature-v1" }, note);
  if (line === undefined || others.length > 0) return undefined;
  const { signature: bytes } = line;
  if (bytes.length !== timeBytes + ed25519SignatureBytes) return undefined;
  return {
    keyId: u32(line.keyId),
    timeSeconds: Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)),
    signature: bytes.slice(timeBytes),
  };
}

function isTime(timeSeconds: number): boolean {
  return (
    Number.isInteger(timeSeconds) && timeSeconds >= 0 && timeSeconds <= cosignatureTimeSecondsMax
  );
}
