/** An approval rule as people type it: KIND=M[:ROLE][:ORGANISATION,…]. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { ApprovalRule } from "@tamga/ledger-core/wire/governance-claims";
import { approverRoles, governedKinds } from "@tamga/ledger-core/wire/governance-claims";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { validatorsMax } from "@tamga/ledger-core/wire/limits";

/** @throws OperationalError USAGE_RULE. */
export function parseRule(text: string): ApprovalRule {
  const [kind, said = ""] = text.split("=", 2);
  const [count = "", role = "admin", names = ""] = said.split(":", 3);
  const governed = governedKinds.find((known) => known === kind);
  const knownRole = approverRoles.find((known) => known === role);
  const threshold = count === "majority" ? 0 : /^[1-9]\d?$/.test(count) ? Number(count) : -1;
  const organisations = names === "" ? [] : names.split(",").map(parseIdentifier);
  const parsed = organisations.flatMap((name) => (name.ok ? [name.value] : []));
  const isRight =
    governed !== undefined &&
    knownRole !== undefined &&
    threshold >= 0 &&
    threshold <= validatorsMax &&
    parsed.length === organisations.length;
  if (isRight) return { governed, role: knownRole, threshold, organisations: parsed };
  throw new OperationalError(
    "USAGE_RULE",
    `"${text}" is no rule: write KIND=M[:ROLE][:ORGANISATION,…], e.g. device=2:ca:org-a,org-b or ` +
      `policy=majority. Kinds are ${governedKinds.join(", ")}; roles are ${approverRoles.join(", ")}.`,
  );
}

/** The rules that a policy leads to: those of now, but for the kinds that are named. */
export function mergeRules(
  present: readonly ApprovalRule[],
  { rules, without }: { readonly rules: readonly string[]; readonly without: readonly string[] },
): readonly ApprovalRule[] {
  if (rules.length === 0 && without.length === 0)
    throw new OperationalError("USAGE_RULE", "Name a --rule, or a kind that goes --without one.");
  for (const kind of without)
    if (!present.some(({ governed }) => governed === kind))
      throw new OperationalError("USAGE_RULE", `The policy has no rule for ${kind}.`);
  const parsed = rules.map(parseRule);
  const kept = present.filter(
    ({ governed }) =>
      !without.includes(governed) && !parsed.some((rule) => rule.governed === governed),
  );
  return [...kept, ...parsed];
}
