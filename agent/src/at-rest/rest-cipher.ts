/** Encrypts what lies on the edge box's disk, row by row, with AES-256-GCM (NIST SP 800-38D). */

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";

/** What agent.toml may say of `outbox.at_rest`. */
export const restCipherNames = ["off", "aes-256-gcm"] as const;
export type RestCipherName = (typeof restCipherNames)[number];

export const restKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** What sealing adds to a row. */
export const restOverheadBytes = nonceBytes + tagBytes;

/**
 * One data key in use. Nonces are random: SP 800-38D, section 8.3, allows 2^32 rows for a key, which a row
 * every 10 ms takes 16 months to reach and a bundle's row a second takes 136 years.
 */
export class RestCipher {
  readonly #key: Uint8Array;

  /** @param key 32 bytes; kept, not copied. */
  constructor(key: Uint8Array) {
    assert(key.length === restKeyBytes, "a data key has 32 bytes");
    this.#key = key;
  }

  /** @param place what names the row; it is not stored, and `open` has to be given the same. */
  seal(plain: Uint8Array, place: Uint8Array): Uint8Array {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    cipher.setAAD(place);
    const sealed = cipher.update(plain);
    cipher.final();
    return concat(nonce, sealed, cipher.getAuthTag());
  }

  /** @returns undefined for bytes that were not sealed under this key for this place. */
  open(sealed: Uint8Array, place: Uint8Array): Uint8Array | undefined {
    if (sealed.length < restOverheadBytes) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(place);
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const plain = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return new Uint8Array(plain);
  }

  /** Tells this key from others without saying anything of it: 16 bytes. */
  static checkOf(key: Uint8Array): Uint8Array {
    const mac = createHmac("sha256", key).update(utf8("tamga/at-rest/1")).digest();
    return new Uint8Array(mac.subarray(0, 16));
  }
}
