/** What an agent publishes, unsigned around its signed statements (WIRE.md §11.1). */

import type { CborFault } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { SequenceRange, TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  bodyBytesMax,
  bodyWireBytesMax,
  certificationRequestBytesMax,
  haveBytesMax,
  incarnationsPerPageMax,
  messageBytesMax,
  rangesPerPageMax,
  statementBytesMax,
} from "./limits.ts";

export const bodyEncodings = ["identity", "brotli"] as const;

/** A bundle's body as it travels: `length` is its size after decoding, declared and enforced. */
export type EncodedBody = {
  readonly encoding: (typeof bodyEncodings)[number];
  readonly length: number;
  readonly bytes: Uint8Array;
};

/** `up/statement`: exact statement bytes; a bundle has its body beside it. */
export type StatementMessage = { readonly statement: Uint8Array; readonly body?: EncodedBody };

/** Ranges of one incarnation; in a `have` those that are not final, or that are final and still kept. */
export type IncarnationRanges = {
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly ranges: readonly SequenceRange[];
};

/**
 * `up/have`: what the agent holds, page by page; sent on connect and when receipts are overdue.
 * `kept` is sent when the gateway asked for all: also what was final before.
 */
export type HaveMessage = {
  /** Of one exchange; the answer repeats it. */
  readonly nonce: Uint8Array;
  readonly last: boolean;
  /** The newest checkpoint that the agent verified: a gateway that knows less was restored. */
  readonly checkpoint?: TreeHead;
  readonly pending: readonly IncarnationRanges[];
  readonly kept: readonly IncarnationRanges[];
};

/** `up/renew`: PKCS#10 requests for the signing key and the TLS key. */
export type RenewMessage = { readonly signing: Uint8Array; readonly tls: Uint8Array };

export type MessageFault = CborFault | FieldFault;

export function encodeStatementMessage(message: StatementMessage): Uint8Array {
  const { statement, body } = message;
  if (body === undefined) return encodeCbor([statement, null]);
  return encodeCbor([statement, [bodyEncodings.indexOf(body.encoding), body.length, body.bytes]]);
}

/** Faults: CBOR_*, FIELD_*; neither statement nor body is opened. */
export function parseStatementMessage(bytes: Uint8Array): Result<StatementMessage, MessageFault> {
  const decoded = decodeCbor(bytes, messageBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const statement = fields.bytes(0, statementBytesMax);
  if (!fields.given(1)) return fields.finish({ statement });
  const inner = fields.nested(1);
  const body = {
    encoding: bodyEncodings[inner.uint(0, bodyEncodings.length - 1)] ?? "identity",
    length: inner.uint(1, bodyBytesMax),
    bytes: inner.bytes(2, bodyWireBytesMax),
  };
  inner.close();
  return fields.finish({ statement, body });
}

export function encodeHaveMessage(message: HaveMessage): Uint8Array {
  const { checkpoint } = message;
  return encodeCbor([
    message.nonce,
    message.last,
    checkpoint === undefined ? null : [checkpoint.size, checkpoint.root],
    message.pending.map(encodeRanges),
    message.kept.map(encodeRanges),
  ]);
}

/** Faults: CBOR_*, FIELD_*; also where the two lists have more than a page's ranges together. */
export function parseHaveMessage(bytes: Uint8Array): Result<HaveMessage, MessageFault> {
  const decoded = decodeCbor(bytes, haveBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const pending = parseRanges(fields, 3);
  const kept = parseRanges(fields, 4);
  const ranges = [...pending, ...kept].reduce((sum, item) => sum + item.ranges.length, 0);
  if (ranges > rangesPerPageMax) fields.refuse(3);
  return fields.finish({
    nonce: fields.fixed(0, 8),
    last: fields.boolean(1),
    ...(fields.given(2) ? { checkpoint: parseTreeHead(fields.nested(2)) } : {}),
    pending,
    kept,
  });
}

export function encodeRenewMessage(message: RenewMessage): Uint8Array {
  return encodeCbor([message.signing, message.tls]);
}

export function parseRenewMessage(bytes: Uint8Array): Result<RenewMessage, MessageFault> {
  const decoded = decodeCbor(bytes, 4 * certificationRequestBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish({
    signing: fields.bytes(0, certificationRequestBytesMax),
    tls: fields.bytes(1, certificationRequestBytesMax),
  });
}

export function encodeRanges(
  item: IncarnationRanges,
): (Identifier | Uint8Array | [bigint, number][])[] {
  return [item.stream, item.incarnation, item.ranges.map((range) => [range.first, range.count])];
}

export function parseRanges(fields: FieldReader, key: number): readonly IncarnationRanges[] {
  return fields.list(key, incarnationsPerPageMax, (holder) => {
    const item = holder.nested(0);
    const parsed = {
      stream: item.identifier(0),
      incarnation: item.fixed(1, 16),
      ranges: item.list(2, rangesPerPageMax, (pair) => {
        const range = pair.nested(0);
        const values = { first: range.counter(0), count: range.uint(1, Number.MAX_SAFE_INTEGER) };
        range.close();
        return values;
      }),
    };
    item.close();
    return parsed;
  });
}
