/** The receipt file: everything that proves one statement, and one reading of it (WIRE.md §10). */

import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { ChannelEvidence } from "../wire/downlink-message.ts";
import {
  encodeChannelEvidence,
  parseChain,
  parseChannelEvidence,
  parsePath,
} from "../wire/downlink-message.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import { FieldReader } from "../wire/field-reader.ts";
import type { Identifier } from "../wire/identifier.ts";
import {
  logSignatureBytesMax,
  pathLengthMax,
  readingBytesMax,
  receiptBytesMax,
  statementBytesMax,
} from "../wire/limits.ts";
import { saltLength } from "../wire/salted-leaf.ts";
import { packedReceiptMagic, parsePackedReceipt } from "./packed-receipt.ts";

/** First field of the plain file: names format and version. */
export const receiptMagic = "tamga-receipt/1";

/** Where a leaf stands in a tree, and its siblings, leaf side first. */
export type InclusionEvidence = {
  readonly index: bigint;
  readonly size: bigint;
  readonly path: readonly Digest[];
};

/** One reading disclosed without its neighbours: its salt, never the bundle's seed. */
export type DisclosedReading = {
  readonly reading: Uint8Array;
  readonly salt: Uint8Array;
  readonly index: number;
  readonly path: readonly Digest[];
};

/**
 * That a key is not among the channel's revoked ones: its two neighbours in the list, in kid order.
 * With no revocation both are absent; at an end of the list one is.
 */
export type RevocationEvidence = {
  readonly below?: RevokedNeighbour;
  readonly above?: RevokedNeighbour;
};
export type RevokedNeighbour = {
  readonly kid: Digest;
  readonly reason: number;
  readonly since: bigint;
  readonly index: bigint;
  readonly path: readonly Digest[];
};

export type Receipt = {
  /** Absent in the receipt of a statement that carries no readings, or of a bundle as a whole. */
  readonly disclosed?: DisclosedReading;
  /** Exact bytes of the device's statement (or of the gateway's rejection). */
  readonly statement: Uint8Array;
  /** Leaf first, up to below the organisation's CA that the trust policy holds. */
  readonly deviceChain: readonly Uint8Array[];
  /** The statement in the gateway's lane. */
  readonly lane: InclusionEvidence & {
    readonly gateway: Identifier;
    /** 16 bytes. */
    readonly incarnation: Uint8Array;
    /** The gateway's over the lane's root at `size`. */
    readonly signature: Uint8Array;
  };
  /** The lane's head in the channel's log: absent in a provisional receipt. */
  readonly final?: {
    readonly laneHead: Uint8Array;
    readonly gatewayChain: readonly Uint8Array[];
    readonly channel: ChannelEvidence;
    readonly revocation: RevocationEvidence;
    /** From the checkpoint that the statement names to this one; absent when it names none. */
    readonly consistency?: readonly Digest[];
  };
};

export type ReceiptFormatFault =
  | CborFault
  | FieldFault
  | { readonly code: "RECEIPT_VERSION_UNKNOWN"; readonly found: string };

export function encodeReceipt(receipt: Receipt): Uint8Array {
  const { disclosed, lane, final } = receipt;
  const fields = new Map<number, CborValue>([
    [0, receiptMagic],
    [2, receipt.statement],
    [3, receipt.deviceChain],
    [4, [lane.gateway, lane.incarnation, lane.index, lane.size, lane.path, lane.signature]],
  ]);
  if (disclosed !== undefined) {
    const { reading, salt, index, path } = disclosed;
    fields.set(1, [reading, salt, index, path]);
  }
  if (final !== undefined) {
    fields.set(5, [
      final.laneHead,
      final.gatewayChain,
      encodeChannelEvidence(final.channel),
      [encodeNeighbour(final.revocation.below), encodeNeighbour(final.revocation.above)],
      final.consistency === undefined ? null : encodeShared(final.consistency, final.channel.path),
    ]);
  }
  return encodeCbor(fields);
}

