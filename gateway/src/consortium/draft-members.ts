/** The members that a change leads to: those of now, with some admitted and some removed. */

import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import type { GatewayConfig } from "../config.ts";
import type { Member } from "./member-file.ts";
import type { MembersDraft } from "./proposal-file.ts";

/**
 * An organisation comes with its first validator and leaves with its last.
 *
 * @param removed names of validators.
 * @throws OperationalError USAGE_MEMBERS, CONSORTIUM_MEMBERS_DIFFER, CONSORTIUM_NAME_TWICE, CONSORTIUM_CA_TWICE,
 *   MEMBER_UNKNOWN.
 */
export function draftMembers(
  config: GatewayConfig,
  { trust, governance }: ChannelState,
  {
    admitted,
    removed,
  }: { readonly admitted: readonly Member[]; readonly removed: readonly string[] },
): MembersDraft {
  if (admitted.length === 0 && removed.length === 0)
    throw new OperationalError("USAGE_MEMBERS", "Name whom to --admit, whom to --remove, or both.");
  for (const name of removed)
    if (!trust.validators.some((known) => known.name === name))
      throw new OperationalError(
        "MEMBER_UNKNOWN",
        `${name} is no validator of this channel: see tamga-gateway ledger members.`,
      );
  const validators = trust.validators.filter(({ name }) => !removed.includes(name));
  const left = trust.organisations.filter(({ name }) => {
    const had = trust.validators.some(({ organisation }) => organisation === name);
    return !had || validators.some(({ organisation }) => organisation === name);
  });
  const organisations = [...left];
  for (const member of admitted) {
    requireSameChannel(config, member);
    const { node, organisation, ca, validatorKey } = member;
    if (validators.some(({ name }) => name === node))
      throw new OperationalError(
        "CONSORTIUM_NAME_TWICE",
        `A validator is named ${node} already: names are unique in a consortium.`,
      );
    const known = organisations.filter(({ name }) => name === organisation);
    if (known.length === 0) organisations.push({ name: organisation, ca });
    else if (!known.some((held) => equal(held.ca, ca)))
      throw new OperationalError(
        "CONSORTIUM_CA_TWICE",
        `Organisation ${organisation} shows another CA than the channel holds: names are unique.`,
      );
    validators.push({ name: node, organisation, publicKey: validatorKey });
  }
  return { epoch: governance.epoch + 1, validators, organisations, readiness: [] };
}

function requireSameChannel(config: GatewayConfig, { node, consortium, channel }: Member): void {
  if (consortium === config.consortium && channel === config.channel) return;
  throw new OperationalError(
    "CONSORTIUM_MEMBERS_DIFFER",
    `${node} speaks of ${consortium}/${channel}, this node of ${config.consortium}/${config.channel}: ` +
      "set consortium and channel alike in every gateway.toml, and make the member file anew.",
  );
}
