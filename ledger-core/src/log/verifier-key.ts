/** The public keys of notes and cosignatures, their ids and their text form (C2SP signed-note v1). */

import { assert } from "../base/assert.ts";
import { concat, fromBase64, toBase64, toHex, u32, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { keyNameLengthMax, verifierKeyLengthMax } from "./limits.ts";

/** Assigned signature types that we speak: a log's own, and cosigners' with their time. */
export const signatureTypes = {
  ed25519: 0x01,
  "cosignature-v1": 0x04,
  "cosignature-ml-dsa-44": 0x06,
} as const;
export type SignatureType = keyof typeof signatureTypes;

/** A key with its name; the same key with another name or type has another id. */
export type VerifierKey = {
  readonly type: SignatureType;
  readonly name: string;
  /** Ed25519, 32 bytes; ML-DSA-44 (FIPS 204), 1,312. */
  readonly publicKey: Uint8Array;
};

export type VerifierKeyFault =
  | { readonly code: "VERIFIER_KEY_TOO_LONG"; readonly limit: number }
  | { readonly code: "VERIFIER_KEY_MALFORMED" }
  | { readonly code: "VERIFIER_KEY_UNKNOWN_TYPE"; readonly type: number }
  | { readonly code: "VERIFIER_KEY_ID_MISMATCH" };

const publicKeyBytes: Readonly<Record<SignatureType, number>> = {
  ed25519: 32,
  "cosignature-v1": 32,
  "cosignature-ml-dsa-44": 1_312,
};

/** True for 1 … 255 characters without Unicode spaces, control characters and plus. */
export function isKeyName(name: string): boolean {
  return (
    name.length > 0 && name.length <= keyNameLengthMax && !/[\p{White_Space}\p{Cc}+]/u.test(name)
  );
}

/** SHA-256(name ‖ 0x0A ‖ type ‖ key), its first four bytes as a number. */
export function keyIdOf(crypto: Pick<CryptoPort, "sha256">, key: VerifierKey): number {
  assert(isKeyName(key.name), "key name without spaces and plus");
  assert(key.publicKey.length === publicKeyBytes[key.type], "length of a public key");
  const hash = crypto.sha256(
    concat(utf8(`${key.name}\n`), Uint8Array.of(signatureTypes[key.type]), key.publicKey),
  );
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0);
}

/** `name+hex(key id)+base64(type ‖ key)`. */
export function encodeVerifierKey(crypto: Pick<CryptoPort, "sha256">, key: VerifierKey): string {
  const id = toHex(u32(keyIdOf(crypto, key)));
  return `${key.name}+${id}+${toBase64(concat(Uint8Array.of(signatureTypes[key.type]), key.publicKey))}`;
}

/**
 * Parses the text form, and holds its id to the recommended hash.
 *
 * Faults: VERIFIER_KEY_TOO_LONG, VERIFIER_KEY_MALFORMED, VERIFIER_KEY_UNKNOWN_TYPE (one that we do
 *   not speak), VERIFIER_KEY_ID_MISMATCH.
 */
export function parseVerifierKey(
  crypto: Pick<CryptoPort, "sha256">,
  text: string,
): Result<VerifierKey, VerifierKeyFault> {
  if (text.length > verifierKeyLengthMax)
    return err({ code: "VERIFIER_KEY_TOO_LONG", limit: verifierKeyLengthMax });
  const match = /^([^+]+)\+([0-9a-f]{8})\+([^\s]+)$/.exec(text);
  const [, name = "", id = "", base64 = ""] = match ?? [];
  const bytes = fromBase64(base64);
  if (!isKeyName(name) || bytes === undefined) return err({ code: "VERIFIER_KEY_MALFORMED" });
  const code = bytes[0] ?? 0;
  const type = typeOf(code);
  if (type === undefined) return err({ code: "VERIFIER_KEY_UNKNOWN_TYPE", type: code });
  const publicKey = bytes.slice(1);
  if (publicKey.length !== publicKeyBytes[type]) return err({ code: "VERIFIER_KEY_MALFORMED" });
  const key = { type, name, publicKey };
  const expected = toHex(u32(keyIdOf(crypto, key)));
  return id === expected ? ok(key) : err({ code: "VERIFIER_KEY_ID_MISMATCH" });
}

function typeOf(code: number): SignatureType | undefined {
  switch (code) {
    case signatureTypes.ed25519:
      return "ed25519";
    case signatureTypes["cosignature-v1"]:
      return "cosignature-v1";
    case signatureTypes["cosignature-ml-dsa-44"]:
      return "cosignature-ml-dsa-44";
    default:
      return undefined;
  }
}
