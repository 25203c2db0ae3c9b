/**
 * SM4 (GB/T 32907-2016) in Galois/Counter Mode (NIST SP 800-38D, RFC 8998). Node 24 does not offer OpenSSL's: the
 * block cipher is OpenSSL's in counter mode, and GHASH, which sees no plaintext, is that of @noble/ciphers.
 */

import { createCipheriv, timingSafeEqual } from "node:crypto";
import { ghash } from "@noble/ciphers/_polyval.js";
import { assert } from "@tamga/ledger-core/base/assert";
import { concat, u64 } from "@tamga/ledger-core/base/bytes";

export const sm4KeyBytes = 16;
const blockBytes = 16;
const nonceBytes = 12;

/** One key in use, with its hash subkey H (SP 800-38D, section 6.4). */
export class Sm4Gcm {
  readonly #key: Uint8Array;
  readonly #hashKey: Uint8Array;

  /** @param key 16 bytes; kept, not copied. */
  constructor(key: Uint8Array) {
    assert(key.length === sm4KeyBytes, "a key of SM4 has 16 bytes");
    this.#key = key;
    const cipher = createCipheriv("sm4-ecb", key, null).setAutoPadding(false);
    this.#hashKey = new Uint8Array(cipher.update(new Uint8Array(blockBytes)));
  }

  /** @param nonce 12 bytes, never twice under one key. @returns the ciphertext and a tag of 16 bytes. */
  seal(nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array {
    const { mask, bytes } = this.#counted(nonce, plain);
    return concat(bytes, this.#tag(mask, bytes, additional));
  }

  /** @returns undefined where the tag is not that of ciphertext, nonce and additional data. */
  open(nonce: Uint8Array, sealed: Uint8Array, additional: Uint8Array): Uint8Array | undefined {
    if (sealed.length < blockBytes) return undefined;
    const cipherText = sealed.subarray(0, -blockBytes);
    const { mask, bytes } = this.#counted(nonce, cipherText);
    const tag = this.#tag(mask, cipherText, additional);
    return timingSafeEqual(tag, sealed.subarray(-blockBytes)) ? bytes : undefined;
  }

  /** The mask of the tag is the first block of the counter, the text begins at the second (section 7.1). */
  #counted(nonce: Uint8Array, text: Uint8Array) {
    assert(nonce.length === nonceBytes, "a nonce has 12 bytes");
    const counter = concat(nonce, Uint8Array.of(0, 0, 0, 1));
    const cipher = createCipheriv("sm4-ctr", this.#key, counter);
    const mask = cipher.update(new Uint8Array(blockBytes));
    return { mask, bytes: new Uint8Array(cipher.update(text)) };
  }

  #tag(mask: Uint8Array, cipherText: Uint8Array, additional: Uint8Array): Uint8Array {
    const hash = ghash.create(this.#hashKey, cipherText.length + additional.length);
    // Each call fills up to a whole block with zeros, as section 7.1 has it.
    hash.update(additional).update(cipherText);
    hash.update(concat(u64(8n * BigInt(additional.length)), u64(8n * BigInt(cipherText.length))));
    return hash.digest().map((byte, i) => byte ^ (mask[i] ?? 0));
  }
}
