/** What PKCS#11 calls the kinds of key that Tamga signs with: how one is made, read and used. */

import { createPublicKey } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { equal, fromHex } from "@tamga/ledger-core/base/bytes";
import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Mechanism, RsaPSS } from "pkcs11js";
import { ck } from "./cryptoki.ts";
import { parseEcPoint } from "./ec-point.ts";
import { rsaModulusBits } from "./limits.ts";
import { isSm2Key, sm2Kind } from "./pkcs11-sm2.ts";
import type { Sm2Vendor } from "./sm2-vendor.ts";

/** Reads an attribute; undefined where the object does not show it. */
export type ReadAttribute = (type: number) => Uint8Array | undefined;

export type Pkcs11KeyKind = {
  readonly algorithm: Algorithm;
  /** Absent where no token makes one here. */
  readonly keyPairGeneration: Mechanism | undefined;
  /** What the public template says beyond names and uses. */
  readonly publicTemplate: readonly { readonly type: number; readonly value: number | Buffer }[];
  readonly privateTemplate?: readonly { readonly type: number; readonly value: number }[];
  readonly signing: Mechanism;
  /** What the token is given of a message: itself, or a digest. */
  readonly inputOf: (message: Uint8Array, key: PublicKey) => Uint8Array;
  /** The public key in an object that may be its public half or hold it. */
  readonly publicKeyOf: (read: ReadAttribute) => PublicKey | undefined;
};

/**
 * @param read attributes of a private key.
 * @param sm2 what its token calls SM2, where the key URI says it.
 * @returns its kind, or in words what it is instead.
 */
export function kindOfKey(read: ReadAttribute, sm2?: Sm2Vendor): Pkcs11KeyKind | string {
  const type = ulong(read(ck.CKA_KEY_TYPE));
  if (type !== undefined && isSm2Key(read, type, sm2)) {
    if (sm2 !== undefined) return sm2Kind(sm2);
    return "an SM2 key, for which the key URI names no mechanism (x-sm2-mechanism)";
  }
  if (type === ck.CKK_RSA) {
    const bits = (read(ck.CKA_MODULUS)?.length ?? 0) * 8;
    if (bits >= rsaModulusBits.min && bits <= rsaModulusBits.max) return kinds.PS256;
    return bits === 0 ? "an RSA key that hides its modulus" : `an RSA key of ${bits} bits`;
  }
  const curve = read(ck.CKA_EC_PARAMS);
  if (type === ck.CKK_EC && curve !== undefined && equal(curve, p256Oid)) return kinds.ES256;
  if (
    type === ck.CKK_EC_EDWARDS &&
    curve !== undefined &&
    ed25519Names.some((name) => equal(name, curve))
  )
    return kinds.EdDSA;
  if (curve === undefined) return type === ck.CKK_DES3 ? "a DES key" : "no key for signatures";
  const name = Buffer.from(curve).toString("hex");
  return `a key on ${curveNames[name] ?? "another curve"}`;
}

/** Throws KEY_UNSUPPORTED where the key URI does not say how the token makes such a key. */
export function kindToMake(algorithm: Algorithm, sm2?: Sm2Vendor): Pkcs11KeyKind {
  if (algorithm !== "SM2-SM3") return kinds[algorithm];
  if (sm2 !== undefined) return sm2Kind(sm2);
  const sentence =
    "SM2 has no number of its own in PKCS#11: give those of the token's maker in the key URI, x-sm2-mechanism=0x8…";
  throw new OperationalError("KEY_UNSUPPORTED", sentence, { details: { algorithm } });
}

/** CKA_EC_POINT of Ed25519: 32 bytes (PKCS #11 3.0 §2.3.5), in an OCTET STRING or bare. */
function parseEdwardsPoint(attribute: Uint8Array): Uint8Array | undefined {
  const wrapped = attribute.length === 34 && attribute[0] === 0x04 && attribute[1] === 0x20;
  const point = wrapped ? attribute.subarray(2) : attribute;
  return point.length === 32 ? Uint8Array.from(point) : undefined;
}

