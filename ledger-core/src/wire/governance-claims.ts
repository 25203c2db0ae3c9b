/** What members state of a channel that runs: keys, policy, validators, anchors, faults (WIRE.md §8). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Validator } from "./channel-claims.ts";
import { parseValidator } from "./channel-claims.ts";
import type { TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import { parsePath } from "./downlink-message.ts";
import type { KeyKind } from "./enrolment.ts";
import { keyKinds } from "./enrolment.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  anchorProofBytesMax,
  approvalRulesMax,
  statementBytesMax,
  validatorsMax,
} from "./limits.ts";

/** Two different leaves at one index of two trees: one of them is no prefix of the other. */
export type Divergence = {
  readonly index: bigint;
  /** A leaf's hash, and its path in the tree of the statement. */
  readonly first: { readonly leaf: Digest; readonly path: readonly Digest[] };
  readonly second: { readonly leaf: Digest; readonly path: readonly Digest[] };
};

/** Two heads of one lane that contradict each other, both signed by its gateway. */
export type LaneFaultClaims = {
  readonly kind: "lane-fault";
  readonly gateway: Identifier;
  /** Exact bytes of a lane-head; the first may be the lane-open, as it was ordered. */
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  /** For heads of different sizes; absent where the sizes are equal and the roots are not. */
  readonly divergence?: Divergence;
};

/** The key with which a device signs from now on: its first one, or one that follows another. */
export type DeviceKeyClaims = {
  readonly kind: "device-key";
  readonly device: Identifier;
  readonly kid: Digest;
  /** SHA-256 of the signing certificate's DER. */
  readonly certificate: Digest;
  readonly keyKind: KeyKind;
  readonly at: UnixMillis;
};

/**
 * Kinds of transactions that a policy can make depend on approvals, by their numbers. Lane heads are the
 * way of a site's readings, and a lane-fault proves itself: neither waits for anybody.
 */
export const governedKinds = [
  "lane-open",
  "device",
  "device-key",
  "policy",
  "validators",
  "anchor",
] as const;
export type GovernedKind = (typeof governedKinds)[number];

/** Whose signature approves for an organisation: its CA's alone, or also an administrator's. */
export const approverRoles = ["ca", "admin"] as const;
export type ApproverRole = (typeof approverRoles)[number];

/** m of n organisations approve a kind of transactions. */
export type ApprovalRule = {
  readonly governed: GovernedKind;
  readonly role: ApproverRole;
  /** m; 0 for more than half, whatever n is when it is counted. */
  readonly threshold: number;
  /** The n that count; all of the channel's where it is empty. */
  readonly organisations: readonly Identifier[];
};

/** The channel's approval policy from now on, whole. */
export type PolicyClaims = {
  readonly kind: "policy";
  /** 1 for the first, then one more each time. */
  readonly sequence: bigint;
  /** Identity of the policy statement before it; the channel's id for the first. */
  readonly previous: Digest;
  /** One for each kind at most; a kind without one has the rule that it had at the channel's opening. */
  readonly rules: readonly ApprovalRule[];
  readonly at: UnixMillis;
};

/** Who belongs to the channel from the next epoch on, whole. */
export type ValidatorsClaims = {
  readonly kind: "validators";
  /** The epoch that begins with them: the present one and 1. */
  readonly epoch: number;
  readonly validators: readonly Validator[];
  /** Names, and SHA-256 of the DER of each CA certificate. */
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Digest }[];
  /** Signatures of those validators, in the order of their index: they are ready. */
  readonly readiness: readonly { readonly index: number; readonly signature: Uint8Array }[];
  readonly at: UnixMillis;
};

/** That a checkpoint of this channel stands in another chain. */
export type AnchorClaims = {
  readonly kind: "anchor";
  /** Which chain, as the members call it. */
  readonly target: Identifier;
  readonly head: TreeHead;
  /** Opaque here: who knows the other chain judges it. */
  readonly proof: Uint8Array;
  readonly at: UnixMillis;
};

/** An organisation agrees with a statement of another. */
export type ApprovalClaims = {
  readonly kind: "approval";
  /** Identity of the statement. */
  readonly approved: Digest;
  readonly at: UnixMillis;
};

export type GovernanceClaims =
  | LaneFaultClaims
  | DeviceKeyClaims
  | PolicyClaims
  | ValidatorsClaims
  | AnchorClaims
  | ApprovalClaims;

