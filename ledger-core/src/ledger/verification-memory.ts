/** A crypto port that remembers which signatures it has checked, so that a block costs none of them twice. */

import { assert } from "../base/assert.ts";
import { concat, u32, utf8 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import { digestKey } from "./digest-key.ts";

/**
 * What is remembered is bound to all that the answer depends on: algorithm, key, signature and message.
 * Nothing else can make it wrong, so it is kept until it is the oldest of `max`.
 */
export function rememberVerifications(crypto: CryptoPort, max: number): CryptoPort {
  assert(max > 0, "room for an answer");
  const answers = new Map<string, boolean>();
  const verifyMlDsa44 = crypto.verifyMlDsa44?.bind(crypto);
  return {
    sha256: (bytes) => crypto.sha256(bytes),
    sm3: (bytes) => crypto.sm3(bytes),
    verify(key, message, signature) {
      const bytes = keyBytes(key);
      const lengths = concat(u32(bytes.length), u32(signature.length));
      const question = digestKey(
        crypto.sha256(concat(utf8(key.algorithm), lengths, bytes, signature, message)),
      );
      const known = answers.get(question);
      if (known !== undefined) return known;
      const answer = crypto.verify(key, message, signature);
      if (answers.size >= max) {
        const [oldest] = answers.keys();
        if (oldest !== undefined) answers.delete(oldest);
      }
      answers.set(question, answer);
      return answer;
    },
    // Of seals alone, which come once.
    ...(verifyMlDsa44 === undefined ? {} : { verifyMlDsa44 }),
  };
}

function keyBytes(key: PublicKey): Uint8Array {
  return key.algorithm === "PS256" ? key.spki : key.point;
}
