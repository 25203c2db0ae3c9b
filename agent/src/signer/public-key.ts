/** The public half of a signer's key: out of a key object, into DER, and proof that it fits. */

import type { KeyObject } from "node:crypto";
import { createPublicKey, randomBytes } from "node:crypto";
import { assertNever, present } from "@tamga/ledger-core/base/assert";
import { concat, equal, fromHex } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";

/**
 * @param key public or private.
 * @returns its public half, or undefined for a kind of key that Tamga does not sign with.
 */
export function publicKeyOf(key: KeyObject): PublicKey | undefined {
  switch (key.asymmetricKeyType) {
    case "ec": {
      if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return undefined;
      const { x, y } = key.export({ format: "jwk" });
      return { algorithm: "ES256", point: concat(uncompressed, coordinate(x), coordinate(y)) };
    }
    case "ed25519":
      return { algorithm: "EdDSA", point: coordinate(key.export({ format: "jwk" }).x) };
    case undefined:
      return sm2KeyOf(key);
    default:
      return undefined;
  }
}

/** Node has no name for an SM2 key that it read from a file, and no JWK. */
function sm2KeyOf(key: KeyObject): PublicKey | undefined {
  const half = key.type === "private" ? createPublicKey(key) : key;
  const spki = new Uint8Array(half.export({ format: "der", type: "spki" }));
  const point = spki.subarray(sm2SpkiPrefix.length);
  const isSm2 = point.length === 65 && equal(spki, concat(sm2SpkiPrefix, point));
  return isSm2 ? { algorithm: "SM2-SM3", point } : undefined;
}

/** SubjectPublicKeyInfo in DER (RFC 5480 §2, RFC 8410 §4; GM/T 0006-2012 for SM2). */
export function encodeSpki(key: PublicKey): Uint8Array {
  switch (key.algorithm) {
    case "ES256":
      return concat(p256SpkiPrefix, key.point);
    case "EdDSA":
      return concat(ed25519SpkiPrefix, key.point);
    case "SM2-SM3":
      return concat(sm2SpkiPrefix, key.point);
    case "PS256":
      return key.spki;
    default:
      return assertNever(key);
  }
}

/** Whether both are the same key of the same kind. */
export function samePublicKey(a: PublicKey, b: PublicKey): boolean {
  return a.algorithm === b.algorithm && equal(encodeSpki(a), encodeSpki(b));
}

/**
 * Signs a random challenge and verifies it, so that halves which do not belong together are found
 * before the first statement. Throws KEY_SELF_TEST_FAILED.
 */
export async function selfTest(
  key: PublicKey,
  sign: (message: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  const challenge = new Uint8Array(randomBytes(32));
  const signature = await sign(challenge);
  if (!nodeCrypto.verify(key, challenge, signature)) {
    const details = { algorithm: key.algorithm, length: signature.length };
    const sentence =
      "a signature by the private key does not verify under its public key" +
      (key.algorithm === "SM2-SM3" ? "; of a token, x-sm2-mechanism or x-sm2-input is wrong" : "");
    throw new OperationalError("KEY_SELF_TEST_FAILED", sentence, { details });
  }
}

const uncompressed = Uint8Array.of(4);
const p256SpkiPrefix = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
const sm2SpkiPrefix = hex("3059301306072a8648ce3d020106082a811ccf5501822d034200");
const ed25519SpkiPrefix = hex("302a300506032b6570032100");

function coordinate(text: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(present(text, "coordinate of a JWK"), "base64url"));
}

function hex(text: string): Uint8Array {
  return present(fromHex(text), "hexadecimal digits");
}
