/**
 * How a device asks for a certificate of its next signing key: both keys sign the same claims, the old one to say who
 * goes on, the new one to show that it is there (WIRE.md §12.4). Pure.
 */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { identityOf } from "./cose.ts";
import type { KeyKind } from "./enrolment.ts";
import { keyKinds } from "./enrolment.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  certificationRequestBytesMax,
  rotationStatementBytesMax,
  tpmStructureBytesMax,
} from "./limits.ts";
import type { ParsedStatement, StatementFault } from "./statement.ts";
import { parseStatement, verifySignedBy } from "./statement.ts";
import type { DeviceAddress } from "./topic.ts";

/** What both keys sign: `signing` and `tls` are SHA-256 of the PKCS#10 requests beside it. */
export type KeyRotationClaims = {
  readonly from: Digest;
  readonly to: Digest;
  /** Where the device says that the new key lives. */
  readonly keyKind: KeyKind;
  readonly signing: Digest;
  readonly tls: Digest;
  /** By the device's own clock, which nobody believes. */
  readonly at: UnixMillis;
};

/** TPM2_Certify over the new key by the attestation key that the device was enrolled with (§12.1). */
export type TpmKeyProof = {
  /** TPMT_PUBLIC of the new key, TPMS_ATTEST and TPMT_SIGNATURE. */
  readonly signingKey: Uint8Array;
  readonly certified: Uint8Array;
  readonly signature: Uint8Array;
};

/** `up/renew` of a device whose signing key changes. */
export type RotationMessage = {
  /** PKCS#10, DER: of the new signing key, and of the TLS key. */
  readonly signing: Uint8Array;
  readonly tls: Uint8Array;
  /** Statements with the same payload, one by each key. */
  readonly byOld: Uint8Array;
  readonly byNew: Uint8Array;
  readonly tpm?: TpmKeyProof;
};

/** The subject of such a statement; no stream has it, since it is in no lane. */
export const rotationSubject = "keys";

export function encodeKeyRotationClaims(claims: KeyRotationClaims): CborValue {
  return new Map<number, CborValue>([
    [1, claims.from],
    [2, claims.to],
    [3, keyKinds.indexOf(claims.keyKind)],
    [4, claims.signing],
    [5, claims.tls],
    [6, claims.at],
  ]);
}

/** Faults: FIELD_*. */
export function parseKeyRotationClaims(value: CborValue): Result<KeyRotationClaims, FieldFault> {
  const fields = new FieldReader(value);
  return fields.finish({
    from: fields.digest(1),
    to: fields.digest(2),
    keyKind: keyKinds[fields.uint(3, keyKinds.length - 1)] ?? "file",
    signing: fields.digest(4),
    tls: fields.digest(5),
    at: fields.time(6),
  });
}

export function encodeRotationMessage(message: RotationMessage): Uint8Array {
  const { signing, tls, byOld, byNew, tpm } = message;
  const proof = tpm === undefined ? null : [tpm.signingKey, tpm.certified, tpm.signature];
  return encodeCbor([signing, tls, byOld, byNew, proof]);
}

/** Bytes of the longest one, with room for the lengths. */
const messageMax =
  2 * certificationRequestBytesMax + 2 * rotationStatementBytesMax + 3 * tpmStructureBytesMax + 64;

/** Whether a `up/renew` asks for a new key: it has five items, and a renewal two. */
export function isRotationMessage(bytes: Uint8Array): boolean {
  return bytes[0] === 0x85;
}

