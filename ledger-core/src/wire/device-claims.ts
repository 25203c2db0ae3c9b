/** What a device states: bundles of readings, gaps, starts, heartbeats and evidence (WIRE.md §6). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import { monotonicMillis } from "../base/time.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import { evidenceBytesMax, rangesPerGapMax, readingsPerBundleMax } from "./limits.ts";
import type { ClockQuality } from "./reading.ts";
import { clockQualities } from "./reading.ts";

/** `count` sequences from `first` on. A sequence belongs to one statement of its incarnation. */
export type SequenceRange = { readonly first: bigint; readonly count: number };

/** A tree head of the channel's log. */
export type TreeHead = { readonly size: bigint; readonly root: Digest };

/** What all kinds say. `range` is what this statement itself consumes. */
export type StreamPosition = {
  /** 16 random bytes, new with every run of the agent (agent/DESIGN.md 1). */
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
  /** Identity of the stream's previous statement in this incarnation; absent in its first. */
  readonly previous?: Digest;
  /** 16 bytes: the boot within which monotonic times compare. */
  readonly bootId: Uint8Array;
  /** The newest sealed checkpoint that the device had verified: the statement was made after it. */
  readonly checkpoint?: TreeHead;
  /** Identity of the attestation result that the device held. */
  readonly attestation?: Digest;
};

export type TimeRange = { readonly from: UnixMillis; readonly to: UnixMillis };

/** What hashes a bundle's salts, leaves and nodes. */
export const bundleHashes = ["sha-256", "sm3"] as const;
export type BundleHash = (typeof bundleHashes)[number];

export type BundleClaims = {
  readonly kind: "bundle";
  readonly position: StreamPosition;
  /** Not in the claims' bytes: each hash has a kind of statement of its own. */
  readonly hash: BundleHash;
  /** RFC 9162 root over the salted leaves, `position.range.count` of them. */
  readonly root: Digest;
  /** Receive times of the first and last reading. */
  readonly time: TimeRange;
};

export const gapReasons = ["shed-oldest", "thinned", "stopped", "damaged"] as const;
export type GapReason = (typeof gapReasons)[number];

/** Says that these sequences of this incarnation will not come, and why. */
export type GapClaims = {
  readonly kind: "gap";
  readonly position: StreamPosition;
  readonly missing: readonly SequenceRange[];
  readonly reason: GapReason;
  readonly time: TimeRange;
};

/** The first statement of an incarnation, and what came before it. */
export type StartClaims = {
  readonly kind: "start";
  readonly position: StreamPosition;
  readonly predecessor?: {
    readonly incarnation: Uint8Array;
    /** Sequences of the predecessor that have a statement end before this one. */
    readonly next: bigint;
    readonly last?: Digest;
  };
  readonly agentVersion: string;
  /** What the agent says of its key: "file", "pkcs11"; nobody has attested it. */
  readonly keyKind: string;
  readonly protocol: string;
  readonly emulated: boolean;
};

export type HeartbeatClaims = {
  readonly kind: "heartbeat";
  readonly position: StreamPosition;
  readonly now: UnixMillis;
  readonly monotonic: MonotonicMillis;
  readonly clock: ClockQuality;
  /** Statements that wait in the outbox for a final receipt. */
  readonly backlog: bigint;
};

/** The state of the device itself, in the stream `attestation` (WIRE.md §19.4). */
export type EvidenceStatementClaims = {
  readonly kind: "evidence";
  readonly position: StreamPosition;
  /** 1 to `evidenceBytesMax` bytes of WIRE.md §19.1, opened by `openEvidence` alone. */
  readonly evidence: Uint8Array;
};

export type DeviceClaims =
  | BundleClaims
  | GapClaims
  | StartClaims
  | HeartbeatClaims
  | EvidenceStatementClaims;

/** Kinds of statement that a device makes. */
export type DeviceStatementType = DeviceClaims["kind"] | "sm3-bundle";

/** The kind of the statement that says this. */
export function statementTypeOf(claims: DeviceClaims): DeviceStatementType {
  return claims.kind === "bundle" && claims.hash === "sm3" ? "sm3-bundle" : claims.kind;
}

/** What a bundle of this kind of statement is hashed with. */
export function bundleHashOf(type: string): BundleHash {
  return type === "sm3-bundle" ? "sm3" : "sha-256";
}

export function encodeDeviceClaims(claims: DeviceClaims): CborValue {
  const fields = encodePosition(claims.position);
  switch (claims.kind) {
    case "bundle":
      return fields.set(10, claims.root).set(11, [claims.time.from, claims.time.to]);
    case "gap":
      return fields
        .set(
          10,
          claims.missing.map((range) => [range.first, range.count]),
        )
        .set(11, gapReasons.indexOf(claims.reason))
        .set(12, [claims.time.from, claims.time.to]);
    case "start": {
      const { predecessor } = claims;
      if (predecessor !== undefined) {
        fields.set(10, [predecessor.incarnation, predecessor.next, predecessor.last ?? null]);
      }
      fields.set(11, claims.agentVersion).set(12, claims.keyKind).set(13, claims.protocol);
      return claims.emulated ? fields.set(14, true) : fields;
    }
    case "heartbeat":
      return fields
        .set(10, claims.now)
        .set(11, claims.monotonic)
        .set(12, clockQualities.indexOf(claims.clock))
        .set(13, claims.backlog);
    case "evidence":
      return fields.set(10, claims.evidence);
  }
}

