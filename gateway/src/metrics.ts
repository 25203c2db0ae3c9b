/** Prometheus metrics of the gateway: base units, closed sets of labels. */

import { Counter, Gauge, Registry } from "prom-client";
import type { DeviceAttestation } from "./appraisal/standing.ts";
import { attestationStates } from "./appraisal/standing.ts";
import type { AdmittedBatch } from "./ingest/admission-queue.ts";
import { refusalsCountedMax } from "./limits.ts";

export type GatewayMetrics = ReturnType<typeof createMetrics>;

/** Reads of what changes by itself happen at scrape time. */
export type MetricSources = {
  readonly connections: () => number;
  readonly bytesInFlight: () => number;
  readonly verifyPending: () => number;
  /** Of the devices that may speak; undefined where nothing is judged. */
  readonly attestations: () => readonly DeviceAttestation[] | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** All that are configured, whether they run or not. */
  readonly channels: () => readonly ChannelReading[];
};

/** What is read of a channel; of one that is stopped nothing else. */
export type ChannelReading = {
  readonly channel: string;
  readonly isStopped: boolean;
  readonly laneSize?: number;
  readonly orderedSize?: number;
  readonly quarantineBytes?: number;
};

export function createMetrics() {
  const registry = new Registry();
  const counter = (name: string, help: string) =>
    new Counter({
      name: `tamga_gateway_${name}`,
      help,
      labelNames: ["channel"],
      registers: [registry],
    });
  const refusals = new Counter({
    name: "tamga_gateway_refusals_total",
    help: "Connections, packets and messages refused, by stable code.",
    labelNames: ["code"],
    registers: [registry],
  });
  const codes = new Map<string, number>();
  const counters = {
    statements: counter("statements_total", "Statements admitted to the lane."),
    readings: counter("readings_total", "Readings in bundles admitted to the lane."),
    duplicates: counter("duplicates_total", "Statements that were in the lane already."),
    rejections: counter("rejections_total", "Statements answered by a rejection in the lane."),
  };
  return {
    registry,
    /** Sums of refusals by code since the start, for the status page. */
    refusals: codes as ReadonlyMap<string, number>,
    ...counters,
    /** A channel is there: from now on it is shown, also before anything came. */
    begin: (channel: string) => {
      for (const one of Object.values(counters)) one.inc({ channel }, 0);
    },
    /** Codes are our own constants, and bounded all the same. */
    refused: (code: string) => {
      const label = codes.has(code) || codes.size < refusalsCountedMax ? code : "OTHER";
      codes.set(label, (codes.get(label) ?? 0) + 1);
      refusals.inc({ code: label });
    },
    watch: (sources: MetricSources) => {
      const gauge = (name: string, help: string, read: () => number) =>
        new Gauge({
          name: `tamga_gateway_${name}`,
          help,
          registers: [registry],
          collect() {
            this.set(read());
          },
        });
      gauge("connections", "Open connections.", sources.connections);
      gauge(
        "bytes_in_flight_bytes",
        "Uplink bytes received and not yet committed.",
        sources.bytesInFlight,
      );
      gauge(
        "verify_pending_statements",
        "Statements that wait for a verify thread.",
        sources.verifyPending,
      );
      watchAttestations(registry, sources);
      const byChannel = (
        name: string,
        help: string,
        read: (of: ChannelReading) => number | undefined,
      ) =>
        new Gauge({
          name: `tamga_gateway_${name}`,
          help,
          labelNames: ["channel"],
          registers: [registry],
          collect() {
            this.reset();
            for (const one of sources.channels()) {
              const value = read(one);
              if (value !== undefined) this.set({ channel: one.channel }, value);
            }
          },
        });
      byChannel("lane_size_entries", "Leaves in the open lane.", (one) => one.laneSize);
      byChannel(
        "lane_ordered_entries",
        "Leaves below the newest sealed head.",
        (one) => one.orderedSize,
      );
      byChannel(
        "quarantine_bytes",
        "Bytes of refused messages kept.",
        (one) => one.quarantineBytes,
      );
      byChannel(
        "channel_stopped",
        "1 where the channel takes nothing until the next start.",
        (one) => (one.isStopped ? 1 : 0),
      );
    },
  };
}

function watchAttestations(registry: Registry, sources: MetricSources): void {
  new Gauge({
    name: "tamga_gateway_attestation_devices",
    help: "Devices by the state that their newest evidence shows.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      this.reset();
      const all = sources.attestations();
      if (all === undefined) return;
      for (const state of attestationStates)
        this.set({ state }, all.filter((one) => one.state === state).length);
    },
  });
  new Gauge({
    name: "tamga_gateway_attestation_oldest_age_seconds",
    help: "Age of the newest evidence of the device that has waited longest; 0 without evidence.",
    registers: [registry],
    collect() {
      const times = (sources.attestations() ?? []).flatMap(({ statedAt }) =>
        statedAt === null ? [] : [Date.parse(statedAt)],
      );
      const oldest = Math.min(sources.now(), ...times);
      this.set((sources.now() - oldest) / 1_000);
    },
  });
}

/** Counts what became of a channel's committed batch. */
export function countAdmitted(
  metrics: GatewayMetrics,
  channel: string,
  batch: AdmittedBatch,
): void {
  const label = { channel };
  for (const { admission, admitted } of batch) {
    if (admitted.outcome === "duplicate") metrics.duplicates.inc(label);
    else if (admitted.outcome === "rejected") metrics.rejections.inc(label);
    else {
      metrics.statements.inc(label);
      if (admission.kind === "statement" && admission.type === "bundle") {
        metrics.readings.inc(label, admission.range.count);
      }
    }
  }
}