/** Faults: CBOR_*, FIELD_*; nothing in it is opened. */
export function parseRotationMessage(
  bytes: Uint8Array,
): Result<RotationMessage, CborFault | FieldFault> {
  const decoded = decodeCbor(bytes, messageMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const message = {
    signing: fields.bytes(0, certificationRequestBytesMax),
    tls: fields.bytes(1, certificationRequestBytesMax),
    byOld: fields.bytes(2, rotationStatementBytesMax),
    byNew: fields.bytes(3, rotationStatementBytesMax),
  };
  if (!fields.given(4)) return fields.finish(message);
  const inner = fields.nested(4);
  const tpm = {
    signingKey: inner.bytes(0, tpmStructureBytesMax),
    certified: inner.bytes(1, tpmStructureBytesMax),
    signature: inner.bytes(2, tpmStructureBytesMax),
  };
  inner.close();
  return fields.finish({ ...message, tpm });
}

/** Only {@link verifyRotation} makes one. */
export type VerifiedRotation = {
  readonly claims: KeyRotationClaims;
  /** Of the statement by the old key: it names the request in the answer. */
  readonly identity: Digest;
};

export type RotationFault =
  | StatementFault
  | FieldFault
  /** A statement of another kind, of another device or channel. */
  | { readonly code: "ROTATION_OTHER_KIND" | "ROTATION_OTHER_DEVICE" }
  /** The two statements do not say the same. */
  | { readonly code: "ROTATION_CLAIMS_DIFFER" }
  /** The old key is none of this device, whoever else may have it. */
  | { readonly code: "ROTATION_KEY_UNKNOWN" }
  /** The new key is the old one. */
  | { readonly code: "ROTATION_SAME_KEY" }
  /** The requests beside the statements are others, or for another key. */
  | { readonly code: "ROTATION_OTHER_REQUEST" }
  | { readonly code: "ROTATION_OLD_SIGNATURE_WRONG" | "ROTATION_NEW_SIGNATURE_WRONG" };

/**
 * @param expected.keyOf a signing key of this very device by its thumbprint.
 * @param expected.to the key of the request `signing`, and its thumbprint; that it signed the request is checked
 *   by whoever read it.
 * Faults: {@link RotationFault}.
 */
export function verifyRotation(
  crypto: CryptoPort,
  message: Pick<RotationMessage, "signing" | "tls" | "byOld" | "byNew">,
  expected: {
    readonly address: DeviceAddress;
    readonly keyOf: (kid: Digest) => PublicKey | undefined;
    readonly to: { readonly key: PublicKey; readonly kid: Digest };
  },
): Result<VerifiedRotation, RotationFault> {
  const { address, keyOf, to } = expected;
  const old = readStatement(message.byOld, address);
  if (!old.ok) return old;
  const young = readStatement(message.byNew, address);
  if (!young.ok) return young;
  if (!equal(old.value.part.payload, young.value.part.payload))
    return err({ code: "ROTATION_CLAIMS_DIFFER" });
  const parsed = parseKeyRotationClaims(old.value.claims);
  if (!parsed.ok) return parsed;
  const claims = parsed.value;
  if (equal(claims.from, claims.to)) return err({ code: "ROTATION_SAME_KEY" });
  const isOver = (digest: Digest, bytes: Uint8Array) => equal(digest, crypto.sha256(bytes));
  if (!isOver(claims.signing, message.signing) || !isOver(claims.tls, message.tls))
    return err({ code: "ROTATION_OTHER_REQUEST" });
  if (!equal(claims.to, to.kid)) return err({ code: "ROTATION_OTHER_REQUEST" });
  const from = keyOf(claims.from);
  if (from === undefined) return err({ code: "ROTATION_KEY_UNKNOWN" });
  if (!verifySignedBy(crypto, old.value, { key: from, kid: claims.from }).ok)
    return err({ code: "ROTATION_OLD_SIGNATURE_WRONG" });
  if (!verifySignedBy(crypto, young.value, to).ok)
    return err({ code: "ROTATION_NEW_SIGNATURE_WRONG" });
  const identity = identityOf((bytes) => crypto.sha256(bytes), old.value.part);
  return ok({ claims, identity });
}

/** The identity of a request by its exact bytes; undefined where they are none. */
export function rotationIdentity(
  { sha256 }: Pick<CryptoPort, "sha256">,
  { byOld }: Pick<RotationMessage, "byOld">,
): Digest | undefined {
  const parsed = parseStatement(byOld);
  return parsed.ok ? identityOf(sha256, parsed.value.part) : undefined;
}

/** The key that a request is for, as it says; undefined where it says nothing. */
export function rotationTarget({ byOld }: Pick<RotationMessage, "byOld">): Digest | undefined {
  const parsed = parseStatement(byOld);
  const claims = parsed.ok ? parseKeyRotationClaims(parsed.value.claims) : parsed;
  return claims.ok ? claims.value.to : undefined;
}

function readStatement(
  bytes: Uint8Array,
  address: { readonly channel: Identifier; readonly device: Identifier },
): Result<ParsedStatement, RotationFault> {
  const parsed = parseStatement(bytes);
  if (!parsed.ok) return parsed;
  const { type, channel, issuer, subject } = parsed.value.header;
  if (type !== "key-rotation" || subject !== rotationSubject)
    return err({ code: "ROTATION_OTHER_KIND" });
  if (channel !== address.channel || issuer !== address.device)
    return err({ code: "ROTATION_OTHER_DEVICE" });
  return parsed;
}
