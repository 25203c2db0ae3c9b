/** A logged-in PKCS#11 session with the one key that it signs with. */

import { randomBytes } from "node:crypto";
import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Cryptoki } from "./cryptoki.ts";
import { ck, ckrOf, toTokenError } from "./cryptoki.ts";
import type { Pkcs11KeyUri } from "./key-uri.ts";
import { rsaModulusBits } from "./limits.ts";
import type { Pkcs11KeyKind } from "./pkcs11-key-kind.ts";
import { kindOfKey, kindToMake } from "./pkcs11-key-kind.ts";
import type { Pkcs11Module } from "./pkcs11-module.ts";
import { findToken, logIn, readPin } from "./pkcs11-token.ts";
import { selfTest } from "./public-key.ts";

export interface Pkcs11Session {
  readonly generation: number;
  readonly handle: Buffer;
  readonly privateKey: Buffer;
  readonly kind: Pkcs11KeyKind;
  readonly publicKey: PublicKey;
}

/**
 * Finds the token, logs in, finds the key, and proves that it signs.
 *
 * @param create makes a key of this algorithm where the token has none, never extractable, for
 *   signatures only.
 * Throws TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS, TOKEN_FAILED, PIN_…, KEY_NOT_FOUND, KEY_AMBIGUOUS,
 *   KEY_EXTRACTABLE, KEY_UNSUPPORTED, KEY_PUBLIC_MISSING, KEY_SELF_TEST_FAILED. The calls but the
 *   signature are synchronous in `pkcs11js`: a slow token holds up the loop while it opens.
 */
export async function openPkcs11Session(
  module: Pkcs11Module,
  { uri, create }: { readonly uri: Pkcs11KeyUri; readonly create: Algorithm | undefined },
): Promise<Pkcs11Session> {
  const pin = uri.pinFile === undefined ? undefined : await readPin(uri.pinFile);
  try {
    return await module.use(async (cryptoki, generation) => {
      const token = findToken(cryptoki, uri);
      const flags = ck.CKF_SERIAL_SESSION | (create !== undefined ? ck.CKF_RW_SESSION : 0);
      const handle = cryptoki.C_OpenSession(token.slot, flags);
      try {
        const { refusingTokens } = module;
        logIn(cryptoki, { token, session: handle, pin, refusingTokens });
        const { privateKey, kind } = findPrivateKey(cryptoki, { handle, uri, create });
        const publicKey = readPublicKey(cryptoki, { handle, privateKey, kind });
        const using = { handle, privateKey, kind, publicKey };
        await selfTest(publicKey, (message) => signRaw(cryptoki, using, message));
        return { generation, ...using };
      } catch (error) {
        closeQuietly(cryptoki, handle);
        throw error;
      }
    });
  } catch (error) {
    throw toTokenError(error);
  } finally {
    pin?.fill(0);
  }
}

/**
 * Signs a message as {@link Signer.sign} says. One call at a time a session: a second gives
 * CKR_OPERATION_ACTIVE. Throws TOKEN_FAILED; the session is to be opened anew then.
 */
export async function signInSession(
  module: Pkcs11Module,
  session: Pkcs11Session,
  message: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await module.use((cryptoki, generation) => {
      if (generation !== session.generation) {
        throw new OperationalError("TOKEN_FAILED", "the library was initialised again", {
          details: { ckr: "CKR_CRYPTOKI_NOT_INITIALIZED" },
        });
      }
      return signRaw(cryptoki, session, message);
    });
  } catch (error) {
    throw toTokenError(error);
  }
}

/** Best effort: a session of a token that is gone cannot be closed. */
export async function closePkcs11Session(
  module: Pkcs11Module,
  session: Pkcs11Session,
): Promise<void> {
  await module.use((cryptoki, generation) => {
    if (generation === session.generation) closeQuietly(cryptoki, session.handle);
  });
}

/** Bytes of a signature with a key that its public half tells. */
function signatureBytes(key: PublicKey): number {
  return key.algorithm === "PS256" ? rsaModulusBits.max / 8 : 64;
}

