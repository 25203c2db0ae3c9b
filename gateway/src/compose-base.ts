/** What all parts of the daemon stand on: the site's keys, the lock and the databases. */

import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { ensureDir, lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { GatewayConfig } from "./config.ts";
import type { MqttBroker } from "./ingest/mqtt-broker.ts";
import { SqliteLane } from "./lane/sqlite-lane.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import type { SiteFacts } from "./registry/enrolment.ts";
import { openSite, sitePaths } from "./site/site.ts";
import { openSiteLedger } from "./site/site-ledger.ts";

/** What was opened on the disk; every part below stands on it. */
export type Stores = Awaited<ReturnType<typeof openStores>>;

/** What all parts share. */
export type Base = Stores & {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  /** Filled in as the broker comes up: parts that speak to devices exist before it. */
  readonly line: { broker?: MqttBroker; mqttPort: number };
};

/** Opens the directory: its lock first, then what stands on what. */
export async function openStores(config: GatewayConfig, clock: Clock) {
  const paths = sitePaths(config.data_dir);
  ensureDir(config.data_dir, 0o700);
  const lock = lockDataDir(config.data_dir);
  const site = await openSite(config, clock.now());
  const opened = await openSiteLedger(config, site, clock);
  const { ledger, peers, consensus, close: closeLedger } = opened;
  const registry = new DeviceRegistry(paths.registry);
  const { consortium, channel, gateway } = config;
  const lane = SqliteLane.open({
    path: paths.lane,
    clock,
    crypto: nodeCrypto,
    signer: site.signer,
    identity: { consortium, channel, gateway, channelId: ledger.channel.id },
    lastOrdered: ledger.lane(gateway),
  });
  return { paths, site, lock, ledger, peers, consensus, closeLedger, registry, lane };
}

/** Read at each request: the port is known once the broker listens. */
export function siteFacts({ config, ledger, line }: Base): SiteFacts {
  const { channel, gateway, mqtt, certificates } = config;
  return {
    channel,
    gateway,
    uplink: mqtt.advertised.map((host) => `mqtts://${host}:${line.mqttPort}`),
    trust: encodeTrustPolicy(ledger.trustPolicy),
    certificateDays: certificates.device_days,
  };
}
