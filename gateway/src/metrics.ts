/** Prometheus metrics of the gateway: base units, closed sets of labels. */

import { Counter, Gauge, Registry } from "prom-client";
import type { AdmittedBatch } from "./ingest/admission-queue.ts";
import { refusalsCountedMax } from "./limits.ts";

export type GatewayMetrics = ReturnType<typeof createMetrics>;

/** Reads of what changes by itself happen at scrape time. */
export type MetricSources = {
  readonly connections: () => number;
  readonly bytesInFlight: () => number;
  readonly laneSize: () => number;
  readonly orderedSize: () => number;
  readonly verifyPending: () => number;
  readonly quarantineBytes: () => number;
};

export function createMetrics() {
  const registry = new Registry();
  const counter = (name: string, help: string) =>
    new Counter({ name: `tamga_gateway_${name}`, help, registers: [registry] });
  const refusals = new Counter({
    name: "tamga_gateway_refusals_total",
    help: "Connections, packets and messages refused, by stable code.",
    labelNames: ["code"],
    registers: [registry],
  });
  const codes = new Map<string, number>();
  return {
    registry,
    /** Sums of refusals by code since the start, for the status page. */
    refusals: codes as ReadonlyMap<string, number>,
    statements: counter("statements_total", "Statements admitted to the lane."),
    readings: counter("readings_total", "Readings in bundles admitted to the lane."),
    duplicates: counter("duplicates_total", "Statements that were in the lane already."),
    rejections: counter("rejections_total", "Statements answered by a rejection in the lane."),
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
      gauge("lane_size_entries", "Leaves in the open lane.", sources.laneSize);
      gauge("lane_ordered_entries", "Leaves below the newest sealed head.", sources.orderedSize);
      gauge(
        "verify_pending_statements",
        "Statements that wait for a verify thread.",
        sources.verifyPending,
      );
      gauge("quarantine_bytes", "Bytes of refused messages kept.", sources.quarantineBytes);
    },
  };
}

/** Counts what became of a committed batch. */
export function countAdmitted(metrics: GatewayMetrics, batch: AdmittedBatch): void {
  for (const { admission, admitted } of batch) {
    if (admitted.outcome === "duplicate") metrics.duplicates.inc();
    else if (admitted.outcome === "rejected") metrics.rejections.inc();
    else {
      metrics.statements.inc();
      if (admission.kind === "statement" && admission.type === "bundle") {
        metrics.readings.inc(admission.range.count);
      }
    }
  }
}
