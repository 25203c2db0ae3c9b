/** A validator's second key, ML-DSA-44 (FIPS 204), in a file of its own (0600): software, as the first one. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { assert } from "../base/assert.ts";
import { equal, utf8 } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { writeFileDurable } from "../daemon/state-dir.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import { secondKeyOf } from "../receipt/verify-ml-dsa.ts";
import { mlDsa44KeyBytes } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { validatorKeyBytesMax } from "./limits.ts";
import type { ValidatorKey } from "./validator-key.ts";

/** Signs with chance in it: the same message gives other bytes each time, and each of them is good. */
export type SecondKey = {
  /** 1,312 bytes. */
  readonly publicKey: Uint8Array;
  /** 2,420 bytes. */
  sign(message: Uint8Array): Uint8Array;
};

/**
 * Makes the key where there is no file; durable before it is used.
 *
 * @throws OperationalError SECRET_EXPOSED, SECRET_INVALID, FILE_UNWRITABLE, DISK_FULL.
 */
export function loadOrCreateSecondKey(path: string): SecondKey {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    const { privateKey } = generateKeyPairSync("ml-dsa-44");
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    writeFileDurable(path, utf8(pem.toString()), 0o600);
  }
  return loadSecondKey(path);
}

/** Reads the key. @throws OperationalError SECRET_MISSING, SECRET_EXPOSED, SECRET_INVALID. */
export function loadSecondKey(path: string): SecondKey {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw refused("SECRET_MISSING", path, "is not there");
  if ((stat.mode & 0o077) !== 0)
    throw refused("SECRET_EXPOSED", path, "may be read by others than its owner: chmod 600 it");
  if (stat.size > validatorKeyBytesMax) throw refused("SECRET_INVALID", path, "is too long");
  const key = parsed(readFileSync(path, "utf8"));
  if (key?.asymmetricKeyType !== "ml-dsa-44")
    throw refused("SECRET_INVALID", path, "holds no ML-DSA-44 private key in PKCS #8 PEM");
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  // RFC 9881: the key's bytes end its SubjectPublicKeyInfo.
  const publicKey = new Uint8Array(spki.subarray(spki.length - mlDsa44KeyBytes));
  assert(publicKey.length === mlDsa44KeyBytes, "ML-DSA-44 public key has 1,312 bytes");
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

/**
 * The key with which this validator cosigns: the one that the channel's opening names for it.
 *
 * @returns undefined where the opening names none, or the file is not there: Ed25519 counts alone.
 * @throws OperationalError ML_DSA_KEY_MISMATCH.
 */
export function ownSecondKey(
  policy: TrustPolicy,
  self: Identifier,
  { publicKey, second }: ValidatorKey,
): SecondKey | undefined {
  const named = secondKeyOf(policy, { name: self, publicKey });
  if (named === undefined || second === undefined) return undefined;
  if (equal(named, second.publicKey)) return second;
  throw new OperationalError(
    "ML_DSA_KEY_MISMATCH",
    "The ML-DSA-44 key beside the validator key is not the one that the channel's opening names; a channel does " +
      "not change them. Put the file back, or remove it: the validator then signs with Ed25519 alone.",
  );
}

function parsed(pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function refused(code: string, path: string, what: string): OperationalError {
  return new OperationalError(code, `The second validator key ${path} ${what}.`, {
    details: { file: path },
  });
}
