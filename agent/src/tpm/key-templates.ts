/** Public areas of the keys that Tamga makes in a TPM. */

import { present } from "@tamga/ledger-core/base/assert";
import { fromHex } from "@tamga/ledger-core/base/bytes";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { tpmAlgorithms, tpmAttributes, tpmCurves } from "@tamga/ledger-core/tpm/tpm-numbers";

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy, noDa } =
  tpmAttributes;
const { restricted, decrypt, sign } = tpmAttributes;
const nothing = new Uint8Array(0);
/** Cannot leave this TPM, and was made in it. */
const bound = fixedTpm | fixedParent | sensitiveDataOrigin;
const aes128Cfb = { algorithm: tpmAlgorithms.aes, keyBits: 128, mode: tpmAlgorithms.cfb };
const noScheme = { algorithm: tpmAlgorithms.null };
const ecdsaSha256 = { algorithm: tpmAlgorithms.ecdsa, hash: tpmAlgorithms.sha256 };
const emptyPoint = { type: "ecc", curve: tpmCurves.p256, x: nothing, y: nothing } as const;
const zeroPoint = {
  ...emptyPoint,
  x: new Uint8Array(32),
  y: new Uint8Array(32),
} as const;

/** The storage root key of the owner (TCG TPM v2.0 Provisioning Guidance, §7.5.1): parent of what Tamga makes. */
export const storageRootTemplate: TpmPublicArea = {
  ...zeroPoint,
  nameAlgorithm: tpmAlgorithms.sha256,
  attributes: bound | userWithAuth | noDa | restricted | decrypt,
  authPolicy: nothing,
  symmetric: aes128Cfb,
  scheme: noScheme,
};

/**
 * A device's key: P-256, with an empty password and outside the dictionary-attack logic, so that no mistake
 * with it can lock the TPM.
 */
export const signingKeyTemplate: TpmPublicArea = {
  ...emptyPoint,
  nameAlgorithm: tpmAlgorithms.sha256,
  attributes: bound | userWithAuth | noDa | sign,
  authPolicy: nothing,
  scheme: ecdsaSha256,
};

/** The same for RSA-2048 with PSS, where a TPM has no elliptic curves. */
export const rsaSigningKeyTemplate: TpmPublicArea = {
  nameAlgorithm: tpmAlgorithms.sha256,
  attributes: bound | userWithAuth | noDa | sign,
  authPolicy: nothing,
  scheme: { algorithm: tpmAlgorithms.rsaPss, hash: tpmAlgorithms.sha256 },
  type: "rsa",
  keyBits: 2_048,
  exponent: 0,
  modulus: nothing,
};

/** An attestation key: restricted, it signs only what the TPM itself made. */
export const attestationKeyTemplate: TpmPublicArea = {
  ...signingKeyTemplate,
  attributes: signingKeyTemplate.attributes | restricted,
};

/** PolicySecret(TPM_RH_ENDORSEMENT), SHA-256 (TCG EK Credential Profile 2.5, §B.6.2: Policy A). */
const endorsementPolicy = present(
  fromHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"),
  "the endorsement policy",
);
const endorsementHead = {
  nameAlgorithm: tpmAlgorithms.sha256,
  attributes: bound | adminWithPolicy | restricted | decrypt,
  authPolicy: endorsementPolicy,
  symmetric: aes128Cfb,
  scheme: noScheme,
};

/** The maker's templates L-1 and L-2 (EK Credential Profile 2.5, §B.3.3 and §B.3.4): they give the certified keys. */
export const endorsementTemplates: Readonly<Record<"rsa" | "ecc", TpmPublicArea>> = {
  rsa: {
    ...endorsementHead,
    type: "rsa",
    keyBits: 2_048,
    exponent: 0,
    modulus: new Uint8Array(256),
  },
  ecc: { ...endorsementHead, ...zeroPoint },
};

/** NV indices of the endorsement certificates (EK Credential Profile 2.5, §2.2.1.4). */
export const endorsementCertificateIndices = { rsa: 0x01c0_0002, ecc: 0x01c0_000a } as const;
