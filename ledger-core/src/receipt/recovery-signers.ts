/** Which organisations of a lost channel signed its recovery, by their CA keys, and whether they are enough. */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { quorumOf } from "../base/quorum.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { ApprovalRule } from "../wire/governance-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { parseStatement, verifyStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { TrustedCa } from "./certificate-chain.ts";
import type { RecoveryFault } from "./recovery-fault.ts";
import type { CommittedGovernance } from "./state-commitment.ts";
import type { TrustPolicy, TrustPolicyContent } from "./trust-policy.ts";
import { judgeTrustPolicy, organisationNames } from "./trust-policy.ts";

/** m of n. */
export type RecoverySigners = {
  /** In the order in which they signed. */
  readonly organisations: readonly Identifier[];
  readonly needed: number;
  readonly ofOrganisations: readonly Identifier[];
};

/**
 * More than half of all organisations, and as many as the channel's own rule for changes of validators asks
 * for, out of those that the rule names.
 */
export function signersNeeded(
  { organisations }: Pick<TrustPolicyContent, "organisations">,
  rules: readonly ApprovalRule[],
): { readonly needed: number; readonly rule: ApprovalRule | undefined } {
  const all = new Set(organisations.map(({ name }) => name)).size;
  const rule = rules.find(({ governed }) => governed === "validators");
  return { needed: Math.max(Math.floor(all / 2) + 1, rule?.threshold ?? 0), rule };
}

/** Every signature that is there has to be good, and each organisation has one. */
export function judgeSigners(
  crypto: CryptoPort,
  given: {
    readonly trust: CommittedGovernance;
    readonly lost: TrustPolicy;
    readonly id: Digest;
    readonly statement: ParsedStatement;
    readonly transaction: Transaction;
  },
): Result<RecoverySigners, RecoveryFault> {
  const { members, rules } = given.trust;
  const { consortium, channel, channelId, channelIncarnation, reopened } = given.lost;
  const trust = judgeTrustPolicy({
    ...{ consortium, channel, channelId, channelIncarnation, reopened },
    ...members,
    quorum: quorumOf(members.validators.length),
  });
  if (!trust.ok) return err({ code: "RECOVERY_OLD_MEMBERS_WRONG", cause: trust.fault });
  const roots = trust.value.trustedCas;
  const signed: Identifier[] = [];
  const first = judgeSigner(crypto, { roots, signed }, given.statement);
  if (first !== undefined) return err(first);
  for (const [position, approval] of (given.transaction.approvals ?? []).entries()) {
    const statement = approvalOf(approval, { channel, id: given.id });
    if (statement === undefined) return err({ code: "RECOVERY_APPROVAL_WRONG", position });
    const fault = judgeSigner(crypto, { roots, signed }, statement);
    if (fault !== undefined) return err(fault);
  }
  return countSigners(trust.value, rules, signed);
}

function countSigners(
  trust: TrustPolicy,
  rules: readonly ApprovalRule[],
  signed: readonly Identifier[],
): Result<RecoverySigners, RecoveryFault> {
  const all = organisationNames(trust);
  const { needed, rule } = signersNeeded(trust, rules);
  if (signed.length < needed)
    return err({ code: "RECOVERY_SIGNERS_TOO_FEW", have: signed.length, needed });
  const named = rule?.organisations ?? [];
  const listed = named.length === 0 ? all : all.filter((name) => named.includes(name));
  const have = signed.filter((name) => listed.includes(name)).length;
  const isMajority = rule === undefined || rule.threshold === 0;
  const ofListed = isMajority ? Math.floor(listed.length / 2) + 1 : rule.threshold;
  if (have < ofListed) return err({ code: "RECOVERY_SIGNERS_TOO_FEW", have, needed: ofListed });
  return ok({ organisations: signed, needed, ofOrganisations: all });
}

/** By a CA key alone: an administrator's certificate would be judged by a clock that nobody shares any more. */
function judgeSigner(
  crypto: CryptoPort,
  { roots, signed }: { readonly roots: readonly TrustedCa[]; readonly signed: Identifier[] },
  statement: ParsedStatement,
): RecoveryFault | undefined {
  const { issuer } = statement.header;
  const own = roots.filter(({ name }) => name === issuer);
  if (own.length === 0) return { code: "RECOVERY_SIGNER_UNKNOWN", name: issuer };
  if (signed.includes(issuer)) return { code: "RECOVERY_SIGNER_REPEATED", name: issuer };
  if (!own.some(({ certificate }) => verifyStatement(crypto, statement, certificate.publicKey).ok))
    return { code: "RECOVERY_SIGNATURE_WRONG", name: issuer };
  signed.push(issuer);
  return undefined;
}

function approvalOf(
  { statement, certificates }: NonNullable<Transaction["approvals"]>[number],
  { channel, id }: { readonly channel: Identifier; readonly id: Digest },
): ParsedStatement | undefined {
  const parsed = parseStatement(statement);
  if (!parsed.ok || certificates.length > 0) return undefined;
  const { header } = parsed.value;
  if (header.type !== "approval" || header.channel !== channel || header.subject !== "channel")
    return undefined;
  const claims = parseGovernanceClaims("approval", parsed.value.claims);
  return claims.ok && equal(claims.value.approved, id) ? parsed.value : undefined;
}
