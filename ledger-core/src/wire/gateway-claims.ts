/** What a gateway states: lanes opened, lane heads, and statements that it refused (WIRE.md §7). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { SequenceRange, TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";

/** Leaf 0 of a lane, and the transaction that opens it: one statement, ordered as it is. */
export type LaneOpenClaims = {
  readonly kind: "lane-open";
  /** 16 random bytes. */
  readonly incarnation: Uint8Array;
  /** Identity of the channel's channel-open statement. */
  readonly channelId: Digest;
  /** The last *ordered* head of the gateway's lane before this one; absent for its first lane. */
  readonly predecessor?: { readonly incarnation: Uint8Array; readonly head: TreeHead };
};

/** Size and root of a lane, for the ledger to order. */
export type LaneHeadClaims = {
  readonly kind: "lane-head";
  readonly incarnation: Uint8Array;
  readonly head: TreeHead;
  /**
   * The channel's revocation list as the ledger holds it when it orders this head: how many keys are
   * revoked, and the RFC 9162 root over them in order. A head that says otherwise is not ordered.
   */
  readonly revocations: TreeHead;
};

/** An authenticated statement that the gateway did not take, answered so that an outbox can free it. */
export type RejectionClaims = {
  readonly kind: "rejection";
  readonly device: Identifier;
  /** Identity of the refused statement; SHA-256 of the message where no statement could be parsed. */
  readonly refused: Digest;
  /** Where the refused statement stood, if it could be parsed. */
  readonly position?: {
    readonly stream: Identifier;
    readonly incarnation: Uint8Array;
    readonly range: SequenceRange;
  };
  /** Stable fault code, e.g. SEQUENCE_CONFLICT. */
  readonly code: string;
  readonly at: UnixMillis;
};

export type GatewayClaims = LaneOpenClaims | LaneHeadClaims | RejectionClaims;

export function encodeGatewayClaims(claims: GatewayClaims): CborValue {
  switch (claims.kind) {
    case "lane-open": {
      const fields = new Map<number, CborValue>([
        [1, claims.incarnation],
        [2, claims.channelId],
      ]);
      if (claims.predecessor !== undefined) {
        const { incarnation, head } = claims.predecessor;
        fields.set(3, [incarnation, head.size, head.root]);
      }
      return fields;
    }
    case "lane-head":
      return new Map<number, CborValue>([
        [1, claims.incarnation],
        [2, claims.head.size],
        [3, claims.head.root],
        [4, [claims.revocations.size, claims.revocations.root]],
      ]);
    case "rejection": {
      const fields = new Map<number, CborValue>([
        [1, claims.device],
        [2, claims.refused],
        [4, claims.code],
        [5, claims.at],
      ]);
      if (claims.position !== undefined) {
        const { stream, incarnation, range } = claims.position;
        fields.set(3, [stream, incarnation, range.first, range.count]);
      }
      return fields;
    }
  }
}

/** Faults: FIELD_* with the field's path. */
export function parseGatewayClaims<K extends GatewayClaims["kind"]>(
  kind: K,
  value: CborValue,
): Result<Extract<GatewayClaims, { kind: K }>, FieldFault>;
export function parseGatewayClaims(
  kind: GatewayClaims["kind"],
  value: CborValue,
): Result<GatewayClaims, FieldFault> {
  const fields = new FieldReader(value);
  switch (kind) {
    case "lane-open":
      return fields.finish({
        kind,
        incarnation: fields.fixed(1, 16),
        channelId: fields.digest(2),
        ...(fields.has(3) ? { predecessor: parsePredecessor(fields.nested(3)) } : {}),
      });
    case "lane-head": {
      const revocations = fields.nested(4);
      return fields.finish({
        kind,
        incarnation: fields.fixed(1, 16),
        head: { size: fields.counter(2), root: fields.digest(3) },
        revocations: parseTreeHead(revocations),
      });
    }
    case "rejection":
      return fields.finish({
        kind,
        device: fields.identifier(1),
        refused: fields.digest(2),
        ...(fields.has(3) ? { position: parsePosition(fields.nested(3)) } : {}),
        code: fields.text(4, 64),
        at: fields.time(5),
      });
  }
}

function parsePredecessor(fields: FieldReader): NonNullable<LaneOpenClaims["predecessor"]> {
  const predecessor = {
    incarnation: fields.fixed(0, 16),
    head: { size: fields.counter(1), root: fields.digest(2) },
  };
  fields.close();
  return predecessor;
}

function parsePosition(fields: FieldReader): NonNullable<RejectionClaims["position"]> {
  const position = {
    stream: fields.identifier(0),
    incarnation: fields.fixed(1, 16),
    range: { first: fields.counter(2), count: fields.uint(3, Number.MAX_SAFE_INTEGER) },
  };
  fields.close();
  return position;
}