export function encodeGovernanceClaims(claims: GovernanceClaims): CborValue {
  switch (claims.kind) {
    case "lane-fault": {
      const fields = new Map<number, CborValue>([
        [1, claims.gateway],
        [2, claims.first],
        [3, claims.second],
      ]);
      if (claims.divergence !== undefined) {
        const { index, first, second } = claims.divergence;
        fields.set(4, [index, first.leaf, first.path, second.leaf, second.path]);
      }
      return fields;
    }
    case "device-key":
      return new Map<number, CborValue>([
        [1, claims.device],
        [2, claims.kid],
        [3, claims.certificate],
        [4, keyKinds.indexOf(claims.keyKind)],
        [5, claims.at],
      ]);
    case "policy":
      return new Map<number, CborValue>([
        [1, claims.sequence],
        [2, claims.previous],
        [3, claims.rules.map(approvalRuleValue)],
        [4, claims.at],
      ]);
    case "validators":
      return new Map<number, CborValue>([
        [1, claims.epoch],
        [2, claims.validators.map((v) => [v.name, v.organisation, v.publicKey])],
        [3, claims.organisations.map((o) => [o.name, o.ca])],
        [4, claims.readiness.map((r) => [r.index, r.signature])],
        [5, claims.at],
      ]);
    case "anchor":
      return new Map<number, CborValue>([
        [1, claims.target],
        [2, [claims.head.size, claims.head.root]],
        [3, claims.proof],
        [4, claims.at],
      ]);
    case "approval":
      return new Map<number, CborValue>([
        [1, claims.approved],
        [2, claims.at],
      ]);
  }
}

/** Faults: FIELD_* with the field's path. */
export function parseGovernanceClaims<K extends GovernanceClaims["kind"]>(
  kind: K,
  value: CborValue,
): Result<Extract<GovernanceClaims, { kind: K }>, FieldFault>;
export function parseGovernanceClaims(
  kind: GovernanceClaims["kind"],
  value: CborValue,
): Result<GovernanceClaims, FieldFault> {
  const fields = new FieldReader(value);
  switch (kind) {
    case "lane-fault":
      return fields.finish({
        kind,
        gateway: fields.identifier(1),
        first: fields.bytes(2, statementBytesMax),
        second: fields.bytes(3, statementBytesMax),
        ...(fields.has(4) ? { divergence: parseDivergence(fields.nested(4)) } : {}),
      });
    case "device-key":
      return fields.finish({
        kind,
        device: fields.identifier(1),
        kid: fields.digest(2),
        certificate: fields.digest(3),
        keyKind: keyKinds[fields.uint(4, keyKinds.length - 1)] ?? "file",
        at: fields.time(5),
      });
    case "policy":
      return fields.finish({
        kind,
        sequence: fields.counter(1),
        previous: fields.digest(2),
        rules: fields.list(3, approvalRulesMax, (item) => parseApprovalRule(item.nested(0))),
        at: fields.time(4),
      });
    case "validators":
      return fields.finish({
        kind,
        epoch: fields.uint(1, Number.MAX_SAFE_INTEGER),
        validators: fields.list(2, validatorsMax, (item) => parseValidator(item.nested(0))),
        organisations: fields.list(3, validatorsMax, (item) => parseMember(item.nested(0))),
        readiness: fields.list(4, validatorsMax, (item) => parseReadiness(item.nested(0))),
        at: fields.time(5),
      });
    case "anchor":
      return fields.finish({
        kind,
        target: fields.identifier(1),
        head: parseTreeHead(fields.nested(2)),
        proof: fields.bytes(3, anchorProofBytesMax),
        at: fields.time(4),
      });
    case "approval":
      return fields.finish({ kind, approved: fields.digest(1), at: fields.time(2) });
  }
}

/** CBOR `[governed, role, threshold, [organisation …]]`, also in stored states. */
export function approvalRuleValue(rule: ApprovalRule): CborValue {
  const { governed, role, threshold, organisations } = rule;
  return [governedKinds.indexOf(governed), approverRoles.indexOf(role), threshold, organisations];
}

export function parseApprovalRule(fields: FieldReader): ApprovalRule {
  const rule = {
    governed: governedKinds[fields.uint(0, governedKinds.length - 1)] ?? "policy",
    role: approverRoles[fields.uint(1, approverRoles.length - 1)] ?? "ca",
    threshold: fields.uint(2, validatorsMax),
    organisations: fields.list(3, validatorsMax, (item) => item.identifier(0)),
  };
  fields.close();
  return rule;
}

function parseDivergence(fields: FieldReader): Divergence {
  const divergence = {
    index: fields.counter(0),
    first: { leaf: fields.digest(1), path: parsePath(fields, 2) },
    second: { leaf: fields.digest(3), path: parsePath(fields, 4) },
  };
  fields.close();
  return divergence;
}

function parseMember(fields: FieldReader): ValidatorsClaims["organisations"][number] {
  const member = { name: fields.identifier(0), ca: fields.digest(1) };
  fields.close();
  return member;
}

function parseReadiness(fields: FieldReader): ValidatorsClaims["readiness"][number] {
  const readiness = { index: fields.uint(0, validatorsMax - 1), signature: fields.fixed(1, 64) };
  fields.close();
  return readiness;
}
