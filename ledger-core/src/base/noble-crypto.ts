/** {@link CryptoPort} on @noble: for browsers, and the oracle of the native one. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { mint } from "./brand.ts";
import type { Digest } from "./bytes.ts";
import type { CryptoPort } from "./crypto-port.ts";

/** PS256 is not available here: such a signature never verifies, and the verifier says which. */
export const nobleCrypto: CryptoPort = {
  sha256: (bytes) => mint<Digest>(sha256(bytes)),
  verify(key, message, signature) {
    try {
      switch (key.algorithm) {
        case "ES256":
          return p256.verify(signature, message, key.point, { prehash: true, lowS: false });
        case "EdDSA":
          // RFC 8032 strict, as OpenSSL judges, not the laxer ZIP 215.
          return ed25519.verify(signature, message, key.point, { zip215: false });
        case "PS256":
          return false;
      }
    } catch {
      return false;
    }
  },
};
