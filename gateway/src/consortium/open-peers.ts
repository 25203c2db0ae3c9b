/** The network of this site's ledger node: who its peers are, and the ways to them. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { createPeerJudge } from "@tamga/ledger-core/ledger/peer-judge";
import type { PeerMember, PeerReceiver } from "@tamga/ledger-core/ledger/peer-network";
import { TlsPeerNetwork } from "@tamga/ledger-core/ledger/tls-peer-network";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { GatewayConfig } from "../config.ts";
import type { Site } from "../site/site.ts";

export type PeerFacts = {
  readonly genesis: ChannelGenesis;
  /** Whether an organisation took this key back. */
  readonly isRevoked: (kid: Digest) => boolean;
  readonly received: PeerReceiver;
};

/**
 * Opens the door and dials. Members are the channel's validators; what configuration says of a node is the
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
  const members = membersOf(config, facts.genesis);
  const { id } = facts.genesis.identity;
  const { trustedCas } = facts.genesis.policy;
  const network = new TlsPeerNetwork({
    self: { consortium, name: gateway },
    credentials: site.peer,
    judge: createPeerJudge({
      crypto: nodeCrypto,
      consortium,
      members: () => members,
      channels: () => [{ id, trustedCas }],
      isRevoked: (key) => facts.isRevoked(thumbprint((bytes) => nodeCrypto.sha256(bytes), key)),
      now: () => clock.now(),
    }),
    members: () => members,
    ways: peers.nodes.map(({ name, addresses, via }) => ({ name, addresses, via })),
    relays: peers.relays,
    received: facts.received,
    clock,
  });
  await network.open(peers.listen ? { host: peers.host, port: peers.port } : undefined);
  return network;
}

function membersOf(
  { gateway, peers }: GatewayConfig,
  { policy, identity }: ChannelGenesis,
): readonly PeerMember[] {
  return policy.validators.map(({ name, organisation }) => ({
    name,
    organisation,
    border:
      name === gateway
        ? peers.border
        : (peers.nodes.find((node) => node.name === name)?.border ?? true),
    channels: [identity.id],
  }));
}
