/** Encrypts what lies on the edge box's disk, row by row, with AES-256-GCM or SM4-GCM (NIST SP 800-38D). */

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import { Sm4Gcm, sm4KeyBytes } from "./sm4-gcm.ts";

export const sealingNames = ["aes-256-gcm", "sm4-gcm"] as const;
export type SealingName = (typeof sealingNames)[number];
/** What agent.toml may say of `outbox.at_rest`. */
export const restCipherNames = ["off", ...sealingNames] as const;
export type RestCipherName = (typeof restCipherNames)[number];

/** Of a data key. */
export const restKeyBytes = {
  "aes-256-gcm": 32,
  "sm4-gcm": sm4KeyBytes,
} as const satisfies Record<SealingName, number>;
const nonceBytes = 12;
const tagBytes = 16;
/** What sealing adds to a row. */
export const restOverheadBytes = nonceBytes + tagBytes;

/** The tag stands behind the ciphertext. */
type Mode = {
  seal(nonce: Uint8Array, plain: Uint8Array, place: Uint8Array): Uint8Array;
  open(nonce: Uint8Array, sealed: Uint8Array, place: Uint8Array): Uint8Array | undefined;
};

/**
 * One data key in use. Nonces are random: SP 800-38D, section 8.3, allows 2^32 rows for a key, which a row
 * every 10 ms takes 16 months to reach and a bundle's row a second takes 136 years.
 */
export class RestCipher {
  readonly name: SealingName;
  readonly #mode: Mode;

  /** @param key as long as {@link restKeyBytes} says; kept, not copied. */
  constructor(name: SealingName, key: Uint8Array) {
    assert(key.length === restKeyBytes[name], "a data key has its cipher's length");
    this.name = name;
    this.#mode = name === "sm4-gcm" ? new Sm4Gcm(key) : aes256Gcm(key);
  }

  /** @param place what names the row; it is not stored, and `open` has to be given the same. */
  seal(plain: Uint8Array, place: Uint8Array): Uint8Array {
    const nonce = randomBytes(nonceBytes);
    return concat(nonce, this.#mode.seal(nonce, plain, place));
  }

  /** @returns undefined for bytes that were not sealed under this key for this place. */
  open(sealed: Uint8Array, place: Uint8Array): Uint8Array | undefined {
    if (sealed.length < restOverheadBytes) return undefined;
    return this.#mode.open(sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes), place);
  }

  /** Tells this key from others without saying anything of it: 16 bytes. */
  static checkOf(key: Uint8Array): Uint8Array {
    const mac = createHmac("sha256", key).update(utf8("tamga/at-rest/1")).digest();
    return new Uint8Array(mac.subarray(0, 16));
  }
}

function aes256Gcm(key: Uint8Array): Mode {
  return {
    seal(nonce, plain, place) {
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(place);
      const sealed = cipher.update(plain);
      cipher.final();
      return concat(sealed, cipher.getAuthTag());
    },
    open(nonce, sealed, place) {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(place);
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      const plain = decipher.update(sealed.subarray(0, -tagBytes));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return new Uint8Array(plain);
    },
  };
}
