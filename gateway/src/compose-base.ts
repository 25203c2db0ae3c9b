/** What all parts of the daemon stand on: the site's keys, the lock and the databases, channel by channel. */

import { realpathSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { databaseError } from "@tamga/ledger-core/daemon/sqlite";
import { ensureDir, lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { channelDir, channelsOf } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { SqliteLane } from "./lane/sqlite-lane.ts";
import { survivingHead } from "./lane/surviving-head.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import type { SiteCa } from "./registry/site-ca.ts";
import type { SharedTrouble } from "./shared-trouble.ts";
import type { Site, SitePaths } from "./site/site.ts";
import { openSite, pathsOf, requireWhole } from "./site/site.ts";
import type { SiteLedger } from "./site/site-ledger.ts";
import type { SiteChannel } from "./site/site-node.ts";
import { SiteNode } from "./site/site-node.ts";

/** One channel, opened on the disk. */
export type ChannelStores = {
  /** The gateway's configuration as this channel has it. */
  readonly config: GatewayConfig;
  readonly site: Site;
  readonly ledger: SiteLedger;
  readonly lane: SqliteLane;
};

/** A channel that takes nothing until the next start, and why. */
export type StoppedChannel = {
  readonly channel: Identifier;
  readonly code: string;
  readonly sentence: string;
};

/** What was opened on the disk; every part below stands on it. */
export type Stores = {
  readonly paths: SitePaths;
  readonly ca: SiteCa;
  readonly registry: DeviceRegistry;
  readonly node: SiteNode;
  readonly channels: readonly ChannelStores[];
  /** Those that could not be opened; never all of them. */
  readonly stopped: readonly StoppedChannel[];
  /** Closes everything, from the ledgers outwards. */
  readonly close: () => Promise<void>;
};

/** What all parts share. */
export type Base = Stores & {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  readonly trouble: SharedTrouble<Identifier>;
};

export type StoresOptions = {
  readonly clock: Clock;
  /** One of several channels stopped for good while it ran. */
  readonly stopped: (channel: Identifier, error: unknown) => void;
  /** Another epoch has begun in one of the channels. */
  readonly membersChanged: () => void;
};

/** Opens the directory: its lock first, then what stands on what. One channel of several may fail alone. */
export async function openStores(
  config: GatewayConfig,
  { clock, stopped: stoppedLater, membersChanged }: StoresOptions,
): Promise<Stores> {
  const views = channelsOf(config);
  const isOnly = views.length === 1;
  const locks = lockAll(views);
  const opened: ChannelStores[] = [];
  const stopped: StoppedChannel[] = [];
  const failures: unknown[] = [];
  const failed = ({ channel }: GatewayConfig, thrown: unknown) => {
    const error = databaseError(thrown, `of the channel ${channel}`);
    if (isOnly || !isOfOneChannel(error)) throw error;
    failures.push(error);
    stopped.push(stoppedBy(channel, error));
  };
  for (const view of views) requireWhole(pathsOf(view));
  const sites: SiteChannel[] = [];
  for (const view of views) sites.push({ config: view, site: await openSite(view, clock.now()) });
  const node = await SiteNode.open(config, sites, {
    clock,
    membersChanged,
    ...(isOnly ? {} : { stopped: stoppedLater }),
  });
  for (const one of sites)
    try {
      const ledger = await node.openChannel(one);
      opened.push({ ...one, ledger, lane: openLane(one, ledger, clock) });
    } catch (error) {
      failed(one.config, error);
    }
  if (opened.length === 0) throw failures[0];
  const registry = new DeviceRegistry(pathsOf(config).registry);
  const { ca } = present(sites[0], "the first channel").site;
  const close = async () => {
    try {
      await node.close();
    } finally {
      registry.close();
      for (const { lane } of opened) lane.close();
      for (const lock of locks) lock.release();
    }
  };
  return { paths: pathsOf(config), ca, registry, node, channels: opened, stopped, close };
}

/** How a channel is shown that stopped by this error. */
export function stoppedBy(channel: Identifier, error: OperationalError): StoppedChannel {
  return { channel, code: error.code, sentence: error.message };
}

/** Whether the error is about one channel's files; a full disk or a taken port is everybody's, a bug nobody's. */
export function isOfOneChannel(error: unknown): error is OperationalError {
  return error instanceof OperationalError && !shared.has(error.code);
}

const shared: ReadonlySet<string> = new Set([
  "BROKER_PORT_TAKEN",
  "COMMIT_OVERDUE",
  "DATABASE_BUSY",
  "DISK_FULL",
  // The next start mends it.
  "LANE_OVERTAKEN",
]);

/** One process at a time in the data directory, and in each directory of a further channel. */
function lockAll(views: readonly GatewayConfig[]) {
  const locks: ReturnType<typeof lockDataDir>[] = [];
  const seen = new Map<string, Identifier>();
  try {
    for (const view of views) {
      const directory = channelDir(view);
      ensureDir(directory, 0o700);
      const real = realpathSync(directory);
      const other = seen.get(real);
      if (other !== undefined)
        throw new OperationalError(
          "CONFIG_CHANNEL_TWICE",
          `The channels ${other} and ${view.channel} have the same directory ${real}: give each its own.`,
        );
      seen.set(real, view.channel);
      locks.push(lockDataDir(directory));
    }
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
  return locks;
}

function openLane({ config, site }: SiteChannel, ledger: SiteLedger, clock: Clock): SqliteLane {
  const { consortium, channel, gateway } = config;
  return SqliteLane.open({
    path: pathsOf(config).lane,
    clock,
    crypto: nodeCrypto,
    signer: site.signer,
    identity: { consortium, channel, gateway, channelId: ledger.channel.id },
    lastOrdered: ledger.lane(gateway),
    survivingHead: survivingHead(ledger, gateway),
  });
}
