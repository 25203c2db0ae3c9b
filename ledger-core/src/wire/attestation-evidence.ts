/** Evidence of a device's state: an EAT (RFC 9711) beside a TPM quote that binds it, in a CMW (WIRE.md §19.1). */

import type { Digest } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  attestationNonceBytesMax,
  evidenceBytesMax,
  pcrBanksPerEvidenceMax,
  streamHeadsMax,
  tpmStructureBytesMax,
} from "./limits.ts";

export const evidenceProfile = "tamga:evidence/1";
/** Media type of an unsigned EAT claims set (RFC 9782), as the CMW names it. */
export const evidenceType = `application/eat-ucs+cbor; eat_profile="${evidenceProfile}"`;
const typeFamily = 'application/eat-ucs+cbor; eat_profile="tamga:evidence/';
/** Bit 2 of a CMW's indicator: evidence. */
const evidenceIndicator = 4;
/** Seconds: year 9999. */
const secondsMax = 253_402_300_799;
const pcrCount = 24;

/** Claims of ours have private keys (RFC 8392 §9.1: below -65536). */
const keys = {
  issuedAt: 6,
  device: 2,
  nonce: 10,
  profile: 265,
  bootSeed: 268,
  softwareVersion: 271,
  quote: -70_001,
  banks: -70_002,
  eventLog: -70_003,
  checkpoint: -70_004,
  streams: -70_005,
} as const;

/** Where a stream stood. `last` is the identity of its newest statement; absent before its first. */
export type StreamHead = {
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly next: bigint;
  readonly last?: Digest;
};

/** What software says of the device's state; the quote's qualifyingData binds all of it. */
export type EvidenceClaims = {
  readonly device: Identifier;
  /** Seconds since 1970, by the device's clock. */
  readonly issuedAt: number;
  /** The appraiser's, 8 to 64 bytes; absent where nobody asked. */
  readonly nonce?: Uint8Array;
  /** Of the kernel, 16 bytes, as bundles name it. */
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  /** The log itself stays beside. */
  readonly eventLog?: { readonly length: number; readonly digest: Digest };
  /** Newest that the device verified. */
  readonly checkpoint?: TreeHead;
  /** In any order. */
  readonly streams: readonly StreamHead[];
};

/** Values of one bank, by TPM_ALG_ID of its hash, ascending by index. */
export type EvidenceBank = {
  readonly hash: number;
  readonly values: readonly { readonly index: number; readonly value: Uint8Array }[];
};

export type Evidence = EvidenceClaims & {
  /** TPMS_ATTEST and TPMT_SIGNATURE. The TPM's clock and its counts are in the first, and nowhere else. */
  readonly quote: { readonly attest: Uint8Array; readonly signature: Uint8Array };
  readonly banks: readonly EvidenceBank[];
};

export type EvidenceFault =
  | CborFault
  | FieldFault
  | { readonly code: "EVIDENCE_TYPE_UNKNOWN" }
  | { readonly code: "EVIDENCE_VERSION_UNKNOWN" };

export function encodeEvidence(evidence: Evidence): Uint8Array {
  const { quote, banks } = evidence;
  const claims = new Map<number, CborValue>([
    ...claimEntries(evidence),
    [keys.quote, [quote.attest, quote.signature]],
    [
      keys.banks,
      banks.map(({ hash, values }) => [hash, values.map(({ index, value }) => [index, value])]),
    ],
  ]);
  return encodeCbor([evidenceType, encodeCbor(claims), evidenceIndicator]);
}

/**
 * The qualifyingData of the quote: SHA-256 of every claim but the quote and the values that it is over,
 * in deterministic CBOR behind a label. So no claim can be changed, and no quote moved to other claims.
 */
export function quoteQualifier(
  { sha256 }: Pick<CryptoPort, "sha256">,
  claims: EvidenceClaims,
): Digest {
  return sha256(encodeCbor(["tamga/quote/1", new Map(claimEntries(claims))]));
}

/** Faults: CBOR_*, FIELD_* with the field's path, EVIDENCE_TYPE_UNKNOWN, EVIDENCE_VERSION_UNKNOWN. */
export function parseEvidence(bytes: Uint8Array): Result<Evidence, EvidenceFault> {
  const wrapper = decodeCbor(bytes, evidenceBytesMax);
  if (!wrapper.ok) return wrapper;
  const record = new FieldReader(wrapper.value);
  const type = record.text(0);
  const value = record.bytes(1, evidenceBytesMax);
  if (record.uint(2, 255) !== evidenceIndicator) record.refuse(2);
  if (record.fault === undefined && type !== evidenceType)
    return err({
      code: type.startsWith(typeFamily) ? "EVIDENCE_VERSION_UNKNOWN" : "EVIDENCE_TYPE_UNKNOWN",
    });
  const whole = record.finish(value);
  if (!whole.ok) return whole;
  const claims = decodeCbor(whole.value, evidenceBytesMax);
  return claims.ok ? parseClaims(new FieldReader(claims.value)) : claims;
}

