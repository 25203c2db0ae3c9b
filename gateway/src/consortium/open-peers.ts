/** The network of this gateway's ledger node: who its peers are in all its channels, and the ways to them. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { createPeerJudge } from "@tamga/ledger-core/peers/judge";
import type { PeerReceiver } from "@tamga/ledger-core/peers/network";
import { TlsPeerNetwork } from "@tamga/ledger-core/peers/tls-peer-network";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { GatewayConfig } from "../config.ts";
import type { Site } from "../site/site.ts";
import { judgedChannels, membersOf } from "./peer-members.ts";

/** A channel of several organisations, as far as links depend on it. */
export type PeerChannel = {
  readonly id: Digest;
  /** The members of now; after a change call `review` of the network. */
  readonly trust: TrustPolicy;
  /** Whether an organisation took this key back. */
  readonly isRevoked: (kid: Digest) => boolean;
};

export type PeerFacts = {
  readonly channels: () => readonly PeerChannel[];
  readonly received: PeerReceiver;
};

/**
 * Opens the door and dials. Members are the channels' validators of now; what configuration says of a node is the
 * way to it, never who it is.
 *
 * @throws OperationalError PEER_CREDENTIALS_BAD, PEER_PORT_TAKEN.
 */
export async function openPeers(
  config: GatewayConfig,
  { site, clock }: { readonly site: Pick<Site, "peer">; readonly clock: Clock },
  { channels, received }: PeerFacts,
): Promise<TlsPeerNetwork> {
  const { consortium, organisation, gateway, peers } = config;
  const own = { name: gateway, organisation, border: peers.border };
  const isBorder = (name: string) => peers.nodes.find((node) => node.name === name)?.border ?? true;
  const members = () => membersOf(channels(), own, isBorder);
  const network = new TlsPeerNetwork({
    self: { consortium, name: gateway },
    credentials: site.peer,
    judge: createPeerJudge({
      crypto: nodeCrypto,
      consortium,
      members,
      channels: () => judgedChannels(channels()),
      isRevoked: (key, id) => {
        const kid = thumbprint((bytes) => nodeCrypto.sha256(bytes), key);
        return channels().some((channel) => equal(channel.id, id) && channel.isRevoked(kid));
      },
      now: () => clock.now(),
    }),
    members,
    isOutside: () =>
      channels().some(({ trust }) => !trust.validators.some(({ name }) => name === gateway)),
    ways: peers.nodes.map(({ name, addresses, via }) => ({ name, addresses, via })),
    relays: peers.relays,
    received,
    clock,
  });
  await network.open(peers.listen ? { host: peers.host, port: peers.port } : undefined);
  return network;
}
