/** A validator's Ed25519 key in a file of its own (0600): the software form, and said to be it. */

import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { assert } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { writeFileDurable } from "../daemon/state-dir.ts";
import { validatorKeyBytesMax } from "./limits.ts";
import type { SecondKey } from "./second-key.ts";

/** What signs for a validator. Signatures are deterministic (RFC 8032): the same bytes each time. */
export type ValidatorKey = {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
  /** Where this validator cosigns with ML-DSA-44 too. */
  readonly second?: SecondKey;
};

/**
 * Reads the key, or makes it where there is no file; durable before it is used.
 *
 * @throws OperationalError SECRET_EXPOSED (others may read it), SECRET_INVALID (not one Ed25519 key in
 *   PKCS #8 PEM), FILE_UNWRITABLE, DISK_FULL.
 */
export function loadOrCreateValidatorKey(path: string): ValidatorKey {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
    writeFileDurable(path, utf8(pem.toString()), 0o600);
    return loadValidatorKey(path);
  }
  return loadValidatorKey(path);
}

/** Reads the key. @throws OperationalError SECRET_MISSING, SECRET_EXPOSED, SECRET_INVALID. */
export function loadValidatorKey(path: string): ValidatorKey {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw refused("SECRET_MISSING", path, "is not there");
  if ((stat.mode & 0o077) !== 0)
    throw refused("SECRET_EXPOSED", path, "may be read by others than its owner: chmod 600 it");
  if (stat.size > validatorKeyBytesMax) throw refused("SECRET_INVALID", path, "is too long");
  const key = parsePrivateKey(readFileSync(path, "utf8"));
  if (key?.asymmetricKeyType !== "ed25519")
    throw refused("SECRET_INVALID", path, "holds no Ed25519 private key in PKCS #8 PEM");
  return validatorKeyOf(key);
}

function validatorKeyOf(key: KeyObject): ValidatorKey {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  // RFC 8410 §4: the key's 32 bytes end its SubjectPublicKeyInfo.
  const publicKey = new Uint8Array(spki.subarray(spki.length - 32));
  assert(publicKey.length === 32, "Ed25519 public key has 32 bytes");
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

function parsePrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function refused(code: string, path: string, what: string): OperationalError {
  return new OperationalError(code, `The validator key ${path} ${what}.`, {
    details: { file: path },
  });
}