function parseClaims(fields: FieldReader): Result<Evidence, FieldFault> {
  if (fields.text(keys.profile) !== evidenceProfile) fields.refuse(keys.profile);
  const nonce = fields.has(keys.nonce)
    ? { nonce: fields.bytes(keys.nonce, attestationNonceBytesMax) }
    : {};
  if (nonce.nonce !== undefined && nonce.nonce.length < 8) fields.refuse(keys.nonce);
  const version = fields.nested(keys.softwareVersion);
  const agentVersion = version.text(0, 64);
  version.close();
  const parsed = fields.finish({
    device: fields.identifier(keys.device),
    issuedAt: fields.uint(keys.issuedAt, secondsMax),
    ...nonce,
    bootId: fields.fixed(keys.bootSeed, 16),
    agentVersion,
    ...(fields.has(keys.eventLog) ? { eventLog: parseLog(fields.nested(keys.eventLog)) } : {}),
    ...(fields.has(keys.checkpoint)
      ? { checkpoint: parseTreeHead(fields.nested(keys.checkpoint)) }
      : {}),
    streams: fields.list(keys.streams, streamHeadsMax, (item) => parseHead(item.nested(0))),
    quote: parseQuote(fields.nested(keys.quote)),
    banks: fields.list(keys.banks, pcrBanksPerEvidenceMax, (item) => parseBank(item.nested(0))),
  });
  return parsed.ok ? ok(parsed.value) : parsed;
}

function claimEntries(claims: EvidenceClaims): readonly (readonly [number, CborValue])[] {
  const { nonce, eventLog, checkpoint } = claims;
  return [
    [keys.device, claims.device],
    [keys.issuedAt, claims.issuedAt],
    ...(nonce === undefined ? [] : [[keys.nonce, nonce] as const]),
    [keys.profile, evidenceProfile],
    [keys.bootSeed, claims.bootId],
    [keys.softwareVersion, [claims.agentVersion]],
    ...(eventLog === undefined
      ? []
      : [[keys.eventLog, [eventLog.length, eventLog.digest]] as const]),
    ...(checkpoint === undefined
      ? []
      : [[keys.checkpoint, [checkpoint.size, checkpoint.root]] as const]),
    [
      keys.streams,
      claims.streams.map((head) => [head.stream, head.incarnation, head.next, head.last ?? null]),
    ],
  ];
}

function parseLog(fields: FieldReader) {
  const log = { length: fields.uint(0, 0xffff_ffff), digest: fields.digest(1) };
  fields.close();
  return log;
}

function parseHead(fields: FieldReader): StreamHead {
  const head = {
    stream: fields.identifier(0),
    incarnation: fields.fixed(1, 16),
    next: fields.counter(2),
    ...(fields.given(3) ? { last: fields.digest(3) } : {}),
  };
  fields.close();
  return head;
}

function parseQuote(fields: FieldReader): Evidence["quote"] {
  const quote = {
    attest: fields.bytes(0, tpmStructureBytesMax),
    signature: fields.bytes(1, tpmStructureBytesMax),
  };
  fields.close();
  return quote;
}

function parseBank(fields: FieldReader): EvidenceBank {
  const hash = fields.uint(0, 0xffff);
  const length = bankDigestLengths.get(hash);
  if (length === undefined) fields.refuse(0);
  let last = -1;
  const values = fields.list(1, pcrCount, (item) => {
    const pair = item.nested(0);
    const index = pair.uint(0, pcrCount - 1);
    if (index <= last) pair.refuse(0);
    last = index;
    const value = pair.fixed(1, length ?? 32);
    pair.close();
    return { index, value };
  });
  fields.close();
  return { hash, values };
}

/** SHA-256, SHA-384, SHA-512 by their TPM_ALG_ID. SHA-1 is no bank that anything follows from. */
const bankDigestLengths: ReadonlyMap<number, number> = new Map([
  [0x000b, 32],
  [0x000c, 48],
  [0x000d, 64],
]);
