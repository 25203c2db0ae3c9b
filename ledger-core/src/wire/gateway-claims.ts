/** What a gateway states: lanes opened, lane heads, statements that it refused, states of devices (WIRE.md §7). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { SequenceRange, TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import { attestationResultBytesMax, resultCodesMax } from "./limits.ts";

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

/**
 * States of a device by their number. `pending`: a TPM, and no evidence yet. `affirming`, `warning`,
 * `contraindicated`: the tiers of its newest evidence (AR4SI §2.3.2). `refused`: evidence that cannot be
 * believed. `stale`: it was good once, and is older than the reference values allow.
 */
export const resultStates = [
  "pending",
  "affirming",
  "warning",
  "contraindicated",
  "refused",
  "stale",
] as const;
export type ResultState = (typeof resultStates)[number];

/** What the gateway concluded of a device (RFC 9334 §8.4): each later one of a lane stands for the earlier. */
export type ResultClaims = {
  readonly kind: "result";
  readonly device: Identifier;
  readonly state: ResultState;
  /** Identity of the statement that brought the evidence; absent of `pending` alone. */
  readonly evidence?: Digest;
  /** The signed EAR (WIRE.md §19.3), of the three tiers alone. */
  readonly result?: Uint8Array;
  /** Stable codes of why the state is not affirming; at most 16. */
  readonly codes: readonly string[];
  readonly at: UnixMillis;
  /** When the nonce that the evidence carries was given out: it is no older. Absent where nobody asked. */
  readonly asked?: UnixMillis;
};

/** Leaves of a gateway's own in its lane, which receipts may be about. */
export type GatewayLeafClaims = RejectionClaims | ResultClaims;
export type GatewayClaims = LaneOpenClaims | LaneHeadClaims | RejectionClaims | ResultClaims;

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
    case "result": {
      const { evidence, result, asked } = claims;
      return new Map<number, CborValue>([
        [1, claims.device],
        [2, resultStates.indexOf(claims.state)],
        ...(evidence === undefined ? [] : [[3, evidence] as const]),
        ...(result === undefined ? [] : [[4, result] as const]),
        [5, claims.codes],
        [6, claims.at],
        ...(asked === undefined ? [] : [[7, asked] as const]),
      ]);
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
    case "result":
      return fields.finish(parseResult(fields));
  }
}

function parseResult(fields: FieldReader): ResultClaims {
  const state = resultStates[fields.uint(2, resultStates.length - 1)] ?? "pending";
  // What a state rests on belongs to it, and nothing else does.
  if (fields.has(3) !== (state !== "pending")) fields.refuse(3);
  if (fields.has(4) !== isTier(state)) fields.refuse(4);
  if (fields.has(7) && state === "pending") fields.refuse(7);
  return {
    kind: "result",
    device: fields.identifier(1),
    state,
    ...(fields.has(3) ? { evidence: fields.digest(3) } : {}),
    ...(fields.has(4) ? { result: fields.bytes(4, attestationResultBytesMax) } : {}),
    codes: fields.list(5, resultCodesMax, (item) => item.text(0, 64)),
    at: fields.time(6),
    ...(fields.has(7) ? { asked: fields.time(7) } : {}),
  };
}

function isTier(state: ResultState): boolean {
  return state === "affirming" || state === "warning" || state === "contraindicated";
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
