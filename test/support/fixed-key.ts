/** Keys that are the same in every run and sign the same bytes each time, for vectors. Public on purpose. */

import { createPrivateKey } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import type { TestKey } from "./certificate-builder.ts";
import { keyOf } from "./certificate-builder.ts";
import { sm2PrivateKey, sm2Signature } from "./sm2-keys.ts";

/** The key whose secret is SHA-256 of `tamga test vector: {owner}`. */
export function fixedKey(algorithm: Algorithm, owner: string): TestKey {
  const secret = nobleCrypto.sha256(utf8(`tamga test vector: ${owner}`));
  const d = base64url(secret);
  switch (algorithm) {
    case "ES256": {
      const point = p256.getPublicKey(secret, false);
      const [x, y] = [base64url(point.subarray(1, 33)), base64url(point.subarray(33))];
      const key = createPrivateKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x, y, d } });
      return { ...keyOf(algorithm, key), sign: (message) => p256.sign(message, secret) };
    }
    case "EdDSA": {
      const x = base64url(ed25519.getPublicKey(secret));
      const key = createPrivateKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x, d } });
      return keyOf(algorithm, key);
    }
    case "SM2-SM3":
      return fixedSm2Key(secret);
    case "PS256":
      throw new Error("PS256 signatures are random");
  }
}

/** Its nonces are SHA-256 of the secret and the message, for a test's key alone. */
function fixedSm2Key(secret: Uint8Array): TestKey {
  const key = keyOf("SM2-SM3", sm2PrivateKey(secret));
  const nonceFor = (message: Uint8Array) => nobleCrypto.sha256(concat(secret, message));
  return { ...key, sign: (message) => sm2Signature(secret, message, { nonce: nonceFor(message) }) };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