async function signRaw(
  cryptoki: Cryptoki,
  { handle, privateKey, kind, publicKey }: Omit<Pkcs11Session, "generation">,
  message: Uint8Array,
): Promise<Uint8Array> {
  const input = Buffer.from(kind.inputOf(message, publicKey));
  const bytesMax = signatureBytes(publicKey);
  // Room to spare, since a driver that would write too much has to be seen, not to fail.
  const output = Buffer.alloc(4 * bytesMax);
  beginSigning(cryptoki, { handle, privateKey, kind });
  try {
    const signature = await cryptoki.C_SignAsync(handle, input, output);
    const { length } = signature;
    if (kind.algorithm === "PS256" ? length > bytesMax : length !== bytesMax) {
      const sentence = `the token's signature is not one of ${kind.algorithm}`;
      throw new OperationalError("TOKEN_FAILED", sentence, { details: { length } });
    }
    return Uint8Array.from(signature);
  } finally {
    // The other thread holds a bare pointer: this use keeps the buffer from being collected.
    input.fill(0);
  }
}

/** Throws KEY_UNSUPPORTED where the number of a vendor's mechanism is not this token's. */
function beginSigning(
  cryptoki: Cryptoki,
  { handle, privateKey, kind }: Pick<Pkcs11Session, "handle" | "privateKey" | "kind">,
): void {
  try {
    cryptoki.C_SignInit(handle, kind.signing, privateKey);
  } catch (error) {
    if (kind.algorithm !== "SM2-SM3" || ckrOf(error) !== "CKR_MECHANISM_INVALID") throw error;
    const number = `0x${kind.signing.mechanism.toString(16)}`;
    const sentence = `the token has no mechanism ${number} (x-sm2-mechanism): ask its maker for SM2's`;
    throw new OperationalError("KEY_UNSUPPORTED", sentence, { cause: error });
  }
}

function findPrivateKey(
  cryptoki: Cryptoki,
  {
    handle,
    uri,
    create,
  }: {
    readonly handle: Buffer;
    readonly uri: Pkcs11KeyUri;
    readonly create: Algorithm | undefined;
  },
): Pick<Pkcs11Session, "privateKey" | "kind"> {
  const named = [
    ...(uri.object === undefined ? [] : [{ type: ck.CKA_LABEL, value: uri.object }]),
    ...(uri.id === undefined ? [] : [{ type: ck.CKA_ID, value: Buffer.from(uri.id) }]),
  ];
  const found = find(cryptoki, handle, [
    { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
    ...named,
  ]);
  const details = { object: uri.object ?? "", id: Buffer.from(uri.id ?? []).toString("hex") };
  if (found.length > 1) {
    const sentence = "more than one key of the token matches the key URI: name its id";
    throw new OperationalError("KEY_AMBIGUOUS", sentence, { details });
  }
  const [existing] = found;
  if (existing === undefined && create === undefined) {
    const sentence = "the token has no private key that matches the key URI";
    throw new OperationalError("KEY_NOT_FOUND", sentence, { details });
  }
  const privateKey =
    existing ?? generate(cryptoki, { handle, uri, kind: kindToMake(create ?? "ES256", uri.sm2) });
  const is = (type: number) => flag(cryptoki, { handle, object: privateKey, type });
  if (is(ck.CKA_EXTRACTABLE) || !is(ck.CKA_SENSITIVE)) {
    const sentence =
      "the key can be read out of its token (CKA_EXTRACTABLE, CKA_SENSITIVE): make a new one in it";
    throw new OperationalError("KEY_EXTRACTABLE", sentence, { details });
  }
  const readIt = (type: number) => read(cryptoki, { handle, object: privateKey, type });
  const kind = kindOfKey(readIt, uri.sm2);
  if (typeof kind === "string" || !is(ck.CKA_SIGN)) {
    const found = typeof kind === "string" ? kind : "a key that may not sign";
    const sentence = `the token has ${found}: P-256, Ed25519, SM2 and RSA from 2048 bits are taken`;
    throw new OperationalError("KEY_UNSUPPORTED", sentence, { details });
  }
  return { privateKey, kind };
}

/** Every other use is denied by name: drivers' defaults are not the standard's. */
function generate(
  cryptoki: Cryptoki,
  {
    handle,
    uri,
    kind,
  }: { readonly handle: Buffer; readonly uri: Pkcs11KeyUri; readonly kind: Pkcs11KeyKind },
): Buffer {
  const names = [
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_LABEL, value: uri.object ?? "tamga" },
    { type: ck.CKA_ID, value: Buffer.from(uri.id ?? randomBytes(16)) },
  ];
  const publicTemplate = [
    ...names,
    { type: ck.CKA_PRIVATE, value: false },
    ...kind.publicTemplate,
    { type: ck.CKA_VERIFY, value: true },
  ];
  const privateTemplate = [
    ...names,
    { type: ck.CKA_PRIVATE, value: true },
    ...(kind.privateTemplate ?? []),
    { type: ck.CKA_SENSITIVE, value: true },
    { type: ck.CKA_EXTRACTABLE, value: false },
    { type: ck.CKA_SIGN, value: true },
    ...[ck.CKA_UNWRAP, ck.CKA_DERIVE, ck.CKA_SIGN_RECOVER].map((type) => ({ type, value: false })),
  ];
  const mechanism = kind.keyPairGeneration;
  if (mechanism === undefined) {
    const sentence =
      "the key URI does not say how the token makes such a key (x-sm2-key-generation): make it with the maker's tool";
    throw new OperationalError("KEY_UNSUPPORTED", sentence);
  }
  try {
    const made = cryptoki.C_GenerateKeyPair(handle, mechanism, publicTemplate, privateTemplate);
    denyDecrypt(cryptoki, handle, made.privateKey);
    return made.privateKey;
  } catch (error) {
    if (ckrOf(error) !== "CKR_MECHANISM_INVALID") throw error;
    const sentence = `the token makes no keys for ${kind.algorithm}: ask for another --key-algorithm`;
    throw new OperationalError("KEY_UNSUPPORTED", sentence, { cause: error });
  }
}

