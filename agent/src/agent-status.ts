/** What the agent says of itself: `/status.json`, `tamga-agent status` and the health checks. */

import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { HealthCheck } from "@tamga/ledger-core/daemon/metrics-server";
import { printable } from "@tamga/ledger-core/receipt/printable";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import type { EvidenceStatus } from "./evidence-source.ts";
import type { OutboxStatus } from "./outbox/sqlite-outbox.ts";
import type { RotationStatus } from "./rotation/rotation-status.ts";
import type { Signer } from "./signer/signer.ts";
import type { StreamStatus } from "./stream-source.ts";
import type { UplinkStatus } from "./uplink/uplink-status.ts";

/** Field names are those of the printed JSON; times are milliseconds since 1970. */
export type AgentStatus = {
  readonly version: string;
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly profile: string;
  readonly startedAt: UnixMillis;
  readonly now: UnixMillis;
  readonly clock: ClockQuality;
  readonly key: {
    readonly kind: Signer["keyKind"];
    readonly algorithm: Signer["algorithm"];
    readonly state: ReturnType<Signer["state"]>;
  };
  readonly streams: readonly StreamStatus[];
  readonly outbox: OutboxStatus & {
    /** Statements that are not final. */
    readonly backlog: number;
    /** Seconds until the backlog is sent at the rate of the last minute; null while it does not move. */
    readonly drainSeconds: number | null;
  };
  readonly uplink: UplinkStatus;
  /** Null where the configuration asks for no evidence. */
  readonly attestation: EvidenceStatus | null;
  /** Null where the signing key was never replaced. */
  readonly rotation: RotationStatus | null;
  /** What a person should know; sentences. */
  readonly warnings: readonly string[];
};

/** Checks of `/healthz`: each asks for the status anew. */
export function healthChecks(status: () => AgentStatus): readonly HealthCheck[] {
  return [
    { name: "alarm", reason: () => status().uplink.alarms[0]?.code },
    { name: "outbox", reason: () => outboxTrouble(status().outbox) },
    { name: "key", reason: () => keyTrouble(status()) },
    {
      name: "link",
      reason: () => {
        const down = status().streams.filter(({ link }) => link.phase === "down");
        return down.length === 0 ? undefined : `${down.length} of the lines are down`;
      },
    },
    {
      name: "uplink",
      reason: () => {
        const { gateway, trouble } = status().uplink;
        return gateway === undefined ? (trouble?.code ?? "not connected yet") : undefined;
      },
    },
  ];
}

/** Sentences for people, the gravest first. */
export function warningsOf(status: Omit<AgentStatus, "warnings" | "rotation">): readonly string[] {
  const { uplink, outbox, key, streams, clock, attestation } = status;
  const unattested = attestation?.trouble;
  const result = attestation?.result ?? undefined;
  const emulated = streams.filter((stream) => stream.emulated).map(({ name }) => name);
  const trouble = outboxTrouble(outbox);
  return [
    ...uplink.alarms.map(({ code, sentence }) => `${sentence} [${code}]`),
    ...(trouble === undefined ? [] : [`The outbox: ${trouble}.`]),
    ...(outbox.signing === undefined ? [] : [`Signatures wait for the key [${outbox.signing}].`]),
    ...(key.state === "locked" ? ["The token refuses its PIN; nothing is signed."] : []),
    ...(uplink.certificates.state === "expired" ? ["The device's certificates have expired."] : []),
    ...(key.kind === "file" ? ["The signing key is a file, not a hardware key."] : []),
    ...(emulated.length === 0 ? [] : [`Emulated sources: ${emulated.join(", ")}.`]),
    ...(unattested === undefined
      ? []
      : [`The device gives no evidence of itself [${unattested}].`]),
    ...(result === undefined || result.state === "affirming" ? [] : [notAffirmed(result)]),
    ...(clock === "unsynchronised" ? ["The clock is not synchronised."] : []),
    ...(uplink.datesChecked ? [] : ["The gateway's certificate was checked but for its dates."]),
  ];
}

function notAffirmed({ state, codes }: NonNullable<EvidenceStatus["result"]>): string {
  const why = codes.length === 0 ? "" : ` [${codes.map(printable).join(", ")}]`;
  return `The gateway does not affirm the state of this device: ${state}${why}.`;
}

function outboxTrouble(outbox: OutboxStatus): string | undefined {
  if (outbox.diskFull) return "the disk is full and nothing can be written";
  if (outbox.intake === "stopped") return "it is full and readings are only counted";
  if (outbox.thinLevel > 1) return `the backlog is thinned, level ${outbox.thinLevel}`;
  return undefined;
}

function keyTrouble({ key, outbox }: AgentStatus): string | undefined {
  if (outbox.signing !== undefined) return outbox.signing;
  return key.state === "ready" ? undefined : `the key is ${key.state}`;
}