/** Reads both forms, plain and packed. Faults: CBOR_*, FIELD_*, RECEIPT_VERSION_UNKNOWN. At most 64 KiB. Nothing is verified here. */
export function parseReceipt(bytes: Uint8Array): Result<Receipt, ReceiptFormatFault> {
  const decoded = decodeCbor(bytes, receiptBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const magic = fields.text(0);
  if (magic === packedReceiptMagic) return parsePackedReceipt(fields);
  if (magic.startsWith("tamga-packed-receipt/"))
    return err({ code: "RECEIPT_VERSION_UNKNOWN", found: magic });
  if (magic.startsWith("tamga-receipt/") && magic !== receiptMagic) {
    return err({ code: "RECEIPT_VERSION_UNKNOWN", found: magic });
  }
  if (magic !== receiptMagic) fields.refuse(0);
  return fields.finish({
    ...(fields.has(1) ? { disclosed: parseDisclosed(fields.nested(1)) } : {}),
    statement: fields.bytes(2, statementBytesMax),
    deviceChain: parseChain(fields, 3),
    lane: parseLane(fields.nested(4)),
    ...(fields.has(5) ? { final: parseFinal(fields.nested(5)) } : {}),
  });
}

function parseDisclosed(fields: FieldReader): DisclosedReading {
  const disclosed = {
    reading: fields.bytes(0, readingBytesMax),
    salt: fields.fixed(1, saltLength),
    index: fields.uint(2, 65_535),
    path: parsePath(fields, 3),
  };
  fields.close();
  return disclosed;
}

function parseLane(fields: FieldReader): Receipt["lane"] {
  const lane = {
    gateway: fields.identifier(0),
    incarnation: fields.fixed(1, 16),
    index: fields.counter(2),
    size: fields.counter(3),
    path: parsePath(fields, 4),
    signature: fields.bytes(5, logSignatureBytesMax),
  };
  fields.close();
  return lane;
}

function parseFinal(fields: FieldReader): NonNullable<Receipt["final"]> {
  const neighbours = fields.nested(3);
  const channel = parseChannelEvidence(fields.nested(2));
  const final = {
    laneHead: fields.bytes(0, statementBytesMax),
    gatewayChain: parseChain(fields, 1),
    channel,
    revocation: {
      ...(neighbours.given(0) ? { below: parseNeighbour(neighbours.nested(0)) } : {}),
      ...(neighbours.given(1) ? { above: parseNeighbour(neighbours.nested(1)) } : {}),
    },
    ...(fields.given(4) ? { consistency: parseShared(fields, 4, channel.path) } : {}),
  };
  neighbours.close();
  fields.close();
  return final;
}

/**
 * Both paths lead to one root, so they mostly share their upper hashes. One that stands in `other` is
 * written as its first position there.
 */
function encodeShared(path: readonly Digest[], other: readonly Digest[]): CborValue {
  return path.map((hash) => {
    const position = other.findIndex((known) => equal(known, hash));
    return position < 0 ? hash : position;
  });
}

/** Takes only what {@link encodeShared} writes: a receipt has one form. */
function parseShared(
  fields: FieldReader,
  key: number,
  other: readonly Digest[],
): readonly Digest[] {
  return fields.list(key, pathLengthMax + 1, (item) => {
    const isShared = typeof item.raw(0) === "number";
    const position = isShared ? item.uint(0, pathLengthMax) : -1;
    const hash = isShared ? other[position] : item.digest(0);
    if (hash !== undefined && other.findIndex((known) => equal(known, hash)) === position)
      return hash;
    item.refuse(0);
    return mint<Digest>(new Uint8Array(32));
  });
}

function encodeNeighbour(neighbour: RevokedNeighbour | undefined): CborValue {
  if (neighbour === undefined) return null;
  const { kid, reason, since, index, path } = neighbour;
  return [kid, reason, since, index, path];
}

function parseNeighbour(fields: FieldReader): RevokedNeighbour {
  const neighbour = {
    kid: fields.digest(0),
    reason: fields.uint(1, 255),
    since: fields.counter(2),
    index: fields.counter(3),
    path: parsePath(fields, 4),
  };
  fields.close();
  return neighbour;
}
