/** {@link CryptoPort} on @noble, and on sm-crypto-v2 for SM2: for browsers, and the oracle of the native one. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { mint } from "./brand.ts";
import type { Digest } from "./bytes.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { isPrimeOrderKey, isPrimeOrderSignature } from "./ed25519-point.ts";
import { verifySm2 } from "./portable-sm2.ts";
import { sm3 } from "./sm3.ts";

/** PS256 is not available here: such a signature never verifies, and the verifier says which. */
export const nobleCrypto: CryptoPort = {
  sha256: (bytes) => mint<Digest>(sha256(bytes)),
  sm3,
  verify(key, message, signature) {
    if (key.algorithm === "PS256" || signature.length !== 64) return false;
    try {
      switch (key.algorithm) {
        case "ES256":
          // The library also takes compressed points, which are no key of ours.
          if (key.point.length !== 65) return false;
          return p256.verify(signature, message, key.point, { prehash: true, lowS: false });
        case "EdDSA":
          // RFC 8032 strict and without the cofactor, as OpenSSL judges, not the laxer ZIP 215.
          return (
            ed25519.verify(signature, message, key.point, { zip215: false }) &&
            isPrimeOrderKey(key.point) &&
            isPrimeOrderSignature(signature)
          );
        case "SM2-SM3":
          return verifySm2(key.point, message, signature);
      }
    } catch {
      return false;
    }
  },
};
