/**
 * Fake keys: not a signature scheme. A signature is a hash over a secret of the harness, the public key
 * and the message, so that nobody inside a simulation can forge one and thousands of seeds are affordable.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { concat, equal, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";

const { sha256 } = nodeCrypto;
const secret = utf8("known to the harness alone");

export type FakeKey = {
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
};

/** The key of a name; the same one whenever it is asked for. */
export function fakeKey(name: string): FakeKey {
  const publicKey = sha256(utf8(`fake key of ${name}`));
  return { publicKey, sign: (message) => signature(publicKey, message) };
}

/** SHA-256 and SM3 are real; `verify` knows fake signatures only. */
export const fakeCrypto: CryptoPort = {
  sha256,
  sm3: (bytes) => nodeCrypto.sm3(bytes),
  verify: (key, message, given) =>
    key.algorithm === "EdDSA" && given.length === 64 && equal(given, signature(key.point, message)),
};

function signature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const tag = sha256(concat(secret, publicKey, message));
  const bytes = new Uint8Array(64);
  bytes.set(tag);
  for (let i = 0; i < 32; i++) bytes[32 + i] = present(tag[31 - i], "byte of a digest") ^ 0x5a;
  return bytes;
}
