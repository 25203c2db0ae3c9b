/** {@link CryptoPort} on `node:crypto`, with the keys it has imported kept for the next signature. */

import type { KeyObject } from "node:crypto";
import { constants, createPublicKey, createVerify, hash, verify } from "node:crypto";
import { present } from "../base/assert.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, equal, fromHex } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import { isPrimeOrderKey } from "../base/ed25519-point.ts";
import { sm2Preamble } from "../base/sm2.ts";
import { importedKeysMax, rsaBitsMax, rsaBitsMin, spkiBytesMax } from "./limits.ts";

/**
 * @param keysMax imported keys to keep, least recently used out first: an import costs a third of
 *   a P-256 check, and for Ed25519 several checks.
 */
export function createNodeCrypto(keysMax: number = importedKeysMax): CryptoPort {
  const imported = new Map<string, KeyObject>();

  function importOnce(key: PublicKey): KeyObject | undefined {
    const bytes = key.algorithm === "PS256" ? key.spki : key.point;
    if (bytes.length > spkiBytesMax) return undefined;
    const name =
      key.algorithm + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    const known = imported.get(name);
    if (known !== undefined) {
      imported.delete(name);
      imported.set(name, known);
      return known;
    }
    const fresh = importKey(key);
    // A refused key is not kept, so that a flood of them cannot push good ones out.
    if (fresh === undefined) return undefined;
    if (imported.size >= keysMax) {
      const oldest = imported.keys().next();
      if (oldest.done !== true) imported.delete(oldest.value);
    }
    imported.set(name, fresh);
    return fresh;
  }

  return {
    sha256: (bytes) => digestOf("sha256", bytes),
    sm3: (bytes) => digestOf("sm3", bytes),
    verify(key, message, signature) {
      const keyObject = importOnce(key);
      return keyObject !== undefined && verifyWith(keyObject, key, message, signature);
    },
    ...(hasMlDsa44 ? { verifyMlDsa44 } : {}),
  };
}

/** 2,420 bytes and no context; a key of another length is none. */
function verifyMlDsa44(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== mlDsa44KeyBytes || signature.length !== 2_420) return false;
  const key = importSpki(concat(mlDsa44SpkiPrefix, publicKey));
  return key !== undefined && verify(null, message, key, signature);
}

/** SubjectPublicKeyInfo up to the key's bits (RFC 9881 §4). */
const mlDsa44SpkiPrefix = present(
  fromHex("30820532300b06096086480165030403110382052100"),
  "ML-DSA-44 prefix",
);
const mlDsa44KeyBytes = 1_312;
/** Whether this Node's OpenSSL knows the algorithm: any bytes of the right length are a key of it. */
const hasMlDsa44 =
  importSpki(concat(mlDsa44SpkiPrefix, new Uint8Array(mlDsa44KeyBytes))) !== undefined;

/** The one of this thread. */
export const nodeCrypto: CryptoPort = createNodeCrypto();

/**
 * A `binary` (Latin-1) digest comes back from `hash` as a string of 32 characters, which costs a third of the
 * `Buffer` it would allocate outside the heap (0.4 µs against 1.2 µs for 200 bytes).
 */
function digestOf(algorithm: "sha256" | "sm3", bytes: Uint8Array): Digest {
  const text = hash(algorithm, bytes, "binary");
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = text.charCodeAt(i);
  return mint<Digest>(digest);
}

function verifyWith(
  key: KeyObject,
  known: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  switch (known.algorithm) {
    case "ES256":
      // A bare `KeyObject` takes DER only, and is a third faster than options that take r ‖ s.
      return signature.length === 64 && verify("sha256", message, key, derOfPair(signature));
    case "EdDSA":
      return signature.length === 64 && verify(null, message, key, signature);
    case "PS256":
      // MGF1 takes the same SHA-256, as RFC 8230 §2 asks, where no other is named.
      return verify(
        "sha256",
        message,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
        signature,
      );
    case "SM2-SM3": {
      // Only this way is it SM2: the one-shot `verify` hashes a preamble of its own, for an empty user ID.
      if (signature.length !== 64) return false;
      const preamble = sm2Preamble((bytes) => digestOf("sm3", bytes), known.point);
      const verifier = createVerify("sm3").update(preamble).update(message);
      return verifier.verify(key, derOfPair(signature));
    }
  }
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3) of r ‖ s, 32 bytes each: SEQUENCE of two INTEGERs. */
function derOfPair(pair: Uint8Array): Uint8Array {
  const der = new Uint8Array(2 + 2 * (2 + 33));
  const middle = putInteger(der, 2, pair.subarray(0, 32));
  const end = putInteger(der, middle, pair.subarray(32));
  der[0] = 0x30;
  der[1] = end - 2;
  return der.subarray(0, end);
}

/** In its shortest form, never negative; @returns where it ends. */
function putInteger(der: Uint8Array, offset: number, value: Uint8Array): number {
  let from = 0;
  while (from < value.length - 1 && value[from] === 0) from++;
  const sign = (value[from] ?? 0) >> 7;
  const length = sign + value.length - from;
  der[offset] = 0x02;
  der[offset + 1] = length;
  der.set(value.subarray(from), offset + 2 + sign);
  return offset + 2 + length;
}

/** @returns undefined for a key that is malformed, off its curve, weak or of another kind. */
function importKey(key: PublicKey): KeyObject | undefined {
  switch (key.algorithm) {
    case "ES256":
      if (key.point.length !== 65 || key.point[0] !== 4) return undefined;
      return importSpki(concat(p256SpkiPrefix, key.point));
    case "SM2-SM3":
      // From DER: a key that Node's `generateKeyPair` made would be one for ECDSA on that curve.
      if (key.point.length !== 65 || key.point[0] !== 4) return undefined;
      return importSpki(concat(sm2SpkiPrefix, key.point));
    case "EdDSA":
      if (!isPrimeOrderKey(key.point)) return undefined;
      return importSpki(concat(ed25519SpkiPrefix, key.point));
    case "PS256": {
      const imported = importSpki(key.spki);
      if (imported?.asymmetricKeyType !== "rsa") return undefined;
      const { modulusLength = 0, publicExponent } = imported.asymmetricKeyDetails ?? {};
      if (modulusLength < rsaBitsMin || modulusLength > rsaBitsMax) return undefined;
      // Other bytes for the same key would be another thumbprint: only the canonical ones pass.
      const canonical = equal(imported.export({ type: "spki", format: "der" }), key.spki);
      return canonical && publicExponent === 65_537n ? imported : undefined;
    }
  }
}

function importSpki(der: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

/** SubjectPublicKeyInfo up to the key's bits (RFC 5480 §2, RFC 8410 §4, GM/T 0006-2012 for SM2). */
const p256SpkiPrefix = present(
  fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
  "P-256 prefix",
);
const sm2SpkiPrefix = present(
  fromHex("3059301306072a8648ce3d020106082a811ccf5501822d034200"),
  "SM2 prefix",
);
const ed25519SpkiPrefix = present(fromHex("302a300506032b6570032100"), "Ed25519 prefix");
