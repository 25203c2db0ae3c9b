/**
 * A secret that only the TPM with a given endorsement key can open, and only while it holds the named
 * attestation key (TPM2_MakeCredential: TPM 2.0 Library, Part 1, §24; needs no TPM).
 */

import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import { concat, u32, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import { tpmSized } from "@tamga/ledger-core/tpm/tpm-bytes";
import { tpmAlgorithms, tpmCurves } from "@tamga/ledger-core/tpm/tpm-numbers";

/** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, without their lengths. */
export type Credential = { readonly credential: Uint8Array; readonly secret: Uint8Array };

export type CredentialFault = {
  /** Neither RSA-2048 nor P-256 or P-384 with AES in CFB mode, as the TCG's templates have them. */
  readonly code: "EK_UNSUPPORTED";
};

/** Bytes that a credential may hold: no more than the digest of the endorsement key's Name. */
export const credentialBytesMax = 32;

/**
 * @param ek public area of the endorsement key.
 * @param name Name of the attestation key: the TPM opens the credential for no other.
 * @param value what is to be opened, at most {@link credentialBytesMax} bytes.
 */
export function makeCredential(
  ek: TpmPublicArea,
  { name, value }: { readonly name: Uint8Array; readonly value: Uint8Array },
): Result<Credential, CredentialFault> {
  assert(value.length <= credentialBytesMax, "a credential fits");
  const hash = hashes.get(ek.nameAlgorithm);
  const { symmetric } = ek;
  const isAes = symmetric?.algorithm === tpmAlgorithms.aes && symmetric.mode === tpmAlgorithms.cfb;
  if (hash === undefined || !isAes || ![128, 256].includes(symmetric.keyBits))
    return err({ code: "EK_UNSUPPORTED" });
  const seed = ek.type === "rsa" ? rsaSeed(ek, hash) : eccSeed(ek, hash);
  if (seed === undefined) return err({ code: "EK_UNSUPPORTED" });
  const { keyBits } = symmetric;
  const key = kdfA(hash, { key: seed.seed, label: "STORAGE", context: name, bits: keyBits });
  const cipher = createCipheriv(`aes-${keyBits}-cfb`, key, new Uint8Array(16));
  const identity = concat(cipher.update(tpmSized(value)), cipher.final());
  const bits = 8 * hash.bytes;
  const integrityKey = kdfA(hash, { key: seed.seed, label: "INTEGRITY", context: nothing, bits });
  const integrity = createHmac(hash.name, integrityKey).update(identity).update(name).digest();
  return ok({ credential: concat(tpmSized(integrity), identity), secret: seed.encrypted });
}

type Hash = { readonly name: "sha256" | "sha384"; readonly bytes: number };
type Seed = { readonly seed: Uint8Array; readonly encrypted: Uint8Array };

const hashes: ReadonlyMap<number, Hash> = new Map([
  [tpmAlgorithms.sha256, { name: "sha256", bytes: 32 }],
  [tpmAlgorithms.sha384, { name: "sha384", bytes: 48 }],
]);
const nothing = new Uint8Array(0);
const label = "IDENTITY";

/** Part 1, §B.10.4: OAEP with the label, its ending zero included. */
function rsaSeed(ek: TpmPublicArea, hash: Hash): Seed | undefined {
  const key = tpmPublicKey(ek);
  if (key?.algorithm !== "PS256") return undefined;
  const seed = new Uint8Array(randomBytes(hash.bytes));
  const encrypted = publicEncrypt(
    {
      key: createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" }),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hash.name,
      oaepLabel: Buffer.from(`${label}\0`),
    },
    seed,
  );
  return { seed, encrypted: new Uint8Array(encrypted) };
}

/** Part 1, §C.6.1: a one-time key, and the x coordinates through KDFe. */
function eccSeed(ek: Extract<TpmPublicArea, { type: "ecc" }>, hash: Hash): Seed | undefined {
  const curve = curves.get(ek.curve);
  if (curve === undefined) return undefined;
  const [x, y] = [padded(ek.x, curve.bytes), padded(ek.y, curve.bytes)];
  if (x === undefined || y === undefined) return undefined;
  const ecdh = createECDH(curve.name);
  const own = new Uint8Array(ecdh.generateKeys());
  const ownX = own.subarray(1, 1 + curve.bytes);
  const ownY = own.subarray(1 + curve.bytes);
  let shared: Uint8Array;
  try {
    shared = new Uint8Array(ecdh.computeSecret(concat(Uint8Array.of(4), x, y)));
  } catch {
    // The point is not on the curve.
    return undefined;
  }
  const seed = createHash(hash.name)
    .update(concat(u32(1), shared, utf8(`${label}\0`), ownX, x))
    .digest();
  return { seed: new Uint8Array(seed), encrypted: concat(tpmSized(ownX), tpmSized(ownY)) };
}

const curves: ReadonlyMap<number, { readonly name: string; readonly bytes: number }> = new Map([
  [tpmCurves.p256, { name: "prime256v1", bytes: 32 }],
  [tpmCurves.p384, { name: "secp384r1", bytes: 48 }],
]);

function padded(bytes: Uint8Array, length: number): Uint8Array | undefined {
  if (bytes.length > length) return undefined;
  const whole = new Uint8Array(length);
  whole.set(bytes, length - bytes.length);
  return whole;
}

/** KDFa (Part 1, §11.4.10.2); no more bits are asked for than the hash has. */
function kdfA(
  hash: Hash,
  options: {
    readonly key: Uint8Array;
    readonly label: string;
    readonly context: Uint8Array;
    readonly bits: number;
  },
): Uint8Array {
  const { key, context, bits } = options;
  const input = concat(u32(1), utf8(`${options.label}\0`), context, u32(bits));
  return new Uint8Array(createHmac(hash.name, key).update(input).digest()).subarray(0, bits / 8);
}
