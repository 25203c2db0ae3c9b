/** What a proposal would change, in lines for whoever is to approve it. Pure. */

import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import { approvalsNeeded } from "@tamga/ledger-core/consensus/approval";
import type { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import { approversOf, ruleFor } from "@tamga/ledger-core/ledger/governance";
import { parseChannelClaims } from "@tamga/ledger-core/wire/channel-claims";
import type { ApprovalRule, ValidatorsClaims } from "@tamga/ledger-core/wire/governance-claims";
import { governedKinds, parseGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import { shortKey } from "./member-file.ts";
import { parsedStatement, signersOf } from "./proposal.ts";
import type { OrderedProposal } from "./proposal-file.ts";

/** @param state of the channel where it is here; without it nothing can be compared. */
export function describeProposal(
  proposal: OrderedProposal,
  state: ChannelState | undefined,
): readonly string[] {
  if (proposal.stage === "draft")
    return [...describeMembers(proposal.draft, state), readyLine(proposal.draft)];
  const statement = parsedStatement(proposal.transaction);
  const signed = `signed by ${signersOf(proposal.transaction).join(", ")}`;
  const { type } = statement.header;
  if (type === "validators") {
    const claims = parseGovernanceClaims("validators", statement.claims);
    if (claims.ok)
      return [...describeMembers(claims.value, state), readyLine(claims.value), signed];
  }
  if (type === "policy") {
    const claims = parseGovernanceClaims("policy", statement.claims);
    if (claims.ok)
      return [
        `approval policy ${claims.value.sequence}; of each other kind as at the channel's opening:`,
        ...claims.value.rules.map((rule) => `  ${describeRule(rule)}`),
        signed,
      ];
  }
  if (type === "device") {
    const claims = parseChannelClaims("device", statement.claims);
    if (claims.ok) {
      const { device, kid, reason, since } = claims.value;
      const at = new Date(since).toISOString();
      return [`key ${toHex(kid)} of ${device} is ${reason} since ${at}`, signed];
    }
  }
  return [`a ${type} statement that cannot be read here`, signed];
}

type Members = Pick<ValidatorsClaims, "epoch" | "validators" | "readiness">;

function describeMembers({ epoch, validators }: Members, state: ChannelState | undefined) {
  const held = state?.trust.validators ?? [];
  const isHeld = ({ name, publicKey }: (typeof validators)[number]) =>
    held.some((known) => known.name === name && equal(known.publicKey, publicKey));
  const leaving = held.filter(({ name }) => !validators.some((next) => next.name === name));
  return [
    `${validators.length} validators from epoch ${epoch} on:`,
    ...validators.map((validator) => {
      const { name, organisation, publicKey } = validator;
      const mark = state === undefined ? "" : isHeld(validator) ? "  stays" : "  JOINS";
      return `  ${name} of ${organisation}  ${shortKey(publicKey)}${mark}`;
    }),
    ...leaving.map(
      ({ name, organisation, publicKey }) =>
        `  ${name} of ${organisation}  ${shortKey(publicKey)}  LEAVES`,
    ),
  ];
}

function readyLine({ validators, readiness }: Members): string {
  const names = readiness.map(({ index }) => validators[index]?.name ?? "?").join(", ");
  const needed = approvalsNeeded(validators.length);
  return `ready: ${names === "" ? "none" : names}; ${readiness.length} of ${needed} needed`;
}

export function describeRule({ governed, role, threshold, organisations }: ApprovalRule): string {
  const needed = threshold === 0 ? "more than half" : String(threshold);
  const of = organisations.length === 0 ? "all organisations" : organisations.join(", ");
  return `${governed}: ${needed} of ${of}, ${role === "ca" ? "by their CAs" : "by CA or administrator"}`;
}

/** Organisations that count for a proposal and have not signed it, and how many have to. */
export function missingApprovers(
  proposal: Extract<OrderedProposal, { readonly stage: "signed" }>,
  state: ChannelState,
): { readonly names: readonly string[]; readonly needed: number } {
  const { type } = parsedStatement(proposal.transaction).header;
  const kind = governedKinds.find((known) => known === type);
  const rule = kind === undefined ? undefined : ruleFor(state.governance, kind);
  if (rule === undefined) return { names: [], needed: 0 };
  const { organisations, needed } = approversOf(rule, state.trust);
  const signed = signersOf(proposal.transaction);
  return { names: organisations.filter((name) => !signed.includes(name)), needed };
}
