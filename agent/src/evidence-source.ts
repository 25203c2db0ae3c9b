/**
 * Attests at each start and at intervals, unasked, and when a gateway gives a nonce: all evidence goes through
 * the outbox as readings do, so that a device behind NAT answers too, and an answer survives a lost line.
 */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { MonotonicMillis, UnixMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Service } from "@tamga/ledger-core/daemon/service";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import type { ResultState } from "@tamga/ledger-core/wire/gateway-claims";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { AttesterState } from "./attestation/attester.ts";
import { attestMsMax, challengeRestMs, evidenceRetryMs } from "./limits-daemon.ts";
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
  readonly outbox: Pick<
    SqliteOutbox,
    "openRun" | "heads" | "checkpoint" | "evidence" | "heldResult"
  >;
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
  /** What a gateway concluded last, by its own clock; null until one did. */
  readonly result: {
    readonly state: ResultState;
    readonly codes: readonly string[];
    readonly at: UnixMillis;
  } | null;
};

export class EvidenceSource implements Service {
  readonly name = "attestation";
  readonly #options: EvidenceSourceOptions;
  #run: OutboxRun | undefined;
  #statedAt: UnixMillis | undefined;
  #trouble: string | undefined;
  /** The newest nonce that was not answered yet. */
  #asked: Uint8Array | undefined;
  #triedAt: MonotonicMillis | undefined;
  #sleep = new AbortController();

  constructor(options: EvidenceSourceOptions) {
    this.#options = options;
  }

  /** The run that this process writes to; undefined before `open`. */
  get outboxRun(): OutboxRun | undefined {
    return this.#run;
  }

  status(): EvidenceStatus {
    const { everyMs, isEmulated, outbox } = this.#options;
    const [statedAt, trouble] = [this.#statedAt, this.#trouble];
    const result = resultOf(outbox.heldResult()?.bytes);
    return { everyMs, emulated: isEmulated, statedAt, trouble, result };
  }

  /** A gateway asks; of several nonces the newest is answered. */
  challenged(nonce: Uint8Array): void {
    this.#asked = nonce;
    this.#sleep.abort();
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
    const { everyMs } = this.#options;
    while (!signal.aborted) {
      await this.#attest(signal);
      const ms = this.#trouble === undefined ? everyMs : Math.min(everyMs, evidenceRetryMs);
      await this.#rest(ms, signal);
    }
  }

  async close(): Promise<void> {}

  /** Until the next evidence is due, or was asked for. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#sleep = new AbortController();
    const woken = AbortSignal.any([signal, this.#sleep.signal]);
    if (this.#asked === undefined || this.#trouble !== undefined)
      await clock.sleep(ms, { signal: woken }).catch(() => undefined);
    const since = clock.monotonic() - (this.#triedAt ?? clock.monotonic());
    const rest = challengeRestMs - since;
    if (rest > 0) await clock.sleep(rest, { signal }).catch(() => undefined);
  }

  /** A TPM that is away comes back; readings go on meanwhile, so nothing of it ends the process. */
  async #attest(signal: AbortSignal): Promise<void> {
    const { outbox, logger, clock } = this.#options;
    const run = this.#run;
    if (run === undefined) return;
    const nonce = this.#asked;
    this.#asked = undefined;
    this.#triedAt = clock.monotonic();
    try {
      const made = await this.#make(nonce, signal);
      if (!(await outbox.evidence(run, made)))
        throw new OperationalError("OUTBOX_FULL", "the outbox has no space for evidence");
      this.#statedAt = clock.now();
      this.#trouble = undefined;
      const facts = { event: "evidence.stated", asked: nonce !== undefined } as const;
      logger.info(facts, "evidence of this device stated");
    } catch (error) {
      if (signal.aborted) return;
      this.#asked ??= nonce;
      const known = inTime(error);
      if (!(known instanceof OperationalError)) throw error;
      const { code, message } = known;
      if (this.#trouble !== code) logger.warn({ event: "evidence.failed", code }, message);
      this.#trouble = code;
    }
  }

  #make(nonce: Uint8Array | undefined, signal: AbortSignal) {
    const { maker, outbox, device, bootId, agentVersion, clock } = this.#options;
    const checkpoint = outbox.checkpoint();
    const state = {
      device,
      issuedAt: Math.floor(clock.now() / 1_000),
      bootId,
      agentVersion,
      streams: outbox.heads(),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(nonce === undefined ? {} : { nonce }),
    };
    return maker.make(state, { signal: AbortSignal.any([signal, deadline(attestMsMax)]) });
  }
}

/** Out of the statement that was verified as it came. */
function resultOf(bytes: Uint8Array | undefined): EvidenceStatus["result"] {
  const statement = bytes === undefined ? undefined : parseStatement(bytes);
  const claims =
    statement?.ok === true ? parseGatewayClaims("result", statement.value.claims) : undefined;
  if (claims?.ok !== true) return null;
  const { state, codes, at } = claims.value;
  return { state, codes, at };
}

function inTime(error: unknown): unknown {
  const isLate = error instanceof Error && error.name === "TimeoutError";
  if (!isLate) return error;
  const sentence = `the TPM gave no quote within ${attestMsMax / 1_000} seconds`;
  return new OperationalError("ATTEST_TIMEOUT", sentence, { cause: error });
}
