/** The agent's Prometheus metrics, read from its status when they are asked for. */

import { Counter, Gauge, Registry } from "prom-client";
import type { AgentStatus } from "./agent-status.ts";

type Metric = {
  readonly name: string;
  readonly help: string;
  readonly value: (status: AgentStatus) => number;
};

const states = ["pending", "provisional", "final", "rejected"] as const;

const counters: readonly Metric[] = [
  {
    name: "tamga_agent_statements_stored_total",
    help: "Statements that a gateway acknowledged",
    value: ({ uplink }) => uplink.counts.stored,
  },
  {
    name: "tamga_agent_statements_final_total",
    help: "Statements whose final receipt was verified",
    value: ({ uplink }) => uplink.counts.final,
  },
  {
    name: "tamga_agent_statements_rejected_total",
    help: "Statements that a gateway refused",
    value: ({ uplink }) => uplink.counts.rejected,
  },
  {
    name: "tamga_agent_uplink_sent_bytes_total",
    help: "Bytes of statement messages that were published",
    value: ({ uplink }) => uplink.counts.sentBytes,
  },
  {
    name: "tamga_agent_uplink_connections_total",
    help: "Connections to gateways that stood",
    value: ({ uplink }) => uplink.counts.connects,
  },
  {
    name: "tamga_agent_downlink_refused_total",
    help: "Messages of a gateway that were not accepted",
    value: ({ uplink }) => uplink.counts.refusedDownlink,
  },
];

const gauges: readonly Metric[] = [
  {
    name: "tamga_agent_outbox_used_bytes",
    help: "Bytes of the outbox's quota in use",
    value: ({ outbox }) => outbox.usedBytes,
  },
  {
    name: "tamga_agent_outbox_quota_bytes",
    help: "The outbox's quota",
    value: ({ outbox }) => outbox.quotaBytes,
  },
  {
    name: "tamga_agent_outbox_stopped",
    help: "1 while readings do not fit and are only counted",
    value: ({ outbox }) => Number(outbox.intake === "stopped"),
  },
  {
    name: "tamga_agent_uplink_connected",
    help: "1 while a gateway is connected",
    value: ({ uplink }) => Number(uplink.gateway !== undefined),
  },
  {
    name: "tamga_agent_uplink_window_messages",
    help: "Statements that may be in flight now",
    value: ({ uplink }) => uplink.windowLimit,
  },
  {
    name: "tamga_agent_alarms",
    help: "Alarms that a person must act on",
    value: ({ uplink }) => uplink.alarms.length,
  },
  {
    name: "tamga_agent_certificate_expiry_seconds",
    help: "When the signing certificate expires, seconds since 1970",
    value: ({ uplink }) => Math.floor(uplink.certificates.signingNotAfter / 1_000),
  },
];

export function createMetrics(status: () => AgentStatus): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const { name, help, value } of counters) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value(status()));
      },
    });
  }
  for (const { name, help, value } of gauges) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(status()));
      },
    });
  }
  addStatements(registers, status);
  addStreams(registers, status);
  return registry;
}

function addStatements(registers: Registry[], status: () => AgentStatus): void {
  new Gauge({
    name: "tamga_agent_outbox_statements",
    help: "Statements in the outbox by state",
    labelNames: ["state"],
    registers,
    collect() {
      const { statements } = status().outbox;
      for (const state of states) this.set({ state }, statements[state]);
    },
  });
}

/** Streams and fault codes are closed sets: the configuration's, and the drivers'. */
function addStreams(registers: Registry[], status: () => AgentStatus): void {
  new Counter({
    name: "tamga_agent_readings_total",
    help: "Readings taken in",
    labelNames: ["stream"],
    registers,
    collect() {
      this.reset();
      for (const { name, readings } of status().streams) this.inc({ stream: name }, readings);
    },
  });
  new Counter({
    name: "tamga_agent_frames_rejected_total",
    help: "Frames that a driver refused",
    labelNames: ["stream", "code"],
    registers,
    collect() {
      this.reset();
      for (const { name, rejected } of status().streams)
        for (const [code, count] of Object.entries(rejected))
          this.inc({ stream: name, code }, count);
    },
  });
  new Gauge({
    name: "tamga_agent_link_up",
    help: "1 while the stream's line is open",
    labelNames: ["stream"],
    registers,
    collect() {
      for (const { name, link } of status().streams)
        this.set({ stream: name }, Number(link.phase === "up"));
    },
  });
}
