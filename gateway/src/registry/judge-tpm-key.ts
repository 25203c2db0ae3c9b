/** Whether a signing key is in a genuine TPM: from the maker's certificate to TPM2_Certify over the key. */

import type { X509Certificate } from "node:crypto";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { parseTpmPublic, tpmName, tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmAlgorithms, tpmAttributes } from "@tamga/ledger-core/tpm/tpm-numbers";
import { parseTpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import type { TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import type { Endorsement, EndorsementFault } from "./endorsement-chain.ts";
import { verifyEndorsement } from "./endorsement-chain.ts";
import type { CredentialFault } from "./make-credential.ts";
import { makeCredential } from "./make-credential.ts";

/** A key of which every step but the last was checked: that both keys are in one TPM, `makeCredential` asks. */
export type CertifiedTpmKey = {
  readonly endorsement: Endorsement;
  readonly endorsementKey: TpmPublicArea;
  readonly attestationName: Uint8Array;
  readonly attestationKey: PublicKey;
};

export type TpmKeyFault =
  | EndorsementFault
  | CredentialFault
  | { readonly code: "TPM_CLAIM_MALFORMED"; readonly part: string }
  /** The endorsement key could do more than decrypt for its TPM. */
  | { readonly code: "EK_NOT_RESTRICTED" }
  /** The attestation key would sign what software gives it, or can leave its TPM. */
  | { readonly code: "AK_NOT_RESTRICTED" }
  | { readonly code: "CERTIFY_SIGNATURE_WRONG" }
  /** Signed for another request. */
  | { readonly code: "CERTIFY_NOT_BOUND" }
  /** What was certified is another key than the one that asks. */
  | { readonly code: "CERTIFY_OTHER_KEY" }
  /** The key was made outside of the TPM, or may leave it. */
  | { readonly code: "KEY_NOT_BOUND_TO_TPM" };

/**
 * @param key that the request's signing key is.
 * @param qualifier see `certifyQualifier`.
 */
export function judgeTpmKey(
  claim: TpmClaim,
  { key, qualifier }: { readonly key: PublicKey; readonly qualifier: Digest },
  roots: readonly X509Certificate[],
): Result<CertifiedTpmKey, TpmKeyFault> {
  const endorsementKey = parseTpmPublic(claim.endorsementKey);
  if (!endorsementKey.ok) return malformed("endorsementKey");
  const attestationArea = parseTpmPublic(claim.attestationKey);
  if (!attestationArea.ok) return malformed("attestationKey");
  const endorsement = verifyEndorsement(
    { certificate: claim.endorsementCertificate, area: endorsementKey.value },
    { intermediates: claim.intermediates, roots },
  );
  if (!endorsement.ok) return endorsement;
  if (!hasAll(endorsementKey.value, bound | tpmAttributes.restricted | tpmAttributes.decrypt))
    return err({ code: "EK_NOT_RESTRICTED" });
  const name = tpmName(nodeCrypto, claim.attestationKey);
  const credential = makeCredential(endorsementKey.value, { name, value: new Uint8Array() });
  if (!credential.ok) return credential;
  const attestationKey = tpmPublicKey(attestationArea.value);
  const isAttesting = hasAll(attestationArea.value, bound | tpmAttributes.restricted | sign);
  if (attestationKey === undefined || !isAttesting || !hasSha256Name(attestationArea.value))
    return err({ code: "AK_NOT_RESTRICTED" });
  const fault = judgeCertified(claim, { attestationKey, key, qualifier });
  if (fault !== undefined) return err(fault);
  return ok({
    endorsement: endorsement.value,
    endorsementKey: endorsementKey.value,
    attestationName: name,
    attestationKey,
  });
}

function judgeCertified(
  claim: TpmClaim,
  given: {
    readonly attestationKey: PublicKey;
    readonly key: PublicKey;
    readonly qualifier: Digest;
  },
): TpmKeyFault | undefined {
  const attest = parseTpmAttest(claim.certified);
  if (!attest.ok || attest.value.type !== "certify")
    return { code: "TPM_CLAIM_MALFORMED", part: "certified" };
  const signature = parseTpmSignature(claim.signature);
  if (!signature.ok) return { code: "TPM_CLAIM_MALFORMED", part: "signature" };
  const { attestationKey, key, qualifier } = given;
  if (
    signature.value.hash !== tpmAlgorithms.sha256 ||
    !nodeCrypto.verify(attestationKey, claim.certified, signature.value.signature)
  )
    return { code: "CERTIFY_SIGNATURE_WRONG" };
  if (!equal(attest.value.extraData, qualifier)) return { code: "CERTIFY_NOT_BOUND" };
  const area = parseTpmPublic(claim.signingKey);
  if (!area.ok) return { code: "TPM_CLAIM_MALFORMED", part: "signingKey" };
  const isCertified = equal(attest.value.name, tpmName(nodeCrypto, claim.signingKey));
  const certifiedKey = tpmPublicKey(area.value);
  if (!hasSha256Name(area.value) || !isCertified || !isSame(certifiedKey, key))
    return { code: "CERTIFY_OTHER_KEY" };
  return hasAll(area.value, bound | sign) ? undefined : { code: "KEY_NOT_BOUND_TO_TPM" };
}

const { fixedTpm, fixedParent, sensitiveDataOrigin, sign } = tpmAttributes;
/** In this TPM alone, and made in it. */
const bound = fixedTpm | fixedParent | sensitiveDataOrigin;

function hasAll({ attributes }: TpmPublicArea, wanted: number): boolean {
  return (attributes & wanted) === wanted;
}

function hasSha256Name({ nameAlgorithm }: TpmPublicArea): boolean {
  return nameAlgorithm === tpmAlgorithms.sha256;
}

function isSame(a: PublicKey | undefined, b: PublicKey): boolean {
  if (a?.algorithm === "ES256" && b.algorithm === "ES256") return equal(a.point, b.point);
  return a?.algorithm === "PS256" && b.algorithm === "PS256" && equal(a.spki, b.spki);
}

function malformed(part: string) {
  return err({ code: "TPM_CLAIM_MALFORMED", part } as const);
}