type ClaimsOf<T extends DeviceStatementType> = Extract<
  DeviceClaims,
  { kind: T extends "sm3-bundle" ? "bundle" : T }
>;

/** Faults: FIELD_* with the field's path. */
export function parseDeviceClaims<T extends DeviceStatementType>(
  type: T,
  value: CborValue,
): Result<ClaimsOf<T>, FieldFault>;
export function parseDeviceClaims(
  type: DeviceStatementType,
  value: CborValue,
): Result<DeviceClaims, FieldFault> {
  const fields = new FieldReader(value);
  const kind = type === "sm3-bundle" ? "bundle" : type;
  const position = parsePosition(fields);
  if (kind !== "bundle" && position.range.count !== 1) fields.refuse(3);
  switch (kind) {
    case "bundle":
      return fields.finish({
        kind,
        position,
        hash: bundleHashOf(type),
        root: fields.digest(10),
        time: parseTimeRange(fields, 11),
      });
    case "gap":
      return fields.finish({
        kind,
        position,
        missing: fields.list(10, rangesPerGapMax, (item) => parseRange(item.nested(0))),
        reason: gapReasons[fields.uint(11, gapReasons.length - 1)] ?? "damaged",
        time: parseTimeRange(fields, 12),
      });
    case "start": {
      const emulated = fields.has(14);
      if (emulated && !fields.boolean(14)) fields.refuse(14);
      return fields.finish({
        kind,
        position,
        ...(fields.has(10) ? { predecessor: parsePredecessor(fields.nested(10)) } : {}),
        agentVersion: fields.text(11, 64),
        keyKind: fields.text(12, 16),
        protocol: fields.identifier(13),
        emulated,
      });
    }
    case "heartbeat":
      return fields.finish({
        kind,
        position,
        now: fields.time(10),
        monotonic: monotonicMillis(fields.uint(11, Number.MAX_SAFE_INTEGER)),
        clock: clockQualities[fields.uint(12, clockQualities.length - 1)] ?? "unsynchronised",
        backlog: fields.counter(13),
      });
    case "evidence": {
      const evidence = fields.bytes(10, evidenceBytesMax);
      if (evidence.length === 0) fields.refuse(10);
      return fields.finish({ kind, position, evidence });
    }
  }
}

function encodePosition(position: StreamPosition): Map<number, CborValue> {
  const fields = new Map<number, CborValue>([
    [1, position.incarnation],
    [2, position.range.first],
    [3, position.range.count],
    [5, position.bootId],
  ]);
  if (position.previous !== undefined) fields.set(4, position.previous);
  if (position.checkpoint !== undefined) {
    fields.set(6, [position.checkpoint.size, position.checkpoint.root]);
  }
  if (position.attestation !== undefined) fields.set(7, position.attestation);
  return fields;
}

function parsePosition(fields: FieldReader): StreamPosition {
  const first = fields.counter(2);
  const count = fields.uint(3, readingsPerBundleMax);
  if (count === 0 || first + BigInt(count) > 2n ** 63n) fields.refuse(3);
  return {
    incarnation: fields.fixed(1, 16),
    range: { first, count },
    ...(fields.has(4) ? { previous: fields.digest(4) } : {}),
    bootId: fields.fixed(5, 16),
    ...(fields.has(6) ? { checkpoint: parseTreeHead(fields.nested(6)) } : {}),
    ...(fields.has(7) ? { attestation: fields.digest(7) } : {}),
  };
}

/** [size, root]. */
export function parseTreeHead(fields: FieldReader): TreeHead {
  const head = { size: fields.counter(0), root: fields.digest(1) };
  fields.close();
  return head;
}

/** [first, count]; a gap's range may be longer than a bundle. */
function parseRange(fields: FieldReader): SequenceRange {
  const range = { first: fields.counter(0), count: fields.uint(1, Number.MAX_SAFE_INTEGER) };
  fields.close();
  return range;
}

function parseTimeRange(fields: FieldReader, key: number): TimeRange {
  const pair = fields.nested(key);
  const time = { from: pair.time(0), to: pair.time(1) };
  pair.close();
  return time;
}

function parsePredecessor(fields: FieldReader): NonNullable<StartClaims["predecessor"]> {
  const predecessor = {
    incarnation: fields.fixed(0, 16),
    next: fields.counter(1),
    ...(fields.given(2) ? { last: fields.digest(2) } : {}),
  };
  fields.close();
  return predecessor;
}
