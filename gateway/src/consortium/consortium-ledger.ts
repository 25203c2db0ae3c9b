/** The site's node in a channel of several organisations: votes, channel database, and links to the peers. */

import { readFileSync } from "node:fs";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import { parseTransaction } from "@tamga/ledger-core/wire/transaction";
import type { GatewayConfig } from "../config.ts";
import type { Site } from "../site/site.ts";
import { sitePaths } from "../site/site.ts";
import type { SiteLedger } from "../site/site-ledger.ts";
import { openPeers } from "./open-peers.ts";

/**
 * @throws OperationalError CHANNEL_FILE_INVALID, PEER_*, DATABASE_*, VOTES_CORRUPT, VALIDATOR_KEY_MISMATCH,
 *   SEAL_INCONSISTENT.
 */
export async function openConsortiumLedger(
  config: GatewayConfig,
  {
    site,
    clock,
    channelFile,
  }: { readonly site: Site; readonly clock: Clock; readonly channelFile: string },
): Promise<SiteLedger> {
  const opening = parseTransaction(new Uint8Array(readFileSync(channelFile)));
  const genesis = opening.ok ? judgeGenesis(nodeCrypto, opening.value) : opening;
  if (!opening.ok || !genesis.ok) {
    const sentence = `${channelFile} is not the channel file that was joined: put it back from a backup.`;
    throw new OperationalError("CHANNEL_FILE_INVALID", sentence);
  }
  const paths = sitePaths(config.data_dir);
  const parts: { node?: LedgerNode; ledger?: ReplicatedLedger } = {};
  const peers = await openPeers(
    config,
    { site, clock },
    {
      channel: genesis.value.identity,
      trust: () => parts.ledger?.governance.trust ?? genesis.value.policy,
      isRevoked: (kid: Digest) => parts.ledger?.revocations().evidence(kid).ok === false,
      received: (peer, channel, payload) => {
        parts.node?.receive(peer, channel, payload);
        return undefined;
      },
    },
  );
  try {
    const network = peers;
    parts.node = LedgerNode.open({
      votesPath: paths.votes,
      crypto: nodeCrypto,
      clock,
      network,
      membersChanged: () => network.review(),
    });
    parts.ledger = await parts.node.openLedger({
      path: paths.ledger,
      validatorKey: site.validatorKey,
      self: config.gateway,
      parameters: { ...lanParameters, deltaMs: config.ledger.delta },
      openChannel: async () => opening.value,
    });
    // Epochs may have passed since the opening.
    network.review();
  } catch (error) {
    await peers.close();
    await parts.node?.close();
    throw error;
  }
  const { node, ledger } = parts;
  const close = async () => {
    await peers.close();
    await node.close();
  };
  return { ledger, peers, consensus: ledger, close };
}
