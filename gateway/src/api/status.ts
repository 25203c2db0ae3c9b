/** What the gateway says of itself: the one source of `status --json` and of the page. */

import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger, LedgerStatus } from "@tamga/ledger-core/ledger/ledger";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DeviceAttestation } from "../appraisal/standing.ts";
import type { StoppedChannel } from "../compose-base.ts";
import type { LedgerReport } from "../consortium/ledger-report.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { DeviceRegistry } from "../registry/device-registry.ts";

/** Of a channel that runs. */
export type ChannelStatus = {
  readonly channel: string;
  /** SHA-256 of the trust policy in groups of four, to compare out of band. */
  readonly trustDigest: string;
  readonly mqttPort: number;
  /** Of the lane's own connection: journal "wal" and synchronous 2 (FULL) or 3 (EXTRA). */
  readonly durability: ReturnType<SqliteLane["durability"]>;
  readonly ledger: LedgerStatus;
  /** What `tamga-gateway ledger status` shows. */
  readonly consensus: LedgerReport;
  readonly lane: {
    readonly origin: string;
    readonly incarnations: number;
    readonly openedBecause: string;
    readonly size: number;
    readonly orderedSize: number;
    readonly conflicts: number;
    readonly refused: number;
    readonly quarantineBytes: number;
    readonly quarantineDropped: number;
    /** True until every device has listed what it holds, after a loss. */
    readonly needsAll: boolean;
  };
};

/** The first channel stands at the top too, as where it is the only one; not while it is stopped. */
export type GatewayStatus = Partial<ChannelStatus> & {
  readonly at: string;
  readonly gateway: string;
  readonly bodyCopies: 1;
  readonly channels: readonly (
    | ({ readonly state: "running" } & ChannelStatus)
    | ({ readonly state: "stopped" } & StoppedChannel)
  )[];
  readonly devices: readonly {
    readonly device: string;
    readonly channel: string;
    readonly state: string;
    /** "file" is software in a file, not hardware. */
    readonly keyKind: string;
    readonly online: boolean;
    readonly certificateUntil: string | null;
    /** Of its newest evidence; null where no reference values are configured. */
    readonly attestation: DeviceAttestation | null;
  }[];
  readonly refusals: Readonly<Record<string, number>>;
};

export type ChannelStatusSources = {
  readonly channel: string;
  readonly trustDigest: string;
  readonly lane: SqliteLane;
  readonly ledger: Ledger;
  readonly consensus: (now: number) => LedgerReport;
  readonly mqttPort: () => number;
};

export type StatusSources = {
  readonly gateway: string;
  /** Name of the first channel. */
  readonly home: string;
  readonly channels: readonly ChannelStatusSources[];
  readonly stopped: readonly StoppedChannel[];
  readonly channelOf: (device: Identifier) => string;
  readonly registry: DeviceRegistry;
  readonly metrics: GatewayMetrics;
  readonly isOnline: (device: Identifier) => boolean;
  readonly attestationOf: (device: Identifier) => DeviceAttestation | null;
  readonly clock: Clock;
};

export function readStatus(sources: StatusSources): GatewayStatus {
  const { registry, metrics, clock } = sources;
  const now = clock.now();
  const running = sources.channels.map((channel) => statusOf(channel, now));
  return {
    at: new Date(now).toISOString(),
    gateway: sources.gateway,
    ...running.find(({ channel }) => channel === sources.home),
    bodyCopies: 1,
    channels: [
      ...running.map((one) => ({ state: "running" as const, ...one })),
      ...sources.stopped.map((one) => ({ state: "stopped" as const, ...one })),
    ],
    // Of a device with several keys, the one that it goes on with.
    devices: [...new Map(registry.list().map((one) => [one.device, one])).values()].map(
      (device) => ({
        device: device.device,
        channel: sources.channelOf(device.device),
        state: device.state,
        keyKind: device.keyKind,
        online: sources.isOnline(device.device),
        certificateUntil:
          device.notAfter === undefined ? null : new Date(device.notAfter).toISOString(),
        attestation: sources.attestationOf(device.device),
      }),
    ),
    refusals: Object.fromEntries(metrics.refusals),
  };
}

function statusOf(sources: ChannelStatusSources, now: number): ChannelStatus {
  const { channel, trustDigest, lane, ledger, mqttPort } = sources;
  const { size, orderedSize, devices: _known, ...counts } = lane.status();
  return {
    channel,
    trustDigest,
    mqttPort: mqttPort(),
    durability: lane.durability(),
    ledger: ledger.status(),
    consensus: sources.consensus(now),
    lane: { origin: lane.origin, size: Number(size), orderedSize: Number(orderedSize), ...counts },
  };
}
