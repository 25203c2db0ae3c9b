/** What a gateway sends down to a device (WIRE.md §11.2). Nothing of it is trusted unverified. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  attestationNonceBytesMax,
  attestationNonceBytesMin,
  certificateBytesMax,
  chainLengthMax,
  incarnationsPerPageMax,
  logSignatureBytesMax,
  messageBytesMax,
  multiproofHashesMax,
  pathLengthMax,
  statementBytesMax,
  statementsPerProofMax,
  validatorsMax,
} from "./limits.ts";
import type { IncarnationRanges } from "./uplink-message.ts";
import { encodeRanges, parseRanges } from "./uplink-message.ts";

/** `down/want`: the answer to the last page of a `have`. What is not listed is held; its proof follows. */
export type WantMessage = {
  readonly nonce: Uint8Array;
  /** True when the gateway lost data: the agent lists again, with what was final. */
  readonly all: boolean;
  readonly want: readonly IncarnationRanges[];
};

/** A sealed lane head, once for all statements that it covers. */
export type HeadMessage = {
  /** The gateway's over the lane's root; its protected header follows from the lane head (§9). */
  readonly laneSignature: Uint8Array;
  /** Exact bytes of the lane-head statement. */
  readonly laneHead: Uint8Array;
  /** Empty in the heads of a connection that come after one that brought it. */
  readonly gatewayChain: readonly Uint8Array[];
  readonly channel: ChannelEvidence;
  /** From the checkpoint that the device named last to this one; absent when it named none. */
  readonly consistency?: { readonly fromSize: bigint; readonly path: readonly Digest[] };
};

/**
 * How a lane head stands in the channel's log, and who sealed that log. The root is not stated: it is
 * where path and lane head lead to, and the seals are good for no other.
 */
export type ChannelEvidence = {
  readonly index: bigint;
  readonly size: bigint;
  readonly path: readonly Digest[];
  readonly seals: readonly Seal[];
};

/** One validator's two signatures over a size and root; all else that they sign can be rebuilt (§9.2). */
export type Seal = {
  /** 4 bytes: the validator's C2SP key id for `cosignature/v1`. */
  readonly keyId: Uint8Array;
  /** When it cosigned, in seconds since 1970. */
  readonly timeSeconds: number;
  /** Over the checkpoint as a note; its length is that of the key's algorithm. */
  readonly cosignature: Uint8Array;
  /** As RFC 9942 has it, over the root. */
  readonly logSignature: Uint8Array;
};

/**
 * `down/proof`: one multiproof for statements of the device in one lane tree. With `signature` it is
 * provisional: signed by the gateway alone. Without, a head message came before it.
 */
export type ProofMessage = {
  readonly gateway: Identifier;
  /** Of the gateway's lane, 16 bytes. */
  readonly incarnation: Uint8Array;
  readonly size: bigint;
  readonly root: Digest;
  readonly signature?: Uint8Array;
  readonly entries: readonly ProofEntry[];
  /** The multiproof's hashes in the order of `log/multiproof`. */
  readonly hashes: readonly Digest[];
};

/** A statement by its incarnation and first sequence; or refused, with the rejection's exact bytes. */
export type ProofEntry = {
  readonly incarnation: Uint8Array;
  readonly first: bigint;
  readonly leafIndex: bigint;
  readonly rejection?: Uint8Array;
};

/** `down/certificate`: the answer to a `renew`; leaf first in each. */
export type CertificateMessage = {
  readonly signing: readonly Uint8Array[];
  readonly tls: readonly Uint8Array[];
};

/** `down/challenge`: the gateway asks for evidence, made after it drew this nonce. */
export type ChallengeMessage = {
  /** 8 to 64 bytes, for the evidence to carry as they are. */
  readonly nonce: Uint8Array;
};

/** `down/result`: what the gateway concluded of the device; nothing says yet that it stands in the lane. */
export type ResultMessage = {
  /** Exact bytes of the result statement. */
  readonly result: Uint8Array;
  /** Of who signed it, leaf first. */
  readonly gatewayChain: readonly Uint8Array[];
};

export type MessageFault = CborFault | FieldFault;

export function encodeWantMessage(message: WantMessage): Uint8Array {
  return encodeCbor([message.nonce, message.all, message.want.map(encodeRanges)]);
}

export function parseWantMessage(bytes: Uint8Array): Result<WantMessage, MessageFault> {
  return parse(bytes, (fields) => ({
    nonce: fields.fixed(0, 8),
    all: fields.boolean(1),
    want: parseRanges(fields, 2),
  }));
}

export function encodeHeadMessage(message: HeadMessage): Uint8Array {
  const { channel, consistency } = message;
  return encodeCbor([
    message.laneSignature,
    message.laneHead,
    message.gatewayChain,
    encodeChannelEvidence(channel),
    consistency === undefined ? null : [consistency.fromSize, consistency.path],
  ]);
}

export function parseHeadMessage(bytes: Uint8Array): Result<HeadMessage, MessageFault> {
  return parse(bytes, (fields) => ({
    laneSignature: fields.bytes(0, logSignatureBytesMax),
    laneHead: fields.bytes(1, statementBytesMax),
    gatewayChain: parseChain(fields, 2),
    channel: parseChannelEvidence(fields.nested(3)),
    ...(fields.given(4) ? { consistency: parseConsistency(fields.nested(4)) } : {}),
  }));
}