/**
 * After the key was made, since tpm2-pkcs11 1.9 makes none whose template says anything of decryption,
 * and leaves the failed one in the TPM. A token that refuses keeps a key that may decrypt what nobody encrypts for it.
 */
function denyDecrypt(cryptoki: Cryptoki, handle: Buffer, object: Buffer): void {
  try {
    const type = ck.CKA_DECRYPT;
    if (!flag(cryptoki, { handle, object, type })) return;
    cryptoki.C_SetAttributeValue(handle, object, [{ type, value: false }]);
  } catch (error) {
    if (ckrOf(error) === undefined) throw error;
  }
}

/** The public object of the same CKA_ID, or the private one where the driver keeps the point there. */
function readPublicKey(
  cryptoki: Cryptoki,
  { handle, privateKey, kind }: Pick<Pkcs11Session, "handle" | "privateKey" | "kind">,
): PublicKey {
  const id = read(cryptoki, { handle, object: privateKey, type: ck.CKA_ID });
  const byId = [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_ID, value: id ?? Buffer.alloc(0) },
  ];
  for (const object of [...find(cryptoki, handle, byId), privateKey]) {
    const key = kind.publicKeyOf((type) => read(cryptoki, { handle, object, type }));
    if (key !== undefined) return key;
  }
  throw new OperationalError(
    "KEY_PUBLIC_MISSING",
    "the token does not show the public half of the key: store it under the same id",
  );
}

function find(
  cryptoki: Cryptoki,
  handle: Buffer,
  template: { readonly type: number; readonly value: string | number | Buffer }[],
): Buffer[] {
  cryptoki.C_FindObjectsInit(handle, template);
  try {
    // Two are as ambiguous as many.
    return cryptoki.C_FindObjects(handle, 2);
  } finally {
    cryptoki.C_FindObjectsFinal(handle);
  }
}

type AttributeOf = { readonly handle: Buffer; readonly object: Buffer; readonly type: number };

/** @returns undefined where the object has no such attribute or does not show it. */
function read(cryptoki: Cryptoki, { handle, object, type }: AttributeOf): Buffer | undefined {
  try {
    return cryptoki.C_GetAttributeValue(handle, object, [{ type }])[0]?.value;
  } catch (error) {
    const ckr = ckrOf(error);
    if (ckr === "CKR_ATTRIBUTE_TYPE_INVALID" || ckr === "CKR_ATTRIBUTE_SENSITIVE") return undefined;
    throw error;
  }
}

/** A CK_BBOOL; throws where it cannot be read, since a key of unknown protection is none. */
function flag(cryptoki: Cryptoki, { handle, object, type }: AttributeOf): boolean {
  return cryptoki.C_GetAttributeValue(handle, object, [{ type }])[0]?.value[0] === 1;
}

function closeQuietly(cryptoki: Cryptoki, handle: Buffer): void {
  try {
    cryptoki.C_CloseSession(handle);
  } catch (error) {
    if (ckrOf(error) === undefined) throw error;
  }
}
