/**
 * Who a gateway of several channels knows as its peers: one member a name, which speaks in each of the channels
 * that name it alike. Pure.
 */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { JudgedChannel } from "@tamga/ledger-core/peers/judge";
import type { PeerMember } from "@tamga/ledger-core/peers/network";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";

/** A channel and its members of now. */
export type MemberChannel = {
  readonly id: Digest;
  readonly trust: Pick<TrustPolicy, "validators" | "organisations" | "trustedCas">;
};

/** This node, which is a member of each of its channels, also before a channel has admitted it. */
export type OwnNode = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  readonly border: boolean;
};

/**
 * A name that a later channel gives to a node of another organisation is left out of that channel: its members
 * could otherwise take a peer of an earlier one away.
 */
export function membersOf(
  channels: readonly MemberChannel[],
  own: OwnNode,
  isBorder: (name: Identifier) => boolean,
): readonly PeerMember[] {
  const ids = channels.map(({ id }) => id);
  const members = new Map<Identifier, PeerMember>([[own.name, { ...own, channels: ids }]]);
  for (const { id, trust } of channels)
    for (const { name, organisation } of trust.validators) {
      const known = members.get(name);
      if (name === own.name || (known !== undefined && known.organisation !== organisation))
        continue;
      const border = isBorder(name);
      members.set(name, { name, organisation, border, channels: [...(known?.channels ?? []), id] });
    }
  return [...members.values()];
}

/**
 * The CAs that speak for a channel's peers. An organisation whose name an earlier channel knows with other CAs
 * is left out: it is somebody else.
 */
export function judgedChannels(channels: readonly MemberChannel[]): readonly JudgedChannel[] {
  return channels.map(({ id, trust }, at) => ({
    id,
    trustedCas: trust.trustedCas.filter(({ name, certificate }) => {
      const earlier = channels
        .slice(0, at)
        .flatMap((channel) => channel.trust.trustedCas.filter((ca) => ca.name === name));
      return (
        earlier.length === 0 || earlier.some((ca) => equal(ca.certificate.der, certificate.der))
      );
    }),
  }));
}
