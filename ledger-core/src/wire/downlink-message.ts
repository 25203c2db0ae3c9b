/** What a gateway sends down to a device (WIRE.md §11.2). Nothing of it is trusted unverified. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import {
  certificateBytesMax,
  chainLengthMax,
  incarnationsPerPageMax,
  messageBytesMax,
  multiproofHashesMax,
  pathLengthMax,
  statementBytesMax,
  statementsPerProofMax,
  validatorsMax,
} from "./limits.ts";
import type { LogSignature } from "./log-signature.ts";
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
  readonly laneSignature: LogSignature;
  /** Exact bytes of the lane-head statement. */
  readonly laneHead: Uint8Array;
  readonly gatewayChain: readonly Uint8Array[];
  readonly channel: ChannelEvidence;
  /** From the checkpoint that the device named last to this one; absent when it named none. */
  readonly consistency?: { readonly fromSize: bigint; readonly path: readonly Digest[] };
};

/** How a lane head stands in the channel's log, and who cosigned that log. */
export type ChannelEvidence = {
  readonly index: bigint;
  readonly size: bigint;
  readonly path: readonly Digest[];
  /** The validators' RFC 9942 signatures over the channel's root at `size`. */
  readonly signatures: readonly LogSignature[];
  /** The C2SP tlog-checkpoint note with its cosignatures. */
  readonly note: string;
};

/**
 * `down/proof`: one multiproof for statements of the device in one lane tree. With `signature` it is
 * provisional: signed by the gateway alone. Without, a head message came before it.
 */
export type ProofMessage = {
  readonly laneOrigin: string;
  readonly size: bigint;
  readonly root: Digest;
  readonly signature?: LogSignature;
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
    encodeLogSignature(message.laneSignature),
    message.laneHead,
    message.gatewayChain,
    encodeChannelEvidence(channel),
    consistency === undefined ? null : [consistency.fromSize, consistency.path],
  ]);
}

export function parseHeadMessage(bytes: Uint8Array): Result<HeadMessage, MessageFault> {
  return parse(bytes, (fields) => ({
    laneSignature: parseLogSignature(fields.nested(0)),
    laneHead: fields.bytes(1, statementBytesMax),
    gatewayChain: parseChain(fields, 2),
    channel: parseChannelEvidence(fields.nested(3)),
    ...(fields.given(4) ? { consistency: parseConsistency(fields.nested(4)) } : {}),
  }));
}

export function encodeProofMessage(message: ProofMessage): Uint8Array {
  return encodeCbor([
    message.laneOrigin,
    message.size,
    message.root,
    message.signature === undefined ? null : encodeLogSignature(message.signature),
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
      .list(4, incarnationsPerPageMax, (holder) => {
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
    if (entries.length > statementsPerProofMax) fields.refuse(4);
    return {
      laneOrigin: fields.text(0),
      size: fields.counter(1),
      root: fields.digest(2),
      ...(fields.given(3) ? { signature: parseLogSignature(fields.nested(3)) } : {}),
      entries,
      hashes: fields.list(5, multiproofHashesMax, (item) => item.digest(0)),
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

export function encodeLogSignature(signed: LogSignature): CborValue {
  return [signed.protectedBytes, signed.signature];
}

export function parseLogSignature(fields: FieldReader): LogSignature {
  const signed = { protectedBytes: fields.bytes(0, 1_024), signature: fields.bytes(1, 512) };
  fields.close();
  return signed;
}

export function encodeChannelEvidence(channel: ChannelEvidence): CborValue {
  return [
    channel.index,
    channel.size,
    channel.path,
    channel.signatures.map(encodeLogSignature),
    channel.note,
  ];
}

export function parseChannelEvidence(fields: FieldReader): ChannelEvidence {
  const channel = {
    index: fields.counter(0),
    size: fields.counter(1),
    path: parsePath(fields, 2),
    signatures: fields.list(3, validatorsMax, (item) => parseLogSignature(item.nested(0))),
    note: fields.text(4, 65_536),
  };
  fields.close();
  return channel;
}

/** Sibling hashes, leaf side first. */
export function parsePath(fields: FieldReader, key: number): readonly Digest[] {
  // A consistency path may hold one hash more than the tree has levels.
  return fields.list(key, pathLengthMax + 1, (item) => item.digest(0));
}

/** DER certificates, leaf first. */
export function parseChain(fields: FieldReader, key: number): readonly Uint8Array[] {
  return fields.list(key, chainLengthMax, (item) => item.bytes(0, certificateBytesMax));
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
