/**
 * Hashing and signature checks as a port: `node:crypto` in the daemons, @noble in a browser and as
 * the tests' oracle. Both give the same answers on every input (`test/conformance`).
 */

import type { Digest } from "./bytes.ts";

/** The signature algorithms that Tamga speaks; `wire/algorithm.ts` maps them to COSE numbers. */
export type Algorithm = "ES256" | "EdDSA" | "PS256" | "SM2-SM3";

/** A public key: P-256 and SM2 as the 65-byte uncompressed point, Ed25519 as 32 bytes, RSA as SPKI DER. */
export type PublicKey =
  | { readonly algorithm: "ES256"; readonly point: Uint8Array }
  | { readonly algorithm: "EdDSA"; readonly point: Uint8Array }
  | { readonly algorithm: "PS256"; readonly spki: Uint8Array }
  | { readonly algorithm: "SM2-SM3"; readonly point: Uint8Array };

export interface CryptoPort {
  sha256(bytes: Uint8Array): Digest;
  /** SM3 (GB/T 32905-2016), 32 bytes as well: in bundles alone, and where their statement says so. */
  sm3(bytes: Uint8Array): Digest;
  /**
   * True when the signature is valid. ES256 signatures are r‖s, 64 bytes; high-s is accepted (a TPM
   * makes it), since identity is over the signed bytes. SM2-SM3 signatures are r‖s, too, for the user ID of
   * `sm2.ts`. A malformed key or signature is false.
   */
  verify(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * True when an ML-DSA-44 signature (FIPS 204, 2,420 bytes, empty context) by this key (1,312 bytes) is valid.
   * Absent where it cannot be checked: in a browser, and in a Node whose OpenSSL is older than 3.5.
   */
  verifyMlDsa44?(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
