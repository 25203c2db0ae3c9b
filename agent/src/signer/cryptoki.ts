/** What Tamga uses of PKCS#11 (OASIS PKCS #11 2.40): the calls, the numbers, and the library. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { PKCS11 } from "pkcs11js";

/** The calls, under their standard names. */
export type Cryptoki = Pick<
  PKCS11,
  | "C_Initialize"
  | "C_Finalize"
  | "C_GetSlotList"
  | "C_GetTokenInfo"
  | "C_OpenSession"
  | "C_CloseSession"
  | "C_GetSessionInfo"
  | "C_Login"
  | "C_FindObjectsInit"
  | "C_FindObjects"
  | "C_FindObjectsFinal"
  | "C_GetAttributeValue"
  | "C_SetAttributeValue"
  | "C_GenerateKeyPair"
  | "C_GenerateKey"
  | "C_EncryptInit"
  | "C_Encrypt"
  | "C_DecryptInit"
  | "C_Decrypt"
  | "C_SignInit"
  | "C_SignAsync"
>;

/** The numbers, from pkcs11t.h; `pkcs11js` may be absent when they are needed. */
export const ck = {
  CKF_OS_LOCKING_OK: 0x2,
  CKF_RW_SESSION: 0x2,
  CKF_SERIAL_SESSION: 0x4,
  CKF_LOGIN_REQUIRED: 0x4,
  CKF_TOKEN_INITIALIZED: 0x400,
  CKF_USER_PIN_FINAL_TRY: 0x20000,
  CKF_USER_PIN_LOCKED: 0x40000,
  CKU_USER: 1,
  CKS_RO_USER_FUNCTIONS: 1,
  CKS_RW_USER_FUNCTIONS: 3,
  CKO_PUBLIC_KEY: 2,
  CKO_PRIVATE_KEY: 3,
  CKO_SECRET_KEY: 4,
  CKA_CLASS: 0x0,
  CKA_TOKEN: 0x1,
  CKA_PRIVATE: 0x2,
  CKA_LABEL: 0x3,
  CKA_KEY_TYPE: 0x100,
  CKA_ID: 0x102,
  CKA_SENSITIVE: 0x103,
  CKA_ENCRYPT: 0x104,
  CKA_DECRYPT: 0x105,
  CKA_WRAP: 0x106,
  CKA_UNWRAP: 0x107,
  CKA_SIGN: 0x108,
  CKA_SIGN_RECOVER: 0x109,
  CKA_VERIFY: 0x10a,
  CKA_DERIVE: 0x10c,
  CKA_MODULUS: 0x120,
  CKA_MODULUS_BITS: 0x121,
  CKA_PUBLIC_EXPONENT: 0x122,
  CKA_VALUE_LEN: 0x161,
  CKA_EXTRACTABLE: 0x162,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKK_RSA: 0,
  CKK_EC: 3,
  CKK_DES3: 0x15,
  CKK_EC_EDWARDS: 0x40,
  CKM_RSA_PKCS_KEY_PAIR_GEN: 0,
  CKM_RSA_PKCS_PSS: 0xd,
  CKM_SHA256: 0x250,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKM_EC_EDWARDS_KEY_PAIR_GEN: 0x1055,
  CKM_EDDSA: 0x1057,
  CKM_AES_KEY_GEN: 0x1080,
  CKM_AES_GCM: 0x1087,
  CKG_MGF1_SHA256: 2,
  /** Of pkcs11js: which structure a mechanism's parameter is. */
  CK_PARAMS_RSA_PSS: 5,
  CK_PARAMS_AES_GCM: 3,
} as const;

/** The name of the CKR_ code that a call failed with, or undefined for another kind of error. */
export function ckrOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // pkcs11js gives most codes an error class of its own, but not those of C_FindObjects.
  return /^(CKR_\w+)/.exec(error.message)?.[1];
}

/** An error of the token as one of ours; anything else is passed through. */
export function toTokenError(error: unknown): unknown {
  const ckr = ckrOf(error);
  if (ckr === undefined) return error;
  return new OperationalError("TOKEN_FAILED", `the token failed with ${ckr}`, {
    cause: error,
    details: { ckr },
  });
}

/**
 * Loads the PKCS#11 library at `path`; it is not yet initialised.
 *
 * @param importBinding gives the optional dependency `pkcs11js`.
 * Throws PKCS11_UNAVAILABLE where that is not installed or does not run here, and
 *   PKCS11_MODULE_UNUSABLE where the library cannot be loaded.
 */
export async function loadCryptoki(
  path: string,
  importBinding: () => Promise<{ readonly PKCS11: new () => PKCS11 }> = () => import("pkcs11js"),
): Promise<Cryptoki> {
  let library: PKCS11;
  try {
    library = new (await importBinding()).PKCS11();
  } catch (cause) {
    throw new OperationalError(
      "PKCS11_UNAVAILABLE",
      "pkcs11: keys need the optional package pkcs11js: install a C++ compiler, make and python3 " +
        "(Debian: build-essential python3), then run npm install again",
      { cause },
    );
  }
  try {
    library.load(path);
  } catch (cause) {
    throw new OperationalError(
      "PKCS11_MODULE_UNUSABLE",
      `cannot load the PKCS#11 library ${path}: install the token's driver (SoftHSM2: Debian ` +
        "softhsm2) or correct module-path",
      { cause, details: { path } },
    );
  }
  return library;
}
