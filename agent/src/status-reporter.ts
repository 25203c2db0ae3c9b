/** Puts the agent's status together, and measures how fast its backlog drains. */

import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import type { AgentStatus } from "./agent-status.ts";
import { warningsOf } from "./agent-status.ts";
import type { AgentConfig } from "./config.ts";
import type { EvidenceSource } from "./evidence-source.ts";
import type { SqliteOutbox } from "./outbox/sqlite-outbox.ts";
import type { KeyRotation } from "./rotation/key-rotation.ts";
import { rotationNotes } from "./rotation/rotation-notes.ts";
import type { Signer } from "./signer/signer.ts";
import type { StreamSource } from "./stream-source.ts";
import type { MqttUplink } from "./uplink/mqtt-uplink.ts";
import { agentVersion } from "./version.ts";

export type StatusReporterOptions = {
  readonly config: Pick<AgentConfig, "device" | "channel" | "profile">;
  readonly clock: Clock;
  readonly clockQuality: () => ClockQuality;
  readonly signer: Signer;
  readonly outbox: Pick<SqliteOutbox, "status">;
  readonly uplink: Pick<MqttUplink, "status">;
  readonly streams: readonly Pick<StreamSource, "status">[];
  readonly evidence?: Pick<EvidenceSource, "status"> | undefined;
  readonly rotation?: Pick<KeyRotation, "status" | "holdsRestKey"> | undefined;
};

export class StatusReporter {
  readonly #options: StatusReporterOptions;
  readonly #startedAt: UnixMillis;
  #measured: { readonly at: number; readonly stored: number };
  #storedPerSecond = 0;

  constructor(options: StatusReporterOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#measured = { at: options.clock.monotonic(), stored: 0 };
  }

  status(): AgentStatus {
    const { config, clock, clockQuality, signer, outbox, uplink, streams } = this.#options;
    const { rotation } = this.#options;
    const uplinkStatus = uplink.status();
    const outboxStatus = outbox.status();
    const { pending, provisional } = outboxStatus.statements;
    const rate = this.#rate(uplinkStatus.counts.stored);
    const status = {
      version: agentVersion,
      device: config.device,
      channel: config.channel,
      profile: config.profile,
      startedAt: this.#startedAt,
      now: clock.now(),
      clock: clockQuality(),
      key: { kind: signer.keyKind, algorithm: signer.algorithm, state: signer.state() },
      streams: streams.map((stream) => stream.status()),
      outbox: {
        ...outboxStatus,
        backlog: pending + provisional,
        drainSeconds: pending === 0 ? 0 : rate > 0 ? Math.ceil(pending / rate) : null,
      },
      uplink: uplinkStatus,
      attestation: this.#options.evidence?.status() ?? null,
      rotation: rotation?.status() ?? null,
    };
    return {
      ...status,
      warnings: [...warningsOf(status), ...rotationNotes(status.rotation, rotation?.holdsRestKey)],
    };
  }

  /** Statements a second, smoothed over about a minute of questions. */
  #rate(stored: number): number {
    const at = this.#options.clock.monotonic();
    const seconds = (at - this.#measured.at) / 1_000;
    if (seconds < 1) return this.#storedPerSecond;
    const rate = (stored - this.#measured.stored) / seconds;
    const weight = Math.min(1, seconds / 60);
    this.#storedPerSecond =
      this.#storedPerSecond === 0 ? rate : weight * rate + (1 - weight) * this.#storedPerSecond;
    this.#measured = { at, stored };
    return this.#storedPerSecond;
  }
}
