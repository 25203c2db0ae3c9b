/** Wraps short secrets with an AES-256 key that never leaves its PKCS#11 token. */

import { randomBytes } from "node:crypto";
import { concat } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Cryptoki } from "./cryptoki.ts";
import { ck, ckrOf, toTokenError } from "./cryptoki.ts";
import type { Pkcs11KeyUri } from "./key-uri.ts";
import type { Pkcs11Module, Pkcs11Modules } from "./pkcs11-module.ts";
import { findToken, logIn, readPin } from "./pkcs11-token.ts";

const ivBytes = 12;
const tagBits = 128;

export type Pkcs11Wrapping = { readonly modules: Pkcs11Modules; readonly uri: Pkcs11KeyUri };

/**
 * Wraps with AES-256-GCM in the token: iv, then what CKM_AES_GCM gives. The wrapping key is made where it is
 * not there, under the label of the signing key with `-at-rest` behind it.
 *
 * Throws what opening the signing key throws for token and PIN; KEY_AT_REST_TOKEN_UNABLE where the token has no
 * AES keys or no GCM.
 */
export function wrapInToken(options: Pkcs11Wrapping, secret: Uint8Array): Promise<Uint8Array> {
  return inSession(options, ck.CKF_RW_SESSION, (cryptoki, session) => {
    const key = findKey(cryptoki, session, options.uri) ?? make(cryptoki, session, options.uri);
    const iv = randomBytes(ivBytes);
    cryptoki.C_EncryptInit(session, gcm(iv), key);
    const output = Buffer.alloc(secret.length + tagBits / 8);
    const wrapped = cryptoki.C_Encrypt(session, Buffer.from(secret), output);
    return concat(iv, wrapped);
  });
}

/**
 * @returns undefined where the token has not this wrapping key any more, or another one of its label.
 * Throws what {@link wrapInToken} throws.
 */
export function unwrapInToken(
  options: Pkcs11Wrapping,
  wrapped: Uint8Array,
): Promise<Uint8Array | undefined> {
  return inSession(options, 0, (cryptoki, session) => {
    const key = findKey(cryptoki, session, options.uri);
    if (key === undefined) return undefined;
    cryptoki.C_DecryptInit(session, gcm(wrapped.subarray(0, ivBytes)), key);
    try {
      const output = Buffer.alloc(wrapped.length);
      const input = Buffer.from(wrapped.subarray(ivBytes));
      return new Uint8Array(cryptoki.C_Decrypt(session, input, output));
    } catch (error) {
      // The first is the standard's for a tag that is wrong, the second SoftHSM2's.
      const ckr = ckrOf(error);
      if (ckr !== "CKR_ENCRYPTED_DATA_INVALID" && ckr !== "CKR_GENERAL_ERROR") throw error;
      return undefined;
    }
  });
}

async function inSession<T>(
  { modules, uri }: Pkcs11Wrapping,
  flags: number,
  use: (cryptoki: Cryptoki, session: Buffer) => T,
): Promise<T> {
  const pin = uri.pinFile === undefined ? undefined : await readPin(uri.pinFile);
  let module: Pkcs11Module | undefined;
  try {
    module = await modules.acquire(uri.modulePath);
    const { refusingTokens } = module;
    return await module.use((cryptoki) => {
      const token = findToken(cryptoki, uri);
      const session = cryptoki.C_OpenSession(token.slot, ck.CKF_SERIAL_SESSION | flags);
      try {
        logIn(cryptoki, { token, session, pin, refusingTokens });
        return use(cryptoki, session);
      } finally {
        cryptoki.C_CloseSession(session);
      }
    });
  } catch (error) {
    throw unable.has(ckrOf(error) ?? "") ? tokenUnable(error) : toTokenError(error);
  } finally {
    pin?.fill(0);
    await module?.release();
  }
}

const unable = new Set([
  "CKR_FUNCTION_NOT_SUPPORTED",
  "CKR_KEY_TYPE_INCONSISTENT",
  "CKR_MECHANISM_INVALID",
  "CKR_MECHANISM_PARAM_INVALID",
]);

function tokenUnable(cause: unknown): OperationalError {
  return new OperationalError(
    "KEY_AT_REST_TOKEN_UNABLE",
    "the token cannot wrap a key with AES-256-GCM: use a tpm: key, or another token, or leave outbox.at_rest off",
    { cause, details: { ckr: ckrOf(cause) ?? "" } },
  );
}

function gcm(iv: Uint8Array) {
  const ivBuffer = Buffer.from(iv);
  const parameter = { type: ck.CK_PARAMS_AES_GCM, iv: ivBuffer, ivBits: 8 * ivBytes, tagBits };
  return { mechanism: ck.CKM_AES_GCM, parameter };
}

function names(uri: Pkcs11KeyUri) {
  return [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_LABEL, value: `${uri.object ?? "tamga"}-at-rest` },
  ];
}

function findKey(cryptoki: Cryptoki, session: Buffer, uri: Pkcs11KeyUri): Buffer | undefined {
  cryptoki.C_FindObjectsInit(session, names(uri));
  try {
    const [key, other] = cryptoki.C_FindObjects(session, 2);
    if (other === undefined) return key;
  } finally {
    cryptoki.C_FindObjectsFinal(session);
  }
  throw new OperationalError(
    "KEY_AMBIGUOUS",
    "more than one key of the token has the label of the outbox's wrapping key: remove the one of another device",
    { details: { object: uri.object ?? "" } },
  );
}

function make(cryptoki: Cryptoki, session: Buffer, uri: Pkcs11KeyUri): Buffer {
  return cryptoki.C_GenerateKey(session, { mechanism: ck.CKM_AES_KEY_GEN }, [
    ...names(uri),
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_PRIVATE, value: true },
    { type: ck.CKA_SENSITIVE, value: true },
    { type: ck.CKA_EXTRACTABLE, value: false },
    { type: ck.CKA_ENCRYPT, value: true },
    { type: ck.CKA_DECRYPT, value: true },
    ...[ck.CKA_UNWRAP, ck.CKA_WRAP, ck.CKA_SIGN, ck.CKA_DERIVE].map((type) => ({
      type,
      value: false,
    })),
    { type: ck.CKA_VALUE_LEN, value: 32 },
  ]);
}
