/** Who belongs to a channel, who has to approve what, and which validators come next. Pure. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { FieldReader } from "../base/field-reader.ts";
import { quorumOf } from "../base/quorum.ts";
import type { NextEpoch } from "../consensus/application.ts";
import type { Members } from "../receipt/state-commitment.ts";
import { parseMembers } from "../receipt/state-commitment.ts";
import type { TrustPolicy, TrustPolicyContent } from "../receipt/trust-policy.ts";
import { judgeTrustPolicy, organisationNames } from "../receipt/trust-policy.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { ApprovalRule, GovernedKind } from "../wire/governance-claims.ts";
import { approvalRuleValue, parseApprovalRule } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { approvalRulesMax, validatorsMax } from "../wire/limits.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";

/** Small, changed rarely, and therefore replaced whole. */
export type Governance = {
  /** The organisations and the present epoch's validators. */
  readonly trust: TrustPolicy;
  /** Names of the organisations. */
  readonly members: ReadonlySet<string>;
  readonly epoch: number;
  /** At most one of a kind. */
  readonly rules: readonly ApprovalRule[];
  /** Policies so far, and the identity of the newest; the channel's id before the first. */
  readonly policySequence: bigint;
  readonly policy: Digest;
  /** Ordered, and waiting for the boundary: nothing else may be changed meanwhile. */
  readonly pending: PendingMembers | undefined;
};

/** Who belongs to the channel once the boundary block is there. */
export type PendingMembers = Pick<TrustPolicyContent, "organisations" | "validators"> & {
  readonly approvals: NextEpoch["approvals"];
};

export function firstGovernance(genesis: ChannelGenesis): Governance {
  return governanceOf(genesis.policy, {
    epoch: 0,
    rules: [],
    policySequence: 0n,
    policy: genesis.identity.id,
    pending: undefined,
  });
}

/** Of a channel that a recovery began: other members, epoch 0, and the rules that held. */
export function recoveredGovernance(genesis: ChannelGenesis, lost: Governance): Governance {
  const { rules, policySequence, policy } = lost;
  return governanceOf(genesis.policy, {
    epoch: 0,
    rules,
    policySequence,
    policy: policySequence === 0n ? genesis.identity.id : policy,
    pending: undefined,
  });
}

function governanceOf(trust: TrustPolicy, rest: Omit<Governance, "trust" | "members">): Governance {
  return { trust, members: new Set(trust.organisations.map(({ name }) => name)), ...rest };
}

/** The trust policy of a channel with other members; faults: TRUST_*. */
export function trustWith(
  trust: TrustPolicy,
  members: Pick<TrustPolicyContent, "organisations" | "validators">,
): ReturnType<typeof judgeTrustPolicy> {
  const { consortium, channel, channelId, channelIncarnation, reopened } = trust;
  const { organisations, validators } = members;
  const quorum = quorumOf(validators.length);
  const identity = { consortium, channel, channelId, channelIncarnation, reopened };
  return judgeTrustPolicy({ ...identity, organisations, validators, quorum });
}

/** After a transaction; a change of members waits for its boundary block. */
export function governanceAfter(
  governance: Governance,
  change: Extract<ChannelChange, { readonly type: "policy-set" | "members-chosen" }>,
): Governance {
  if (change.type === "members-chosen") return { ...governance, pending: change.members };
  const { policy, rules } = change;
  return { ...governance, policy, rules, policySequence: governance.policySequence + 1n };
}

/** After the boundary block: the pending members are the members. */
export function nextGovernance(governance: Governance): Governance {
  const { trust, pending, epoch, rules, policySequence, policy } = governance;
  assert(pending !== undefined, "a boundary follows a change of members");
  const next = trustWith(trust, pending);
  assert(next.ok, "members were judged when they were ordered");
  return governanceOf(next.value, {
    epoch: epoch + 1,
    rules,
    policySequence,
    policy,
    pending: undefined,
  });
}

/**
 * What a kind of transactions needs beside its own signature. Without a rule of the policy, changes of the
 * policy and of the members need more than half of the organisations, and nothing else needs anybody.
 */
export function ruleFor(governance: Governance, governed: GovernedKind): ApprovalRule | undefined {
  const rule = governance.rules.find((candidate) => candidate.governed === governed);
  if (rule !== undefined) return rule;
  return governed === "policy" || governed === "validators"
    ? { governed, role: "admin", threshold: 0, organisations: [] }
    : undefined;
}

/** The organisations that count for a rule, and how many of them it needs. */
export function approversOf(
  rule: ApprovalRule,
  trust: TrustPolicyContent,
): { readonly organisations: readonly Identifier[]; readonly needed: number } {
  const all = organisationNames(trust);
  const organisations =
    rule.organisations.length === 0
      ? all
      : all.filter((name) => rule.organisations.some((listed) => listed === name));
  const majority = Math.floor(organisations.length / 2) + 1;
  return { organisations, needed: rule.threshold === 0 ? majority : rule.threshold };
}

/** The first rule that no approval could ever meet. */
export function unattainableRule(
  rules: readonly ApprovalRule[],
  trust: TrustPolicyContent,
): ApprovalRule | undefined {
  return rules.find((rule) => {
    const { organisations, needed } = approversOf(rule, trust);
    return organisations.length < needed;
  });
}

/** What a state commits to, and what is stored of it. */
export function governanceValue(governance: Governance): CborValue {
  const { trust, epoch, rules, policySequence, policy, pending } = governance;
  return [
    epoch,
    membersValue(trust),
    rules.map(approvalRuleValue),
    policySequence,
    policy,
    pending === undefined
      ? null
      : [
          membersValue(pending),
          pending.approvals.map(({ index, signature }) => [index, signature]),
        ],
  ];
}

/** Reads what {@link governanceValue} gave, for this channel; undefined where its members are no policy. */
export function parseGovernance(
  fields: FieldReader,
  genesis: ChannelGenesis,
): Governance | undefined {
  const epoch = fields.uint(0, Number.MAX_SAFE_INTEGER);
  const members = parseMembers(fields.nested(1));
  const rules = fields.list(2, approvalRulesMax, (item) => parseApprovalRule(item.nested(0)));
  const policySequence = fields.counter(3);
  const policy = fields.digest(4);
  const pending = fields.given(5) ? parsePending(fields.nested(5)) : undefined;
  fields.close();
  const trust = trustWith(genesis.policy, members);
  return trust.ok
    ? governanceOf(trust.value, { epoch, rules, policySequence, policy, pending })
    : undefined;
}

function membersValue({ organisations, validators }: Members): CborValue {
  return [
    organisations.map(({ name, ca }) => [name, ca]),
    validators.map((v: Validator) => [v.name, v.organisation, v.publicKey]),
  ];
}

function parsePending(fields: FieldReader): PendingMembers {
  const pending = {
    ...parseMembers(fields.nested(0)),
    approvals: fields.list(1, validatorsMax, (item) => {
      const entry = item.nested(0);
      const approval = { index: entry.uint(0, validatorsMax - 1), signature: entry.fixed(1, 64) };
      entry.close();
      return approval;
    }),
  };
  fields.close();
  return pending;
}
