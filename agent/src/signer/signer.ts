/** The port to a private key that signs and never shows itself. */

import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";

/**
 * `ready`; `recovering` while the token is away or does not answer; `locked` once a PIN was
 * refused, for the rest of the process.
 */
export type SignerState = "ready" | "recovering" | "locked";

export interface Signer {
  readonly algorithm: Algorithm;
  /** Shown wherever the key is: a `file` key is no hardware key. */
  readonly keyKind: "pkcs11" | "tpm" | "file";
  publicKey(): PublicKey;
  /**
   * Signs the message, not a digest of it: hashing is the signer's part.
   *
   * @returns ES256: r‖s, 64 bytes (RFC 9053 §2.1); EdDSA: 64 bytes; SM2-SM3: r‖s, 64 bytes; PS256: as long as
   *   the modulus.
   * Throws {@link OperationalError}: SIGN_QUEUE_FULL, SIGN_TIMEOUT, SIGN_FAILED, SIGNER_CLOSED,
   *   PIN_REFUSED, PIN_FINAL_TRY; or rejects with `signal.reason`.
   */
  sign(message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  state(): SignerState;
  /** Lets go of the key; requests that wait are refused with SIGNER_CLOSED. */
  close(): Promise<void>;
}
