/** Composes what the daemon says over HTTP: status, metrics, enrolment, receipts. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { HttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { createHttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { addRoutes } from "./api/routes.ts";
import { servedLogs } from "./api/served-logs.ts";
import { readStatus } from "./api/status.ts";
import { addTileRoutes } from "./api/tiles.ts";
import { addTransactionRoute } from "./api/transactions.ts";
import type { Base } from "./compose-base.ts";
import { siteFacts } from "./compose-base.ts";
import { reportRunning } from "./consortium/ledger-report.ts";
import type { MqttBroker } from "./ingest/mqtt-broker.ts";
import type { VerifyPool } from "./ingest/verify-pool.ts";

/** @returns the server, not listening yet; also lets the metrics read what changes by itself. */
export function composeHttp(
  base: Base,
  { broker, pool }: { readonly broker: MqttBroker; readonly pool: VerifyPool },
): HttpServer {
  const { config, clock, metrics, site, ledger, registry, lane, line } = base;
  metrics.watch({
    connections: () => broker.connections,
    bytesInFlight: () => broker.bytesInFlight,
    laneSize: () => Number(lane.status().size),
    orderedSize: () => Number(lane.status().orderedSize),
    verifyPending: () => pool.pending,
    quarantineBytes: () => lane.status().quarantineBytes,
  });
  const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), ledger.trustPolicy);
  const status = () =>
    readStatus({
      gateway: config.gateway,
      trustDigest: groupedHex(digest),
      lane,
      ledger,
      consensus: (now) => consensusReport(base, now),
      registry,
      metrics,
      isOnline: (device) => broker.isOnline(device),
      mqttPort: () => line.mqttPort,
      clock,
    });
  const receipts = {
    lane,
    ledger,
    crypto: nodeCrypto,
    deviceChain: (_device: Identifier, kid: Digest) => registry.key(kid)?.chain,
    gatewayChain: site.gatewayChain,
  };
  const isQuarantineFull = () => lane.status().quarantineDropped > 0;
  return createHttpServer({
    host: config.http.host,
    port: config.http.port,
    allowRemote: config.http.allow_remote,
    registry: metrics.registry,
    health: [
      { name: "lane", reason: () => (isQuarantineFull() ? "quarantine is full" : undefined) },
    ],
    routes: (server) => {
      addRoutes(server, {
        status,
        registry,
        ca: site.ca,
        site: () => siteFacts(base),
        receipts,
        clock,
      });
      addTransactionRoute(server, { ledger });
      const { kid } = site.signer;
      const logs = () => servedLogs(nodeCrypto, { ledger, lane, kid });
      addTileRoutes(server, { crypto: nodeCrypto, logs });
    },
  });
}

function consensusReport({ ledger, consensus, peers }: Base, now: number) {
  if (consensus === undefined) return undefined;
  return reportRunning({
    ledger,
    sight: consensus.sight(),
    peers: peers?.peers() ?? [],
    strangers: peers?.strangers() ?? new Map(),
    membersPending: consensus.governance.pending !== undefined,
    now,
  });
}
