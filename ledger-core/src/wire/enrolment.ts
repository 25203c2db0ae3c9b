/**
 * Enrolment as two files, or as the same two over HTTP: a device's request, the site's answer
 * (WIRE.md §12). JSON, since a technician looks into them; neither holds a secret.
 */

import { toBase64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import type { Identifier } from "./identifier.ts";
import type { EnrolmentFault, JsonFields } from "./json-file.ts";
import { parseFile, stringifyFile } from "./json-file.ts";
import {
  certificateBytesMax,
  certificationRequestBytesMax,
  enrolmentBytesMax,
  tpmStructureBytesMax,
} from "./limits.ts";

/** Where a device says that its signing key lives. Nobody has attested it. */
export const keyKinds = ["file", "pkcs11", "tpm"] as const;
export type KeyKind = (typeof keyKinds)[number];

/** What a device says of the TPM that its signing key is in: structures as that gave them (WIRE.md §12.1). */
export type TpmClaim = {
  /** The maker's certificate of the endorsement key, DER. */
  readonly endorsementCertificate: Uint8Array;
  /** DER, between that and its maker's root; may be empty. */
  readonly intermediates: readonly Uint8Array[];
  /** TPMT_PUBLIC of the endorsement key, the attestation key and the signing key. */
  readonly endorsementKey: Uint8Array;
  readonly attestationKey: Uint8Array;
  readonly signingKey: Uint8Array;
  /** TPMS_ATTEST of TPM2_Certify over the signing key by the attestation key, and its TPMT_SIGNATURE. */
  readonly certified: Uint8Array;
  readonly signature: Uint8Array;
};

export type EnrolmentRequest = {
  readonly device: Identifier;
  readonly keyKind: KeyKind;
  /** PKCS#10, DER: of the signing key, and of the key that the agent's TLS uses. */
  readonly signing: Uint8Array;
  readonly tls: Uint8Array;
  readonly tpm?: TpmClaim;
};

/** An answer that only one TPM can open: it is encrypted under a credential for its attestation key. */
export type SealedAnswer = {
  readonly device: Identifier;
  /** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, without their lengths; what they hold is the AES-256 key. */
  readonly credential: Uint8Array;
  readonly secret: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** The text of an answer under AES-256-GCM, the tag of 16 bytes at its end. */
  readonly sealed: Uint8Array;
};

/** Additional data of the encryption. */
export const sealedAnswerContext = "tamga/enrolment-answer/2";

export type EnrolmentAnswer = {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly gateway: Identifier;
  /** `mqtts://host:port`, in the order in which an agent tries them. */
  readonly uplink: readonly string[];
  /** DER, leaf first. */
  readonly signingChain: readonly Uint8Array[];
  readonly tlsChain: readonly Uint8Array[];
  /** The site CA that the agent pins, DER. */
  readonly ca: Uint8Array;
  /** The text of trust.json. Compare its digest out of band. */
  readonly trust: string;
};

export function encodeEnrolmentRequest(request: EnrolmentRequest): string {
  const fields = {
    device: request.device,
    keyKind: request.keyKind,
    signing: toBase64(request.signing),
    tls: toBase64(request.tls),
  };
  return request.tpm === undefined
    ? stringifyFile({ tamga: "enrolment-request/1", ...fields })
    : stringifyFile({ tamga: "enrolment-request/2", ...fields, ...claimFields(request.tpm) });
}

/** A claim by itself, for a database. */
export function encodeTpmClaim(claim: TpmClaim): string {
  return stringifyFile({ tamga: "tpm-claim/1", ...claimFields(claim) });
}

function claimFields(claim: TpmClaim) {
  return {
    endorsementCertificate: toBase64(claim.endorsementCertificate),
    intermediates: claim.intermediates.map(toBase64),
    endorsementKey: toBase64(claim.endorsementKey),
    attestationKey: toBase64(claim.attestationKey),
    signingKey: toBase64(claim.signingKey),
    certified: toBase64(claim.certified),
    signature: toBase64(claim.signature),
  };
}

export function encodeSealedAnswer(answer: SealedAnswer): string {
  return stringifyFile({
    tamga: "enrolment-answer/2",
    device: answer.device,
    credential: toBase64(answer.credential),
    secret: toBase64(answer.secret),
    nonce: toBase64(answer.nonce),
    sealed: toBase64(answer.sealed),
  });
}

export function encodeEnrolmentAnswer(answer: EnrolmentAnswer): string {
  return stringifyFile({
    tamga: "enrolment-answer/1",
    device: answer.device,
    channel: answer.channel,
    gateway: answer.gateway,
    uplink: answer.uplink,
    signingChain: answer.signingChain.map(toBase64),
    tlsChain: answer.tlsChain.map(toBase64),
    ca: toBase64(answer.ca),
    trust: answer.trust,
  });
}

/** Faults: ENROLMENT_*, with the field. Unknown fields are refused. */
export function parseEnrolmentRequest(text: string): Result<EnrolmentRequest, EnrolmentFault> {
  return parseFile(text, ["enrolment-request/1", "enrolment-request/2"], (fields, format) => ({
    device: fields.identifier("device"),
    keyKind:
      keyKinds.find((kind) => kind === fields.text("keyKind")) ?? fields.refuse("keyKind", "file"),
    signing: fields.bytes("signing", certificationRequestBytesMax),
    tls: fields.bytes("tls", certificationRequestBytesMax),
    ...(format === "enrolment-request/2" ? { tpm: readClaim(fields) } : {}),
  }));
}

/** Faults: ENROLMENT_*, with the field. */
export function parseTpmClaim(text: string): Result<TpmClaim, EnrolmentFault> {
  return parseFile(text, ["tpm-claim/1"], readClaim);
}

function readClaim(fields: JsonFields): TpmClaim {
  const structure = (name: string) => fields.bytes(name, tpmStructureBytesMax);
  return {
    endorsementCertificate: fields.bytes("endorsementCertificate", certificateBytesMax),
    intermediates: fields.chain("intermediates"),
    endorsementKey: structure("endorsementKey"),
    attestationKey: structure("attestationKey"),
    signingKey: structure("signingKey"),
    certified: structure("certified"),
    signature: structure("signature"),
  };
}

/** An answer for one TPM; a plain one is ENROLMENT_VERSION_UNKNOWN here. Faults: ENROLMENT_*, with the field. */
export function parseSealedAnswer(text: string): Result<SealedAnswer, EnrolmentFault> {
  return parseFile(text, ["enrolment-answer/2"], (fields) => ({
    device: fields.identifier("device"),
    credential: fields.bytes("credential", tpmStructureBytesMax),
    secret: fields.bytes("secret", tpmStructureBytesMax),
    nonce: fields.bytes("nonce", 12),
    sealed: fields.bytes("sealed", enrolmentBytesMax),
  }));
}

/** Faults: ENROLMENT_*, with the field. Certificates and trust policy are not verified here. */
export function parseEnrolmentAnswer(text: string): Result<EnrolmentAnswer, EnrolmentFault> {
  return parseFile(text, ["enrolment-answer/1"], (fields) => ({
    device: fields.identifier("device"),
    channel: fields.identifier("channel"),
    gateway: fields.identifier("gateway"),
    uplink: fields.texts("uplink", 16),
    signingChain: fields.chain("signingChain"),
    tlsChain: fields.chain("tlsChain"),
    ca: fields.bytes("ca", certificateBytesMax),
    trust: fields.text("trust"),
  }));
}
