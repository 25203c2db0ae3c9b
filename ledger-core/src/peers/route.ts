/** Which way leads from one node to another, so that an organisation's inner nodes stay inside. Pure. */

import type { Identifier } from "../wire/identifier.ts";
import type { PeerMember } from "./network.ts";

/** `via` names the relays that the node may link to itself, in the order to try them. */
export type PeerRoute =
  | { readonly kind: "direct" }
  | { readonly kind: "via"; readonly relays: readonly Identifier[] }
  | { readonly kind: "none" };

/** Inside an organisation everybody talks to everybody; across, border gateways alone. */
export function mayLink(a: PeerMember, b: PeerMember): boolean {
  return a.name !== b.name && (a.organisation === b.organisation || (a.border && b.border));
}

/**
 * An inner node reaches another organisation through its own border gateways; a border gateway
 * reaches another's inner node through that one's. So two relays are enough between any two.
 */
export function routeTo(
  self: Identifier,
  peer: Identifier,
  members: readonly PeerMember[],
): PeerRoute {
  const from = members.find(({ name }) => name === self);
  const to = members.find(({ name }) => name === peer);
  if (from === undefined || to === undefined || from === to) return { kind: "none" };
  if (mayLink(from, to)) return { kind: "direct" };
  const side = from.border ? to.organisation : from.organisation;
  const relays = members
    .filter(({ border, organisation }) => border && organisation === side)
    .map(({ name }) => name)
    .sort();
  return relays.length === 0 ? { kind: "none" } : { kind: "via", relays };
}
