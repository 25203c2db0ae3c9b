/** Composes what the daemon says over HTTP: status, metrics, enrolment, receipts. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { HealthCheck, HttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { createHttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { addAttestationRoutes } from "./api/attestation-routes.ts";
import type { ChannelSources } from "./api/routes.ts";
import { addRoutes } from "./api/routes.ts";
import { servedLogs } from "./api/served-logs.ts";
import type { ChannelStatusSources } from "./api/status.ts";
import { readStatus } from "./api/status.ts";
import { addTileRoutes } from "./api/tiles.ts";
import { addTransactionRoute } from "./api/transactions.ts";
import { channelOfDevice } from "./channels.ts";
import type { Base, StoppedChannel } from "./compose-base.ts";
import type { ChannelLine } from "./compose-channel.ts";
import { reportRunning } from "./consortium/ledger-report.ts";
import type { VerifyPool } from "./ingest/verify-pool.ts";
import { evidenceOf } from "./lane/surviving-head.ts";
import type { ChannelReading } from "./metrics.ts";
import { approvedDevices } from "./registry/approved-devices.ts";
import { readTpmRoots } from "./registry/tpm-roots.ts";

/** As they are at each request: a channel may stop while the others run. */
export type HttpParts = {
  readonly lines: ReadonlyMap<Identifier, ChannelLine>;
  readonly stopped: ReadonlyMap<Identifier, StoppedChannel>;
  readonly pool: VerifyPool;
};

/** @returns the server, not listening yet; also lets the metrics read what changes by itself. */
export function composeHttp(base: Base, parts: HttpParts): HttpServer {
  const { config, clock, metrics, ca, registry } = base;
  const { lines, stopped, pool } = parts;
  const running = () => [...lines.values()];
  const sum = (read: (line: ChannelLine) => number) =>
    running().reduce((total, line) => total + read(line), 0);
  const lineOf = (device: Identifier) => lines.get(channelOfDevice(config, device).channel);
  const attestationOf = (device: Identifier) => lineOf(device)?.appraiser?.of(device) ?? null;
  metrics.watch({
    attestations: () =>
      config.attestation === undefined
        ? undefined
        : approvedDevices(registry).flatMap((device) => attestationOf(device) ?? []),
    now: () => clock.now(),
    connections: () => sum(({ broker }) => broker.connections),
    bytesInFlight: () => sum(({ broker }) => broker.bytesInFlight),
    verifyPending: () => pool.pending,
    channels: () => [
      ...running().map(readingOf),
      ...[...stopped.keys()].map((channel) => ({ channel, isStopped: true })),
    ],
  });
  const statusOf = new Map([...lines].map(([name, line]) => [name, statusSources(base, line)]));
  return createHttpServer({
    host: config.http.host,
    port: config.http.port,
    allowRemote: config.http.allow_remote,
    registry: metrics.registry,
    health: healthOf(base, parts),
    routes: (server) => {
      addRoutes(server, {
        status: () =>
          readStatus({
            gateway: config.gateway,
            home: config.channel,
            channels: [...lines.keys()].flatMap((name) => statusOf.get(name) ?? []),
            stopped: [...stopped.values()],
            channelOf: (device) => channelOfDevice(config, device).channel,
            registry,
            metrics,
            isOnline: (device) => lineOf(device)?.broker.isOnline(device) ?? false,
            attestationOf,
            clock,
          }),
        registry,
        tpmRoots: readTpmRoots(config.enrolment.tpm_roots),
        ca,
        channelOf: (device) => {
          const line = lineOf(device);
          return line === undefined ? undefined : channelSources(base, line);
        },
        clock,
      });
      addAttestationRoutes(server, {
        channelOf: (device) => {
          const line = lineOf(device);
          if (line === undefined) return undefined;
          const { receipts } = channelSources(base, line);
          return { receipts, appraiser: line.appraiser };
        },
        tpmOf: (device) => registry.tpmOf(device),
      });
      addTransactionRoute(server, {
        ledgerOf: (channel) => {
          const line = lines.get(channel);
          return line && { submit: (transaction, options) => line.submit(transaction, options) };
        },
      });
      const logs = () =>
        running().flatMap(({ stores: { config: view, ledger, lane, site } }) =>
          servedLogs(nodeCrypto, { channel: view.channel, ledger, lane, kid: site.signer.kid }),
        );
      addTileRoutes(server, { crypto: nodeCrypto, logs });
    },
  });
}

function readingOf({ stores: { config, lane } }: ChannelLine): ChannelReading {
  const { size, orderedSize, quarantineBytes } = lane.status();
  const sizes = { laneSize: Number(size), orderedSize: Number(orderedSize), quarantineBytes };
  return { channel: config.channel, isStopped: false, ...sizes };
}

function healthOf({ trouble }: Base, { lines, stopped }: HttpParts): readonly HealthCheck[] {
  const isFull = ({ stores }: ChannelLine) => stores.lane.status().quarantineDropped > 0;
  return [
    {
      name: "lane",
      reason: () => ([...lines.values()].some(isFull) ? "quarantine is full" : undefined),
    },
    {
      name: "channels",
      reason: () => {
        const named = [...stopped.values()].map(({ channel, code }) => `${channel}: ${code}`);
        for (const [channel, { stores }] of lines) {
          const { consensus, hasStopped } = stores.ledger.sight();
          const code = consensus?.halted ?? (hasStopped ? "LEDGER_STOPPED" : undefined);
          if (code !== undefined) named.push(`${channel}: ${code}`);
        }
        return named.length === 0 ? undefined : `stopped: ${named.join(", ")}`;
      },
    },
    {
      name: "disk",
      reason: () => {
        const { codes } = trouble;
        return codes.length === 0 ? undefined : `nothing is final: ${codes.join(", ")}`;
      },
    },
  ];
}

function channelSources({ registry }: Base, line: ChannelLine): ChannelSources {
  const { lane, ledger, site } = line.stores;
  return {
    site: line.siteFacts(),
    receipts: {
      lane,
      ledger,
      evidenceOf: (log, ordered) => evidenceOf({ ledger, crypto: nodeCrypto }, log, ordered),
      crypto: nodeCrypto,
      deviceChain: (_device: Identifier, kid: Digest) => registry.key(kid)?.chain,
      gatewayChain: site.gatewayChain,
    },
  };
}

function statusSources(base: Base, line: ChannelLine): ChannelStatusSources {
  const { config, lane, ledger } = line.stores;
  const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), ledger.trustPolicy);
  return {
    channel: config.channel,
    trustDigest: groupedHex(digest),
    lane,
    ledger,
    mqttPort: () => line.mqttPort,
    consensus: (now) =>
      reportRunning({
        ledger,
        sight: ledger.sight(),
        peers: base.node.peers?.peers() ?? [],
        strangers: base.node.peers?.strangers() ?? new Map(),
        membersPending: ledger.governance.pending !== undefined,
        now,
      }),
  };
}
