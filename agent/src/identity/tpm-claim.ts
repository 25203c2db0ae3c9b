/** What a device shows of its TPM when it asks to be enrolled, and the answer that only this TPM opens. */

import type { KeyObject } from "node:crypto";
import { createDecipheriv, X509Certificate } from "node:crypto";
import { fromUtf8, utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Result } from "@tamga/ledger-core/base/result";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { certifyQualifier } from "@tamga/ledger-core/tpm/certify-qualifier";
import { tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { EnrolmentRequest, SealedAnswer, TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { sealedAnswerContext } from "@tamga/ledger-core/wire/enrolment";
import type { TpmKeyProof } from "@tamga/ledger-core/wire/key-rotation";
import type { TpmKeyUri } from "../signer/key-uri.ts";
import { transportOf } from "../signer/tpm-signer.ts";
import { attestationKeyTemplate, endorsementTemplates } from "../tpm/key-templates.ts";
import { Tpm } from "../tpm/tpm.ts";
import { activateCredential, certify, readEndorsementCertificate } from "../tpm/tpm-attesting.ts";
import type { TpmKey } from "../tpm/tpm-keys.ts";
import { createPrimary, readKey } from "../tpm/tpm-keys.ts";

export type TpmUser = { readonly clock: Clock; readonly signal: AbortSignal };

/**
 * Lets the TPM certify the signing key for this request.
 *
 * @param certificates DER, between the maker's certificate of this TPM and a root; its own first where the
 *   TPM holds none.
 * @throws OperationalError TPM_*, TPM_CERTIFICATE_MISSING, TPM_CERTIFICATE_INVALID.
 */
export async function makeTpmClaim(
  uri: TpmKeyUri,
  request: Pick<EnrolmentRequest, "device" | "signing" | "tls">,
  { clock, signal, certificates }: TpmUser & { readonly certificates: readonly Uint8Array[] },
): Promise<TpmClaim> {
  certificates.forEach(requireCertificate);
  return Tpm.use(transportOf(uri), { clock, signal }, async (tpm) => {
    const { kind, certificate, intermediates } = await ownCertificate(tpm, certificates);
    const endorsement = await endorsementKey(tpm, kind);
    await tpm.flush(endorsement.handle);
    const attestation = await attestationKey(tpm);
    const signing = await readKey(tpm, uri.handle);
    const certified = await certify(tpm, {
      key: signing.handle,
      attestationKey: attestation.handle,
      qualifying: certifyQualifier(nodeCrypto, request),
    });
    return {
      endorsementCertificate: certificate,
      intermediates,
      endorsementKey: endorsement.publicBytes,
      attestationKey: attestation.publicBytes,
      signingKey: signing.publicBytes,
      certified: certified.attest,
      signature: certified.signatureBytes,
    };
  });
}

/** Lets the TPM certify a further key of the device that was enrolled with it. @throws OperationalError TPM_* */
export function makeTpmKeyProof(
  uri: TpmKeyUri,
  request: Pick<EnrolmentRequest, "device" | "signing" | "tls">,
  { clock, signal }: TpmUser,
): Promise<TpmKeyProof> {
  return Tpm.use(transportOf(uri), { clock, signal }, async (tpm) => {
    const attestation = await attestationKey(tpm);
    const signing = await readKey(tpm, uri.handle);
    const certified = await certify(tpm, {
      key: signing.handle,
      attestationKey: attestation.handle,
      qualifying: certifyQualifier(nodeCrypto, request),
    });
    const { attest, signatureBytes } = certified;
    return { signingKey: signing.publicBytes, certified: attest, signature: signatureBytes };
  });
}

/** An answer that is not for this TPM, or was changed. */
export type SealedFault = { readonly code: "ENROLMENT_ANSWER_NOT_FOR_THIS_TPM" };

/** @returns the text of the plain answer. Throws OperationalError TPM_*. */
export function openSealedAnswer(
  uri: TpmKeyUri,
  answer: SealedAnswer,
  { clock, signal }: TpmUser,
): Promise<Result<string, SealedFault>> {
  return Tpm.use(transportOf(uri), { clock, signal }, async (tpm) => {
    for (const kind of ["rsa", "ecc"] as const) {
      const endorsement = await endorsementKey(tpm, kind);
      const attestation = await attestationKey(tpm);
      const handles = { attestationKey: attestation.handle, endorsementKey: endorsement.handle };
      const key = await activateCredential(tpm, { ...handles, ...answer }).catch(notForThis);
      await tpm.flush(endorsement.handle);
      await tpm.flush(attestation.handle);
      const text = key === undefined ? undefined : decrypt(key, answer);
      if (text !== undefined) return { ok: true, value: text } as const;
    }
    const fault = { code: "ENROLMENT_ANSWER_NOT_FOR_THIS_TPM" } as const;
    return { ok: false, fault } as const;
  });
}

/** An attestation key that this TPM always makes alike, in the hierarchy whose resets a quote tells in the clear. */
export function attestationKey(tpm: Tpm): Promise<TpmKey> {
  return createPrimary(tpm, tpmHandles.endorsement, attestationKeyTemplate);
}

function endorsementKey(tpm: Tpm, kind: "rsa" | "ecc"): Promise<TpmKey> {
  return createPrimary(tpm, tpmHandles.endorsement, endorsementTemplates[kind]);
}

async function ownCertificate(tpm: Tpm, given: readonly Uint8Array[]) {
  for (const kind of ["rsa", "ecc"] as const) {
    const certificate = await readEndorsementCertificate(tpm, kind);
    if (certificate !== undefined) return { kind, certificate, intermediates: given };
  }
  const [certificate, ...intermediates] = given;
  if (certificate === undefined)
    throw new OperationalError(
      "TPM_CERTIFICATE_MISSING",
      "the TPM holds no certificate of its maker: fetch it from the maker, and give it with --tpm-certificates FILE",
    );
  return { kind: certifiedKind(certificate), certificate, intermediates };
}

/** Which of our templates makes the key that a maker certified. */
function certifiedKind(certificate: Uint8Array): "rsa" | "ecc" {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = keyOf(certificate);
  if (type === "rsa" && details?.modulusLength === 2_048) return "rsa";
  if (type === "ec" && details?.namedCurve === "prime256v1") return "ecc";
  throw invalid("the first one is over no RSA-2048 or P-256 key: ask the maker for one that is");
}

function requireCertificate(certificate: Uint8Array, at: number): void {
  try {
    new X509Certificate(certificate);
  } catch (cause) {
    throw invalid(`number ${at + 1} is no certificate: fetch it from the maker again`, cause);
  }
}

function keyOf(certificate: Uint8Array): KeyObject {
  try {
    return new X509Certificate(certificate).publicKey;
  } catch (cause) {
    throw invalid("the first one has a key of an unknown kind: ask the maker for another", cause);
  }
}

function invalid(sentence: string, cause?: unknown): OperationalError {
  return new OperationalError(
    "TPM_CERTIFICATE_INVALID",
    `of the certificates in --tpm-certificates ${sentence}`,
    { cause },
  );
}

/** A TPM that was not meant refuses; anything else is the caller's to see. */
function notForThis(error: unknown): undefined {
  if (
    error instanceof OperationalError &&
    error.code === "TPM_COMMAND_FAILED" &&
    !noAccess.has(String(error.details["response"]))
  )
    return undefined;
  throw error;
}

/** What a TPM says to everybody: it may well be the right one, and its owner has to open it first. */
const noAccess: ReadonlySet<string> = new Set(["BAD_AUTH", "AUTH_FAIL", "HIERARCHY", "DISABLED"]);

function decrypt(key: Uint8Array, { nonce, sealed }: SealedAnswer): string | undefined {
  if (key.length !== 32 || sealed.length < 16) return undefined;
  const cipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(utf8(sealedAnswerContext));
  cipher.setAuthTag(sealed.subarray(-16));
  try {
    const text = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    return fromUtf8(text);
  } catch {
    return undefined;
  } finally {
    key.fill(0);
  }
}
