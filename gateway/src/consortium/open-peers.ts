/** The network of this site's ledger node: who its peers are, and the ways to them. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { ChannelIdentity } from "@tamga/ledger-core/ledger/channel-genesis";
import { createPeerJudge } from "@tamga/ledger-core/peers/judge";
import type { PeerMember, PeerReceiver } from "@tamga/ledger-core/peers/network";
import { TlsPeerNetwork } from "@tamga/ledger-core/peers/tls-peer-network";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { GatewayConfig } from "../config.ts";
import type { Site } from "../site/site.ts";

export type PeerFacts = {
  readonly channel: ChannelIdentity;
  /** The members of now; after a change call `review` of the network. */
  readonly trust: () => TrustPolicy;
  /** Whether an organisation took this key back. */
  readonly isRevoked: (kid: Digest) => boolean;
  readonly received: PeerReceiver;
};

/**
 * Opens the door and dials. Members are the channel's validators of now; what configuration says of a node is the
 * way to it, never who it is.
 *
 * @throws OperationalError PEER_CREDENTIALS_BAD, PEER_PORT_TAKEN.
 */
export async function openPeers(
  config: GatewayConfig,
  { site, clock }: { readonly site: Site; readonly clock: Clock },
  facts: PeerFacts,
): Promise<TlsPeerNetwork> {
  const { consortium, gateway, peers } = config;
  const { id } = facts.channel;
  const members = () => membersOf(config, facts);
  const network = new TlsPeerNetwork({
    self: { consortium, name: gateway },
    credentials: site.peer,
    judge: createPeerJudge({
      crypto: nodeCrypto,
      consortium,
      members,
      channels: () => [{ id, trustedCas: facts.trust().trustedCas }],
      isRevoked: (key) => facts.isRevoked(thumbprint((bytes) => nodeCrypto.sha256(bytes), key)),
      now: () => clock.now(),
    }),
    members,
    ways: peers.nodes.map(({ name, addresses, via }) => ({ name, addresses, via })),
    relays: peers.relays,
    received: facts.received,
    clock,
  });
  await network.open(peers.listen ? { host: peers.host, port: peers.port } : undefined);
  return network;
}

/** The validators, and this node where it is none, or not yet. */
function membersOf(
  { gateway, organisation: own, peers }: GatewayConfig,
  { trust, channel }: PeerFacts,
): readonly PeerMember[] {
  const { validators } = trust();
  const isIn = validators.some(({ name }) => name === gateway);
  const nodes = isIn ? validators : [...validators, { name: gateway, organisation: own }];
  return nodes.map(({ name, organisation }) => ({
    name,
    organisation,
    border:
      name === gateway
        ? peers.border
        : (peers.nodes.find((node) => node.name === name)?.border ?? true),
    channels: [channel.id],
  }));
}
