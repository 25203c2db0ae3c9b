/** What to do about each reason for which a channel refuses a change of its members or policy. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";

const sentences: Readonly<Record<string, string>> = {
  ADMIN_CERTIFICATE_OUT_OF_TIME: "The administrator's certificate is out of time: sign anew.",
  APPROVAL_WRONG: "An approval in it is not good: begin again from the proposer's file.",
  APPROVALS_TOO_FEW: "Too few organisations have approved it: hand it on to the others.",
  APPROVALS_UNEXPECTED: "Nobody has to approve this: propose and submit it without approvals.",
  DEVICE_OTHER_ORGANISATION: "Only the organisation that enrolled a device revokes its keys.",
  EPOCH_NOT_NEXT: "The members changed since it was proposed: propose it anew.",
  FIELD_TOO_LONG: "It is longer than a transaction may be: propose fewer changes at once.",
  KEY_REVOKED: "The key is revoked already: nothing is left to do.",
  LEDGER_BUSY: "Too many transactions wait: try again in a moment.",
  LEDGER_CLOSED: "The gateway is ending: start it, and try again.",
  LEDGER_NOT_FINAL_YET:
    "It was handed to the validators and is not final yet: see `ledger status` for the quorum, and " +
    "submit the same file again, which orders nothing twice.",
  LEDGER_UNAVAILABLE:
    "The gateway cannot store blocks for the moment: see its disk, and try again.",
  MEMBERS_CA_MISSING: "The CA certificate of a new organisation is not in it: propose it anew.",
  MEMBERS_CHANGE_PENDING: "Another change of members is under way: wait for its epoch.",
  MEMBERS_WRONG: "These members cannot be a channel: two have one name or key, or none is left.",
  ORGANISATION_UNKNOWN: "Only organisations that are members of the channel sign for it.",
  POLICY_NOT_NEXT: "The policy changed since it was proposed: propose it anew.",
  POLICY_RULE_REPEATED: "It has two rules for one kind: propose one.",
  POLICY_UNATTAINABLE: "A rule would need more organisations than there are: lower it first.",
  READINESS_TOO_FEW: "Too few of the new validators are ready: hand it to the others first.",
  READINESS_WRONG: "A new validator's signature in it is not good: propose it anew.",
  RECOVERY_NOT_SUBMITTED:
    "Nobody orders a recovery: on each node, its gateway stopped, tamga-gateway ledger recover FILE.",
  REVOCATIONS_FULL: "The channel holds as many revocations as it may: open a new channel.",
  SIGNATURE_WRONG: "The signature is not of that organisation's CA: propose it anew at its node.",
  TRANSACTION_OTHER_CHANNEL: "It is of another channel: submit it at a node of that one.",
  TRANSACTION_TYPE_REFUSED: "Only changes of policy and validators, and revocations, go this way.",
};

export function explainRefusal(code: string): string {
  return sentences[code] ?? "The channel refuses it; its code says why.";
}

/** The same as what a command ends with. */
export function refusal(code: string): OperationalError {
  return new OperationalError(code, explainRefusal(code));
}

/** @throws OperationalError the fault's code. */
export function refuseFault(fault: { readonly code: string } | undefined): void {
  if (fault !== undefined) throw refusal(fault.code);
}
