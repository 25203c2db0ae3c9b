/** What the gateway says of itself: the one source of `status --json` and of the page. */

import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger, LedgerStatus } from "@tamga/ledger-core/ledger/ledger";
import type { LedgerReport } from "../consortium/ledger-report.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { DeviceRegistry } from "../registry/device-registry.ts";

export type GatewayStatus = {
  readonly at: string;
  readonly gateway: string;
  readonly channel: string;
  /** SHA-256 of the trust policy in groups of four, to compare out of band. */
  readonly trustDigest: string;
  readonly mqttPort: number;
  readonly bodyCopies: 1;
  /** Of the lane's own connection: journal "wal" and synchronous 2 (FULL) or 3 (EXTRA). */
  readonly durability: ReturnType<SqliteLane["durability"]>;
  readonly ledger: LedgerStatus;
  /** What `tamga-gateway ledger status` shows; absent where the ledger has no consensus to look at. */
  readonly consensus?: LedgerReport;
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
  readonly devices: readonly {
    readonly device: string;
    readonly state: string;
    /** "file" is software in a file, not hardware. */
    readonly keyKind: string;
    readonly online: boolean;
    readonly certificateUntil: string | null;
  }[];
  readonly refusals: Readonly<Record<string, number>>;
};

export type StatusSources = {
  readonly gateway: string;
  readonly trustDigest: string;
  readonly lane: SqliteLane;
  readonly ledger: Ledger;
  readonly consensus: (now: number) => LedgerReport | undefined;
  readonly registry: DeviceRegistry;
  readonly metrics: GatewayMetrics;
  readonly isOnline: (device: Parameters<DeviceRegistry["keysOf"]>[0]) => boolean;
  readonly mqttPort: () => number;
  readonly clock: Clock;
};

export function readStatus(sources: StatusSources): GatewayStatus {
  const { lane, ledger, registry, metrics, clock } = sources;
  const consensus = sources.consensus(clock.now());
  const { size, orderedSize, devices: _known, ...counts } = lane.status();
  return {
    at: new Date(clock.now()).toISOString(),
    gateway: sources.gateway,
    channel: ledger.channel.channel,
    trustDigest: sources.trustDigest,
    mqttPort: sources.mqttPort(),
    bodyCopies: 1,
    durability: lane.durability(),
    ledger: ledger.status(),
    ...(consensus === undefined ? {} : { consensus }),
    lane: { origin: lane.origin, size: Number(size), orderedSize: Number(orderedSize), ...counts },
    devices: registry.list().map((device) => ({
      device: device.device,
      state: device.state,
      keyKind: device.keyKind,
      online: sources.isOnline(device.device),
      certificateUntil:
        device.notAfter === undefined ? null : new Date(device.notAfter).toISOString(),
    })),
    refusals: Object.fromEntries(metrics.refusals),
  };
}