export function encodeProofMessage(message: ProofMessage): Uint8Array {
  return encodeCbor([
    message.gateway,
    message.incarnation,
    message.size,
    message.root,
    message.signature ?? null,
    groupByIncarnation(message.entries).map(([incarnation, entries]) => [
      incarnation,
      entries.map((entry) => [entry.first, entry.leafIndex, entry.rejection ?? null]),
    ]),
    message.hashes,
  ]);
}

/** Faults: CBOR_*, FIELD_*; entries are refused beyond `statementsPerProofMax`. */
export function parseProofMessage(bytes: Uint8Array): Result<ProofMessage, MessageFault> {
  return parse(bytes, (fields) => {
    const entries = fields
      .list(5, incarnationsPerPageMax, (holder) => {
        const group = holder.nested(0);
        const incarnation = group.fixed(0, 16);
        const items = group.list(1, statementsPerProofMax, (item) => ({
          incarnation,
          ...parseProofEntry(item.nested(0)),
        }));
        group.close();
        return items;
      })
      .flat();
    if (entries.length > statementsPerProofMax) fields.refuse(5);
    return {
      gateway: fields.identifier(0),
      incarnation: fields.fixed(1, 16),
      size: fields.counter(2),
      root: fields.digest(3),
      ...(fields.given(4) ? { signature: fields.bytes(4, logSignatureBytesMax) } : {}),
      entries,
      hashes: fields.list(6, multiproofHashesMax, (item) => item.digest(0)),
    };
  });
}

export function encodeCertificateMessage(message: CertificateMessage): Uint8Array {
  return encodeCbor([message.signing, message.tls]);
}

export function parseCertificateMessage(
  bytes: Uint8Array,
): Result<CertificateMessage, MessageFault> {
  return parse(bytes, (fields) => ({ signing: parseChain(fields, 0), tls: parseChain(fields, 1) }));
}

export function encodeChallengeMessage({ nonce }: ChallengeMessage): Uint8Array {
  return encodeCbor([nonce]);
}

export function parseChallengeMessage(bytes: Uint8Array): Result<ChallengeMessage, MessageFault> {
  return parse(bytes, (fields) => {
    const nonce = fields.bytes(0, attestationNonceBytesMax);
    if (nonce.length < attestationNonceBytesMin) fields.refuse(0);
    return { nonce };
  });
}

export function encodeResultMessage(message: ResultMessage): Uint8Array {
  return encodeCbor([message.result, message.gatewayChain]);
}

export function parseResultMessage(bytes: Uint8Array): Result<ResultMessage, MessageFault> {
  return parse(bytes, (fields) => ({
    result: fields.bytes(0, statementBytesMax),
    gatewayChain: parseChain(fields, 1),
  }));
}

export function encodeChannelEvidence({ index, size, path, seals }: ChannelEvidence): CborValue {
  return [index, size, path, seals.map(sealValue)];
}

/** Lengths of signatures are bounded here; whether they fit their keys is for the verifier to judge. */
export function parseChannelEvidence(fields: FieldReader): ChannelEvidence {
  const channel = {
    index: fields.counter(0),
    size: fields.counter(1),
    path: parsePath(fields, 2),
    seals: fields.list(3, validatorsMax, (item) => parseSeal(item.nested(0))),
  };
  fields.close();
  return channel;
}

/** `[key id, seconds, cosignature, log signature]`. */
export function sealValue(seal: Seal): CborValue {
  return [seal.keyId, seal.timeSeconds, seal.cosignature, seal.logSignature];
}

/** Reads what {@link sealValue} gave. */
export function parseSeal(fields: FieldReader): Seal {
  const seal = {
    keyId: fields.fixed(0, 4),
    timeSeconds: fields.uint(1, Number.MAX_SAFE_INTEGER),
    cosignature: fields.bytes(2, logSignatureBytesMax),
    logSignature: fields.bytes(3, logSignatureBytesMax),
  };
  fields.close();
  return seal;
}

/** Sibling hashes, leaf side first. */
export function parsePath(fields: FieldReader, key: number): readonly Digest[] {
  // A consistency path may hold one hash more than the tree has levels.
  return fields.digests(key, pathLengthMax + 1);
}

/** DER certificates, leaf first. */
export function parseChain(fields: FieldReader, key: number): readonly Uint8Array[] {
  return fields.byteStrings(key, chainLengthMax, certificateBytesMax);
}

function parse<T>(bytes: Uint8Array, read: (fields: FieldReader) => T): Result<T, MessageFault> {
  const decoded = decodeCbor(bytes, messageBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish(read(fields));
}

function parseConsistency(fields: FieldReader): { fromSize: bigint; path: readonly Digest[] } {
  const consistency = { fromSize: fields.counter(0), path: parsePath(fields, 1) };
  fields.close();
  return consistency;
}

function parseProofEntry(fields: FieldReader): Omit<ProofEntry, "incarnation"> {
  const entry = {
    first: fields.counter(0),
    leafIndex: fields.counter(1),
    ...(fields.given(2) ? { rejection: fields.bytes(2, statementBytesMax) } : {}),
  };
  fields.close();
  return entry;
}

/** Entries by incarnation, so that its 16 bytes are spent once a message; order within is kept. */
function groupByIncarnation(
  entries: readonly ProofEntry[],
): (readonly [Uint8Array, readonly ProofEntry[]])[] {
  const groups = Map.groupBy(entries, (entry) => toHex(entry.incarnation));
  return [...groups.values()].map((group) => [
    present(group[0], "first entry of a group").incarnation,
    group,
  ]);
}