/** SubjectPublicKeyInfo of an RSA key, in its canonical form. */
function rsaKey(read: ReadAttribute): PublicKey | undefined {
  const modulus = read(ck.CKA_MODULUS);
  const exponent = read(ck.CKA_PUBLIC_EXPONENT);
  if (modulus === undefined || exponent === undefined) return undefined;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const jwk = { kty: "RSA", n: base64(modulus), e: base64(exponent) };
  const key = createPublicKey({ key: jwk, format: "jwk" });
  return { algorithm: "PS256", spki: new Uint8Array(key.export({ type: "spki", format: "der" })) };
}

/** The named curve secp256r1 as an OBJECT IDENTIFIER (RFC 5480 §2.1.1.1). */
const p256Oid = hex("06082a8648ce3d030107");
const ed25519Oid = hex("06032b6570");
/** PKCS #11 3.0 §2.3.5 allows the name, too: "edwards25519" as a PrintableString. */
const ed25519Names = [ed25519Oid, hex("130c656477617264733235353139")];

/** Of curves that are refused, by CKA_EC_PARAMS. */
const curveNames: Readonly<Record<string, string>> = {
  "06052b8104000a": "secp256k1",
  "06052b81040022": "P-384",
  "06052b81040023": "P-521",
  "06032b6571": "Ed448",
};

/** RFC 8230 §2: SHA-256 for the message and in MGF1, and a salt as long as it. */
const pssParameter: RsaPSS = {
  type: ck.CK_PARAMS_RSA_PSS,
  hashAlg: ck.CKM_SHA256,
  mgf: ck.CKG_MGF1_SHA256,
  saltLen: 32,
};

const sha256 = (message: Uint8Array) => nodeCrypto.sha256(message);

/** Those whose numbers the standard has. */
const kinds: Readonly<Record<Exclude<Algorithm, "SM2-SM3">, Pkcs11KeyKind>> = {
  ES256: {
    algorithm: "ES256",
    keyPairGeneration: { mechanism: ck.CKM_EC_KEY_PAIR_GEN },
    publicTemplate: [{ type: ck.CKA_EC_PARAMS, value: Buffer.from(p256Oid) }],
    signing: { mechanism: ck.CKM_ECDSA },
    inputOf: sha256,
    publicKeyOf: (read) => {
      const attribute = read(ck.CKA_EC_POINT);
      const point = attribute === undefined ? undefined : parseEcPoint(attribute);
      return point === undefined ? undefined : { algorithm: "ES256", point };
    },
  },
  EdDSA: {
    algorithm: "EdDSA",
    keyPairGeneration: { mechanism: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN },
    publicTemplate: [{ type: ck.CKA_EC_PARAMS, value: Buffer.from(ed25519Oid) }],
    signing: { mechanism: ck.CKM_EDDSA },
    inputOf: (message) => message,
    publicKeyOf: (read) => {
      const attribute = read(ck.CKA_EC_POINT);
      const point = attribute === undefined ? undefined : parseEdwardsPoint(attribute);
      return point === undefined ? undefined : { algorithm: "EdDSA", point };
    },
  },
  PS256: {
    algorithm: "PS256",
    keyPairGeneration: { mechanism: ck.CKM_RSA_PKCS_KEY_PAIR_GEN },
    publicTemplate: [
      { type: ck.CKA_MODULUS_BITS, value: rsaModulusBits.min },
      { type: ck.CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
    ],
    signing: { mechanism: ck.CKM_RSA_PKCS_PSS, parameter: pssParameter },
    inputOf: sha256,
    publicKeyOf: rsaKey,
  },
};

/** A CK_ULONG, little-endian wherever Node has builds. */
function ulong(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 4) return undefined;
  return Buffer.from(bytes).readUInt32LE(0);
}

function hex(text: string): Uint8Array {
  return present(fromHex(text), "hexadecimal digits");
}
