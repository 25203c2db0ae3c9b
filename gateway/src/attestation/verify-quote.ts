/** Whether a quote is by a device's attestation key, over these claims and these PCR values. */

import { concat, equal, u32 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { pcrDigestOf } from "@tamga/ledger-core/tpm/pcr-digest";
import { parseTpmPublic, tpmName, tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import type { TpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import { tpmAlgorithms, tpmAttributes, tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import { parseTpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { quoteQualifier } from "@tamga/ledger-core/wire/attestation-evidence";

export type TpmQuote = Extract<TpmAttest, { readonly type: "quote" }>;

export type QuoteFault =
  | { readonly code: "QUOTE_MALFORMED"; readonly part: "attest" | "signature" | "key" }
  /** The key would sign what software puts together, or can leave its TPM. */
  | { readonly code: "QUOTE_KEY_NOT_RESTRICTED" }
  /** Another key of some TPM says that it signed. */
  | { readonly code: "QUOTE_OTHER_KEY" }
  | { readonly code: "QUOTE_SIGNATURE_WRONG" }
  /** The qualifyingData is of other claims. */
  | { readonly code: "QUOTE_NOT_BOUND" }
  /** The values in the evidence are not what was quoted. */
  | { readonly code: "QUOTE_PCR_DIGEST_WRONG" };

/** @param attestationKey TPMT_PUBLIC, as the registry has it. Faults: QUOTE_*. */
export function verifyQuote(
  crypto: CryptoPort,
  evidence: Evidence,
  attestationKey: Uint8Array,
): Result<TpmQuote, QuoteFault> {
  const { attest: attestBytes, signature: signatureBytes } = evidence.quote;
  const area = parseTpmPublic(attestationKey);
  const key = area.ok ? tpmPublicKey(area.value) : undefined;
  if (!area.ok || key === undefined) return err({ code: "QUOTE_MALFORMED", part: "key" });
  if ((area.value.attributes & attesting) !== attesting)
    return err({ code: "QUOTE_KEY_NOT_RESTRICTED" });
  const attest = parseTpmAttest(attestBytes);
  if (!attest.ok || attest.value.type !== "quote")
    return err({ code: "QUOTE_MALFORMED", part: "attest" });
  const signature = parseTpmSignature(signatureBytes);
  if (!signature.ok) return err({ code: "QUOTE_MALFORMED", part: "signature" });
  const { scheme, hash } = signature.value;
  const isSigned =
    hash === tpmAlgorithms.sha256 &&
    scheme === (key.algorithm === "ES256" ? "ecdsa" : "rsapss") &&
    crypto.verify(key, attestBytes, signature.value.signature);
  if (!isSigned) {
    // The name is what the bytes say: it only tells a wrong key from wrong bytes.
    const isOurs = equal(attest.value.qualifiedSigner, primaryName(crypto, attestationKey));
    return err({ code: isOurs ? "QUOTE_SIGNATURE_WRONG" : "QUOTE_OTHER_KEY" });
  }
  if (!equal(attest.value.extraData, quoteQualifier(crypto, evidence)))
    return err({ code: "QUOTE_NOT_BOUND" });
  const digest = pcrDigestOf(crypto, evidence.banks, attest.value.pcrs);
  if (digest === undefined || !equal(digest, attest.value.pcrDigest))
    return err({ code: "QUOTE_PCR_DIGEST_WRONG" });
  return ok(attest.value);
}

const attesting = tpmAttributes.restricted | tpmAttributes.sign | tpmAttributes.fixedTpm;

/** Qualified Name of a primary key of the endorsement hierarchy (Part 1, §16), as ours is. */
function primaryName(crypto: CryptoPort, publicBytes: Uint8Array): Uint8Array {
  const name = tpmName(crypto, publicBytes);
  const digest = crypto.sha256(concat(u32(tpmHandles.endorsement), name));
  return concat(tpmU16(tpmAlgorithms.sha256), digest);
}
