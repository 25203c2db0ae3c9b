/**
 * Statements: what devices, gateways and organisations sign (RFC 9943 signed statements; WIRE.md §5).
 * This file holds the frame that all kinds share; each kind's claims have a file of their own.
 */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Algorithm, CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { algorithmOf, coseAlgorithms, signatureLengthFits, thumbprint } from "./algorithm.ts";
import type { CoseFault, Sign1 } from "./cose.ts";
import { encodeSign1, parseSign1, sigStructure } from "./cose.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import { statementBytesMax } from "./limits.ts";

/** Statement kinds by their COSE `typ` (RFC 9596). The version is part of the name. */
export const statementTypes = {
  bundle: "application/vnd.tamga.bundle.v1+cbor",
  gap: "application/vnd.tamga.gap.v1+cbor",
  start: "application/vnd.tamga.start.v1+cbor",
  heartbeat: "application/vnd.tamga.heartbeat.v1+cbor",
  rejection: "application/vnd.tamga.rejection.v1+cbor",
  "lane-open": "application/vnd.tamga.lane-open.v1+cbor",
  "lane-head": "application/vnd.tamga.lane-head.v1+cbor",
  "channel-open": "application/vnd.tamga.channel-open.v1+cbor",
  device: "application/vnd.tamga.device.v1+cbor",
  "lane-fault": "application/vnd.tamga.lane-fault.v1+cbor",
  "device-key": "application/vnd.tamga.device-key.v1+cbor",
  policy: "application/vnd.tamga.policy.v1+cbor",
  validators: "application/vnd.tamga.validators.v1+cbor",
  anchor: "application/vnd.tamga.anchor.v1+cbor",
  approval: "application/vnd.tamga.approval.v1+cbor",
  "channel-recovery": "application/vnd.tamga.channel-recovery.v1+cbor",
  evidence: "application/vnd.tamga.evidence.v1+cbor",
  "sm3-bundle": "application/vnd.tamga.sm3-bundle.v1+cbor",
  "key-rotation": "application/vnd.tamga.key-rotation.v1+cbor",
  result: "application/vnd.tamga.result.v1+cbor",
} as const;
export type StatementType = keyof typeof statementTypes;

/** The protected header: algorithm, key, and who says what about which (RFC 9597 CWT claims). */
export type StatementHeader = {
  readonly algorithm: Algorithm;
  /** RFC 9679 thumbprint of the signing key. */
  readonly kid: Digest;
  readonly type: StatementType;
  readonly channel: Identifier;
  /** Device, gateway or organisation; `iss` is `channel/issuer`. */
  readonly issuer: Identifier;
  /** The stream of a device, `lane` of a gateway, `channel` of an organisation. */
  readonly subject: Identifier;
  /** `iat`: signing time in whole seconds since 1970, by the signer's own clock. */
  readonly issuedAt: number;
};

/** A statement taken apart, its signature not yet checked. */
export type ParsedStatement = {
  readonly header: StatementHeader;
  readonly claims: CborValue;
  readonly part: Sign1;
};

export type StatementFault =
  | CoseFault
  | CborFault
  | FieldFault
  | { readonly code: "STATEMENT_TYPE_UNKNOWN"; readonly type: string }
  | { readonly code: "STATEMENT_ALGORITHM_UNKNOWN" }
  | { readonly code: "STATEMENT_SIGNATURE_LENGTH" }
  | { readonly code: "STATEMENT_ISSUER_BAD" };

/** What a signer is handed: the parts, and `toBeSigned`, the exact bytes that it signs. */
export type UnsignedStatement = {
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly toBeSigned: Uint8Array;
};

export function prepareStatement(header: StatementHeader, claims: CborValue): UnsignedStatement {
  const part = { protectedBytes: encodeHeader(header), payload: encodeCbor(claims) };
  return { ...part, toBeSigned: sigStructure(part) };
}

/** The statement's exact bytes: what is stored, hashed into a lane and never signed twice. */
export function finishStatement(unsigned: UnsignedStatement, signature: Uint8Array): Uint8Array {
  const { protectedBytes, payload } = unsigned;
  return encodeSign1({ protectedBytes, payload, signature });
}

