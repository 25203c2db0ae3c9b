/**
 * SM2 keys in PKCS#11 tokens. No standard has numbers for them, so each maker has its own: the key URI gives them.
 * It was proven with no token: none was at hand, and SoftHSM2 and tpm2-pkcs11 have no SM2. What stands here was held
 * to a fake one alone (`pkcs11-sm2.test.ts`); the challenge that every opened key signs finds out a token that does
 * otherwise, before a statement is signed.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { concat, equal, fromHex } from "@tamga/ledger-core/base/bytes";
import { sm2Preamble } from "@tamga/ledger-core/base/sm2";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { ck } from "./cryptoki.ts";
import { parseEcPoint } from "./ec-point.ts";
import type { Pkcs11KeyKind, ReadAttribute } from "./pkcs11-key-kind.ts";
import type { Sm2Vendor } from "./sm2-vendor.ts";

/** Whether a private key is one of SM2, by its attributes. */
export function isSm2Key(
  read: ReadAttribute,
  type: number,
  vendor: Sm2Vendor | undefined,
): boolean {
  const curve = read(ck.CKA_EC_PARAMS);
  const isOnCurve = curve !== undefined && equal(curve, sm2Oid);
  if (vendor?.keyType === undefined) return type === ck.CKK_EC && isOnCurve;
  // A type of the maker's own may need no curve beside it.
  return type === vendor.keyType && (isOnCurve || curve === undefined || curve.length === 0);
}

export function sm2Kind(vendor: Sm2Vendor): Pkcs11KeyKind {
  const { mechanism, input, keyType, keyGeneration } = vendor;
  const type = keyType === undefined ? [] : [{ type: ck.CKA_KEY_TYPE, value: keyType }];
  return {
    algorithm: "SM2-SM3",
    keyPairGeneration: keyGeneration === undefined ? undefined : { mechanism: keyGeneration },
    publicTemplate: [...type, { type: ck.CKA_EC_PARAMS, value: Buffer.from(sm2Oid) }],
    privateTemplate: type,
    signing: { mechanism },
    inputOf: (message, key) =>
      input === "message" || key.algorithm !== "SM2-SM3"
        ? message
        : sm3(concat(sm2Preamble(sm3, key.point), message)),
    publicKeyOf: (read) => {
      const attribute = read(ck.CKA_EC_POINT);
      const point = attribute === undefined ? undefined : parseEcPoint(attribute);
      return point === undefined ? undefined : { algorithm: "SM2-SM3", point };
    },
  };
}

const sm3 = (bytes: Uint8Array) => nodeCrypto.sm3(bytes);
/** The curve 1.2.156.10197.1.301 as an OBJECT IDENTIFIER (GM/T 0006-2012). */
const sm2Oid = present(fromHex("06082a811ccf5501822d"), "hexadecimal digits");
