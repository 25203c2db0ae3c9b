/** Attests at each start and at intervals, unasked: evidence goes through the outbox as readings do. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Service } from "@tamga/ledger-core/daemon/service";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { AttesterState } from "./attestation/attester.ts";
import { attestMsMax, evidenceRetryMs } from "./limits-daemon.ts";
import type { OutboxRun, SqliteOutbox } from "./outbox/sqlite-outbox.ts";

/** What quotes: the TPM of the signing key, and the PCRs that were asked for. */
export interface EvidenceMaker {
  /** @throws OperationalError TPM_*, ATTEST_*, and what reading the log throws. */
  make(
    state: AttesterState,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly evidence: Uint8Array; readonly log: Uint8Array | undefined }>;
}

export type EvidenceSourceOptions = {
  readonly maker: EvidenceMaker;
  readonly outbox: Pick<SqliteOutbox, "openRun" | "heads" | "checkpoint" | "evidence">;
  readonly device: Identifier;
  /** The TPM is an emulator, whose quotes prove nothing: the stream's start says so. */
  readonly isEmulated: boolean;
  readonly everyMs: number;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** `trouble` is the stable code of why the last attempt gave none. */
export type EvidenceStatus = {
  readonly everyMs: number;
  readonly emulated: boolean;
  readonly statedAt: UnixMillis | undefined;
  readonly trouble: string | undefined;
};

export class EvidenceSource implements Service {
  readonly name = "attestation";
  readonly #options: EvidenceSourceOptions;
  #run: OutboxRun | undefined;
  #statedAt: UnixMillis | undefined;
  #trouble: string | undefined;

  constructor(options: EvidenceSourceOptions) {
    this.#options = options;
  }

  /** The run that this process writes to; undefined before `open`. */
  get outboxRun(): OutboxRun | undefined {
    return this.#run;
  }

  status(): EvidenceStatus {
    const { everyMs, isEmulated } = this.#options;
    return { everyMs, emulated: isEmulated, statedAt: this.#statedAt, trouble: this.#trouble };
  }

  async open(): Promise<void> {
    const { outbox, bootId, agentVersion, randomBytes, isEmulated } = this.#options;
    const opened = await outbox.openRun({
      stream: attestationStream,
      protocol: "tpm-quote",
      emulated: isEmulated,
      incarnation: randomBytes(16),
      bootId,
      agentVersion,
    });
    this.#run = opened.run;
    // It fails with the outbox alone, which ends the process by itself.
    opened.started.catch(() => undefined);
  }

  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, everyMs } = this.#options;
    while (!signal.aborted) {
      await this.#attest(signal);
      const ms = this.#trouble === undefined ? everyMs : Math.min(everyMs, evidenceRetryMs);
      await clock.sleep(ms, { signal }).catch(() => undefined);
    }
  }

  async close(): Promise<void> {}

  /** A TPM that is away comes back; readings go on meanwhile, so nothing of it ends the process. */
  async #attest(signal: AbortSignal): Promise<void> {
    const { outbox, logger, clock } = this.#options;
    const run = this.#run;
    if (run === undefined) return;
    try {
      const made = await this.#make(signal);
      if (!(await outbox.evidence(run, made)))
        throw new OperationalError("OUTBOX_FULL", "the outbox has no space for evidence");
      this.#statedAt = clock.now();
      this.#trouble = undefined;
      logger.info({ event: "evidence.stated" }, "evidence of this device stated");
    } catch (error) {
      if (signal.aborted) return;
      const known = inTime(error);
      if (!(known instanceof OperationalError)) throw error;
      const { code, message } = known;
      if (this.#trouble !== code) logger.warn({ event: "evidence.failed", code }, message);
      this.#trouble = code;
    }
  }

  #make(signal: AbortSignal) {
    const { maker, outbox, device, bootId, agentVersion, clock } = this.#options;
    const checkpoint = outbox.checkpoint();
    const state = {
      device,
      issuedAt: Math.floor(clock.now() / 1_000),
      bootId,
      agentVersion,
      streams: outbox.heads(),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
    return maker.make(state, { signal: AbortSignal.any([signal, deadline(attestMsMax)]) });
  }
}

function inTime(error: unknown): unknown {
  const isLate = error instanceof Error && error.name === "TimeoutError";
  if (!isLate) return error;
  const sentence = `the TPM gave no quote within ${attestMsMax / 1_000} seconds`;
  return new OperationalError("ATTEST_TIMEOUT", sentence, { cause: error });
}
