/** Who speaks for an organisation, and whether enough organisations approve. Pure. */

import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { ChainFault } from "../receipt/certificate-chain.ts";
import { verifyChain } from "../receipt/certificate-chain.ts";
import { isCertificateOf } from "../receipt/certificate-names.ts";
import { identityOf } from "../wire/cose.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { ApproverRole, GovernedKind } from "../wire/governance-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { ParsedStatement, SignatureFault, StatementFault } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelState } from "./channel-state.ts";
import { approversOf, ruleFor } from "./governance.ts";

/** An organisation, and with what right its key speaks for it. */
export type Officer = { readonly organisation: Identifier; readonly role: ApproverRole };

export type OfficerFault =
  | SignatureFault
  | { readonly code: "ORGANISATION_UNKNOWN"; readonly name: string }
  | { readonly code: "ADMIN_CHAIN_BAD"; readonly cause: ChainFault }
  /** Not an administrator's certificate of this organisation and channel. */
  | { readonly code: "ADMIN_NAME_MISMATCH" }
  /** Not within its certificate's time, by the header's. */
  | { readonly code: "ADMIN_CERTIFICATE_OUT_OF_TIME" }
  | { readonly code: "ADMIN_KEY_REVOKED" };

/** Why a statement does not count as an approval. */
export type ApprovalCause =
  | OfficerFault
  | StatementFault
  | FieldFault
  | { readonly code: "APPROVAL_OF_OTHER_STATEMENT" }
  /** This organisation has approved already, or signed the statement itself. */
  | { readonly code: "APPROVAL_REPEATED" };

export type ApprovalFault =
  | { readonly code: "APPROVAL_WRONG"; readonly position: number; readonly cause: ApprovalCause }
  | { readonly code: "APPROVALS_TOO_FEW"; readonly have: number; readonly needed: number }
  /** Nobody has to approve this. */
  | { readonly code: "APPROVALS_UNEXPECTED" };

/**
 * Verifies that an organisation signed a statement: by the key of one of its CAs, or by that of an
 * administrator whom such a CA certified, inside that certificate's time.
 *
 * @param chain the administrator's, leaf first; empty where a CA's key signed.
 * Faults: {@link OfficerFault}.
 */
export function verifyOfficer(
  state: ChannelState,
  statement: ParsedStatement,
  { chain, time }: { readonly chain: readonly Uint8Array[]; readonly time: UnixMillis },
): Result<Officer, OfficerFault> {
  const { crypto, memory } = state.context;
  const { issuer: organisation, kid } = statement.header;
  const { trustedCas, channel } = state.trust;
  const cas = trustedCas.filter(({ name }) => name === organisation);
  if (cas.length === 0) return err({ code: "ORGANISATION_UNKNOWN", name: organisation });
  if (chain.length === 0) {
    const signed = cas.some(
      ({ certificate }) => memory.verify(statement, certificate.publicKey).ok,
    );
    return signed ? ok({ organisation, role: "ca" }) : err({ code: "SIGNATURE_WRONG" });
  }
  const verified = verifyChain(crypto, chain, cas, { at: time });
  if (!verified.ok) return err({ code: "ADMIN_CHAIN_BAD", cause: verified.fault });
  const { leaf, validityNotes } = verified.value;
  if (!isCertificateOf(leaf, "admin", { channel, name: organisation }))
    return err({ code: "ADMIN_NAME_MISMATCH" });
  const signed = memory.verify(statement, leaf.publicKey);
  if (!signed.ok) return signed;
  // Nobody has to change a policy while offline: here a certificate's time counts (P7 does not ask).
  if (validityNotes.some(({ role }) => role !== "organisation"))
    return err({ code: "ADMIN_CERTIFICATE_OUT_OF_TIME" });
  if (state.revocations.find(kid) !== undefined) return err({ code: "ADMIN_KEY_REVOKED" });
  return ok({ organisation, role: "admin" });
}

/**
 * Counts the organisations that approve a statement against the channel's rule for its kind. Every
 * approval that is there has to be good.
 *
 * @param signer who signed the statement itself, if that was an organisation: it approves thereby.
 * Faults: {@link ApprovalFault}.
 */
export function judgeApprovals(
  state: ChannelState,
  statement: ParsedStatement,
  given: {
    readonly kind: GovernedKind;
    readonly transaction: Transaction;
    readonly time: UnixMillis;
    readonly signer?: Officer;
  },
): Result<null, ApprovalFault> {
  const { approvals = [] } = given.transaction;
  const rule = ruleFor(state.governance, given.kind);
  if (rule === undefined)
    return approvals.length === 0 ? ok(null) : err({ code: "APPROVALS_UNEXPECTED" });
  const officers: Officer[] = given.signer === undefined ? [] : [given.signer];
  for (const [position, approval] of approvals.entries()) {
    const officer = verifyApproval(state, statement, {
      ...approval,
      time: given.time,
      before: officers,
    });
    if (!officer.ok) return err({ code: "APPROVAL_WRONG", position, cause: officer.fault });
    officers.push(officer.value);
  }
  const { organisations, needed } = approversOf(rule, state.trust);
  const have = officers.filter(
    ({ organisation, role }) =>
      (rule.role === "admin" || role === "ca") && organisations.includes(organisation),
  ).length;
  return have < needed ? err({ code: "APPROVALS_TOO_FEW", have, needed }) : ok(null);
}

function verifyApproval(
  state: ChannelState,
  approved: ParsedStatement,
  given: {
    readonly statement: Uint8Array;
    readonly certificates: readonly Uint8Array[];
    readonly time: UnixMillis;
    readonly before: readonly Officer[];
  },
): Result<Officer, ApprovalCause> {
  const { crypto } = state.context;
  const parsed = parseStatement(given.statement);
  if (!parsed.ok) return parsed;
  const { type, channel, subject, issuer } = parsed.value.header;
  if (type !== "approval" || channel !== state.trust.channel || subject !== "channel")
    return err({ code: "APPROVAL_OF_OTHER_STATEMENT" });
  const claims = parseGovernanceClaims("approval", parsed.value.claims);
  if (!claims.ok) return claims;
  const identity = identityOf((bytes) => crypto.sha256(bytes), approved.part);
  if (!equal(claims.value.approved, identity)) return err({ code: "APPROVAL_OF_OTHER_STATEMENT" });
  if (given.before.some(({ organisation }) => organisation === issuer))
    return err({ code: "APPROVAL_REPEATED" });
  return verifyOfficer(state, parsed.value, { chain: given.certificates, time: given.time });
}
