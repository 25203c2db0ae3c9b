/** Signatures by private keys in memory, each as a statement carries it: by `file:` keys and keys of TLS. */

import type { KeyObject } from "node:crypto";
import { createSign, generateKeyPairSync, sign } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { sm2Preamble } from "@tamga/ledger-core/base/sm2";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";

/** The kinds of key that a file may hold. */
export type SoftwareAlgorithm = "ES256" | "EdDSA" | "SM2-SM3";

/**
 * Signs on a thread of the pool: 40 µs of P-256 are not worth a stall of the loop under load. But SM2 stays on
 * the loop, for about half a millisecond: Node signs it in parts alone, and has no such call for the pool.
 *
 * @param publicKey of the same key. Rejects with SIGN_FAILED.
 */
export async function softwareSignature(
  key: KeyObject,
  publicKey: PublicKey,
  message: Uint8Array,
): Promise<Uint8Array> {
  if (publicKey.algorithm === "SM2-SM3") return signSm2(key, publicKey.point, message);
  const digest = publicKey.algorithm === "EdDSA" ? null : "sha256";
  return new Promise((resolve, reject) => {
    sign(digest, message, { key, dsaEncoding: "ieee-p1363" }, (error, signature) => {
      if (error === null) resolve(new Uint8Array(signature));
      else reject(signFailed(error));
    });
  });
}

/** A new key in PKCS#8, PEM. */
export function generateKeyPem(algorithm: SoftwareAlgorithm): string {
  const { privateKey } =
    algorithm === "EdDSA"
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: algorithm === "ES256" ? "P-256" : "SM2" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** @param key from a file: one that Node generated in memory would sign plain ECDSA on the SM2 curve. */
function signSm2(key: KeyObject, point: Uint8Array, message: Uint8Array): Uint8Array {
  try {
    const preamble = sm2Preamble((bytes) => nodeCrypto.sm3(bytes), point);
    return pairOfDer(createSign("sm3").update(preamble).update(message).sign(key));
  } catch (error) {
    throw signFailed(error);
  }
}

/** r ‖ s, 32 bytes each, of OpenSSL's SEQUENCE of two INTEGERs. */
function pairOfDer(der: Uint8Array): Uint8Array {
  const pair = new Uint8Array(64);
  let offset = 2;
  for (const end of [32, 64]) {
    const length = der[offset + 1] ?? 0;
    const integer = der.subarray(offset + 2, offset + 2 + length);
    assert(der[offset] === 0x02 && length > 0 && length <= 33, "an INTEGER of at most 32 bytes");
    const value = integer.subarray(Math.max(0, length - 32));
    pair.set(value, end - value.length);
    offset += 2 + length;
  }
  assert(offset === der.length, "a signature is two INTEGERs");
  return pair;
}

function signFailed(cause: unknown): OperationalError {
  return new OperationalError("SIGN_FAILED", "the key did not sign", { cause });
}
