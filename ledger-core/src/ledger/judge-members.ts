/** Whether a change of the channel's policy or of its members is valid. Pure. */

import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { NextEpoch } from "../consensus/application.ts";
import { approvalBytes, approvalsNeeded } from "../consensus/approval.ts";
import type { TrustPolicyContent } from "../receipt/trust-policy.ts";
import { identityOf } from "../wire/cose.ts";
import type { PolicyClaims, ValidatorsClaims } from "../wire/governance-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { trustWith, unattainableRule } from "./governance.ts";
import { judgeApprovals, verifyOfficer } from "./officer.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

export function judgePolicy(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { transaction, time } = given;
  const signer = verifyOfficer(state, statement, { chain: transaction.certificates, time });
  if (!signer.ok) return signer;
  const parsed = parseGovernanceClaims("policy", statement.claims);
  if (!parsed.ok) return parsed;
  const fault = judgeRules(state, parsed.value);
  if (fault !== undefined) return err(fault);
  const approved = judgeApprovals(state, statement, {
    ...given,
    kind: "policy",
    signer: signer.value,
  });
  if (!approved.ok) return approved;
  const { crypto } = state.context;
  const policy = identityOf((bytes) => crypto.sha256(bytes), statement.part);
  return ok({ type: "policy-set", policy, rules: parsed.value.rules });
}

function judgeRules(
  state: ChannelState,
  { sequence, previous, rules }: PolicyClaims,
): TransactionFault | undefined {
  const { governance } = state;
  if (governance.pending !== undefined) return { code: "MEMBERS_CHANGE_PENDING" };
  const last = governance.policySequence;
  if (sequence !== last + 1n || !equal(previous, governance.policy))
    return { code: "POLICY_NOT_NEXT", last };
  const kinds = new Set(rules.map(({ governed }) => governed));
  if (kinds.size < rules.length) return { code: "POLICY_RULE_REPEATED" };
  const hopeless = unattainableRule(rules, state.trust);
  return hopeless && { code: "POLICY_UNATTAINABLE", governed: hopeless.governed };
}

export function judgeValidators(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { transaction, time } = given;
  const { governance } = state;
  const parsed = parseGovernanceClaims("validators", statement.claims);
  if (!parsed.ok) return parsed;
  const claims = parsed.value;
  const paired = pairWithCas(state, claims, transaction.certificates);
  if (!paired.ok) return paired;
  const { organisations, chain } = paired.value;
  const signer = verifyOfficer(state, statement, { chain, time });
  if (!signer.ok) return signer;
  if (governance.pending !== undefined) return err({ code: "MEMBERS_CHANGE_PENDING" });
  const epoch = governance.epoch + 1;
  if (claims.epoch !== epoch) return err({ code: "EPOCH_NOT_NEXT", next: epoch });
  const { validators, readiness } = claims;
  const trust = trustWith(state.trust, { organisations, validators });
  if (!trust.ok) return err({ code: "MEMBERS_WRONG", cause: trust.fault });
  const hopeless = unattainableRule(governance.rules, trust.value);
  if (hopeless !== undefined)
    return err({ code: "POLICY_UNATTAINABLE", governed: hopeless.governed });
  const ready = judgeReadiness(state, claims);
  if (ready !== undefined) return err(ready);
  const approved = judgeApprovals(state, statement, {
    ...given,
    kind: "validators",
    signer: signer.value,
  });
  if (!approved.ok) return approved;
  return ok({
    type: "members-chosen",
    members: { organisations, validators, approvals: readiness },
  });
}

/** CAs that the channel holds need not travel again; the others do, in order, before the signer's chain. */
function pairWithCas(
  state: ChannelState,
  claims: ValidatorsClaims,
  certificates: readonly Uint8Array[],
): Result<
  Pick<TrustPolicyContent, "organisations"> & { readonly chain: readonly Uint8Array[] },
  TransactionFault
> {
  const { crypto } = state.context;
  const held = state.trust.organisations.map((known) => ({
    ...known,
    digest: crypto.sha256(known.ca),
  }));
  let used = 0;
  const organisations: TrustPolicyContent["organisations"][number][] = [];
  for (const { name, ca: digest } of claims.organisations) {
    const known = held.find((one) => one.name === name && equal(one.digest, digest));
    const ca = known?.ca ?? certificates[used++];
    if (ca === undefined || !equal(crypto.sha256(ca), digest))
      return err({ code: "MEMBERS_CA_MISSING", name });
    organisations.push({ name, ca });
  }
  return ok({ organisations, chain: certificates.slice(used) });
}

/** At least n − f of the new validators are ready; every signature that is there is good, in order. */
function judgeReadiness(
  state: ChannelState,
  { epoch, validators, readiness }: ValidatorsClaims,
): TransactionFault | undefined {
  const { crypto, genesis } = state.context;
  const message = approvalBytes(crypto, genesis.identity.id, { epoch, validators });
  const isGood = ({ index, signature }: NextEpoch["approvals"][number]): boolean => {
    const validator = validators[index];
    if (validator === undefined) return false;
    return crypto.verify({ algorithm: "EdDSA", point: validator.publicKey }, message, signature);
  };
  for (const [position, approval] of readiness.entries()) {
    const before = position === 0 ? -1 : (readiness[position - 1]?.index ?? -1);
    if (approval.index <= before || !isGood(approval)) return { code: "READINESS_WRONG", position };
  }
  const needed = approvalsNeeded(validators.length);
  const have = readiness.length;
  return have < needed ? { code: "READINESS_TOO_FEW", have, needed } : undefined;
}