/** Faults: CBOR_*, COSE_*, FIELD_*, STATEMENT_*. The signature is not checked here. */
export function parseStatement(bytes: Uint8Array): Result<ParsedStatement, StatementFault> {
  const part = parseSign1(bytes);
  if (!part.ok) return part;
  const header = parseHeader(part.value.protectedBytes);
  if (!header.ok) return header;
  if (!signatureLengthFits(header.value.algorithm, part.value.signature.length)) {
    return err({ code: "STATEMENT_SIGNATURE_LENGTH" });
  }
  const claims = decodeCbor(part.value.payload, statementBytesMax);
  if (!claims.ok) return claims;
  return ok({ header: header.value, claims: claims.value, part: part.value });
}

export type SignatureFault = {
  readonly code: "SIGNATURE_KEY_MISMATCH" | "SIGNATURE_WRONG";
};

/** Checks that `key` is the one that the header names and that it signed these bytes. */
export function verifyStatement(
  crypto: CryptoPort,
  statement: ParsedStatement,
  key: PublicKey,
): Result<ParsedStatement, SignatureFault> {
  const kid = thumbprint((bytes) => crypto.sha256(bytes), key);
  return verifySignedBy(crypto, statement, { key, kid });
}

/** The same where the key's thumbprint is known. */
export function verifySignedBy(
  crypto: CryptoPort,
  statement: ParsedStatement,
  { key, kid }: { readonly key: PublicKey; readonly kid: Digest },
): Result<ParsedStatement, SignatureFault> {
  const { header, part } = statement;
  if (header.algorithm !== key.algorithm || !equal(header.kid, kid))
    return err({ code: "SIGNATURE_KEY_MISMATCH" });
  if (!crypto.verify(key, sigStructure(part), part.signature))
    return err({ code: "SIGNATURE_WRONG" });
  return ok(statement);
}

function encodeHeader(header: StatementHeader): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [1, coseAlgorithms[header.algorithm]],
      [4, header.kid],
      [
        15,
        new Map<number, CborValue>([
          [1, `${header.channel}/${header.issuer}`],
          [2, header.subject],
          [6, header.issuedAt],
        ]),
      ],
      [16, statementTypes[header.type]],
    ]),
  );
}

function parseHeader(bytes: Uint8Array): Result<StatementHeader, StatementFault> {
  const decoded = decodeCbor(bytes, 1_024);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const algorithm = algorithmOf(fields.raw(1));
  const kid = fields.digest(4);
  const cwt = fields.nested(15);
  const issuer = cwt.text(1);
  const subject = cwt.identifier(2);
  const issuedAt = cwt.uint(6, Number.MAX_SAFE_INTEGER);
  cwt.close();
  const typeName = fields.text(16);
  const wellFormed = fields.finish(null);
  if (!wellFormed.ok) return wellFormed;
  if (algorithm === undefined) return err({ code: "STATEMENT_ALGORITHM_UNKNOWN" });
  const type = typeOf(typeName);
  if (type === undefined) return err({ code: "STATEMENT_TYPE_UNKNOWN", type: typeName });
  const names = splitIssuer(issuer);
  if (names === undefined) return err({ code: "STATEMENT_ISSUER_BAD" });
  return ok({ algorithm, kid, type, ...names, subject, issuedAt });
}

const typesByName: ReadonlyMap<string, StatementType> = new Map(
  (
    [
      "bundle",
      "gap",
      "start",
      "heartbeat",
      "rejection",
      "lane-open",
      "lane-head",
      "channel-open",
      "device",
      "lane-fault",
      "device-key",
      "policy",
      "validators",
      "anchor",
      "approval",
      "channel-recovery",
      "evidence",
      "sm3-bundle",
      "key-rotation",
      "result",
    ] as const
  ).map((type) => [statementTypes[type], type]),
);

function typeOf(name: string): StatementType | undefined {
  return typesByName.get(name);
}

/** `channel/issuer`, both identifiers; a slash cannot stand in either. */
function splitIssuer(text: string): { channel: Identifier; issuer: Identifier } | undefined {
  const parts = text.split("/");
  if (parts.length !== 2) return undefined;
  const fields = new FieldReader([parts[0] ?? "", parts[1] ?? ""]);
  const parsed = fields.finish({ channel: fields.identifier(0), issuer: fields.identifier(1) });
  return parsed.ok ? parsed.value : undefined;
}
