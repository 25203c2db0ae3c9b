/** The gateway's part in its consortium: its channels' ledgers, one database of votes and one network for them. */

import { existsSync } from "node:fs";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { PeerNetwork } from "@tamga/ledger-core/peers/network";
import type { TlsPeerNetwork } from "@tamga/ledger-core/peers/tls-peer-network";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { GatewayConfig } from "../config.ts";
import { readChannelFile } from "../consortium/channel-file.ts";
import type { PeerChannel } from "../consortium/open-peers.ts";
import { openPeers } from "../consortium/open-peers.ts";
import type { Site } from "./site.ts";
import { pathsOf } from "./site.ts";
import type { SiteLedger } from "./site-ledger.ts";
import { openSiteLedger } from "./site-ledger.ts";

/** A channel of which this gateway holds the keys. */
export type SiteChannel = { readonly config: GatewayConfig; readonly site: Site };

export type SiteNodeOptions = {
  readonly clock: Clock;
  /** A channel stopped for good while nobody was waiting for it. Ends the process unless given. */
  readonly stopped?: (channel: Identifier, error: unknown) => void;
  /** Another epoch has begun in one of the channels. */
  readonly membersChanged: () => void;
};

/** A channel whose file several organisations agreed on; `ledger` once it is open. */
type Linked = {
  readonly channel: Identifier;
  readonly id: Digest;
  readonly genesis: TrustPolicy;
  ledger?: SiteLedger;
};

export class SiteNode {
  readonly #clock: Clock;
  readonly #node: LedgerNode;
  readonly #linked: Linked[];
  readonly #opened = new Map<Identifier, SiteLedger>();
  #opening: Identifier | undefined;
  #peers: TlsPeerNetwork | undefined;

  private constructor(
    channels: readonly SiteChannel[],
    { clock, stopped, membersChanged }: SiteNodeOptions,
    votes: string,
  ) {
    this.#clock = clock;
    this.#linked = channels.flatMap(linkedOf);
    const nameOf = (id: Digest) =>
      [...this.#opened].find(([, ledger]) => equal(ledger.channel.id, id))?.[0] ?? this.#opening;
    this.#node = LedgerNode.open({
      votesPath: votes,
      crypto: nodeCrypto,
      clock,
      network: { send: (peer, frame) => this.#peers?.send(peer, frame) },
      membersChanged: () => {
        this.#peers?.review();
        membersChanged();
      },
      ...(stopped === undefined
        ? {}
        : {
            stopped: (error, id) => {
              const channel = nameOf(id);
              if (channel !== undefined) stopped(channel, error);
            },
          }),
    });
  }

  /**
   * Opens the votes, and the door to peers where a channel has any; the channels are opened one by one.
   *
   * @throws OperationalError PEER_*, DATABASE_*, DISK_FULL.
   */
  static async open(
    config: GatewayConfig,
    channels: readonly SiteChannel[],
    options: SiteNodeOptions,
  ): Promise<SiteNode> {
    const node = new SiteNode(channels, options, pathsOf(config).votes);
    const [first] = channels;
    if (first === undefined || node.#linked.length === 0) return node;
    try {
      node.#peers = await openPeers(
        config,
        { site: first.site, clock: options.clock },
        {
          channels: () => node.#linked.map(peerChannel),
          received: (peer, channel, payload) => {
            node.#node.receive(peer, channel, payload);
            return undefined;
          },
        },
      );
    } catch (error) {
      await node.#node.close();
      throw error;
    }
    return node;
  }

  /** Absent where every channel has one validator. */
  get peers(): PeerNetwork | undefined {
    return this.#peers;
  }

  /** @throws what `openSiteLedger` throws; nobody is then a peer for the sake of this channel. */
  async openChannel({ config, site }: SiteChannel): Promise<SiteLedger> {
    const { channel } = config;
    const linked = this.#linked.find((one) => one.channel === channel);
    this.#opening = channel;
    try {
      const ledger = await openSiteLedger(this.#node, config, { site, clock: this.#clock });
      this.#opened.set(channel, ledger);
      if (linked !== undefined) linked.ledger = ledger;
      return ledger;
    } catch (error) {
      if (linked !== undefined) this.#linked.splice(this.#linked.indexOf(linked), 1);
      throw error;
    } finally {
      this.#opening = undefined;
      // Epochs may have passed since the opening.
      this.#peers?.review();
    }
  }

  async close(): Promise<void> {
    await this.#peers?.close();
    await this.#node.close();
  }
}

/** Nothing where the file cannot be used: the opening of that channel says why. */
function linkedOf({ config }: SiteChannel): readonly Linked[] {
  if (!existsSync(pathsOf(config).channel)) return [];
  try {
    const { identity, policy } = readChannelFile(config).genesis;
    return [{ channel: config.channel, id: identity.id, genesis: policy }];
  } catch (error) {
    if (error instanceof OperationalError) return [];
    throw error;
  }
}

function peerChannel({ id, genesis, ledger }: Linked): PeerChannel {
  return {
    id,
    trust: ledger?.governance.trust ?? genesis,
    isRevoked: (kid) => ledger?.revocations().evidence(kid).ok === false,
  };
}
