/** The outbox on SQLite: takes readings in, has them signed, hands statements out, keeps its quota. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { StreamHead } from "@tamga/ledger-core/wire/attestation-evidence";
import type { SequenceRange, TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { gapReasons } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { rangesPerGapMax } from "@tamga/ledger-core/wire/limits";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";
import type { IncarnationRanges } from "@tamga/ledger-core/wire/uplink-message";
import type { RestCipherName } from "../at-rest/rest-cipher.ts";
import { liveWindowMax, outboxQuotaMin, outboxRunsMax } from "../limits.ts";
import type { Signer } from "../signer/signer.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { OutboxConfig } from "./outbox.ts";
import { bodyCost, statementCost, toRange } from "./outbox.ts";
import type { HeldResult, RunRow } from "./outbox-store.ts";
import { OutboxStore, plainBytes } from "./outbox-store.ts";
import type { RowSealing } from "./row-sealing.ts";
import { RunWriter } from "./run-writer.ts";
import type { SendMark, StatementToSend, StoredStatement } from "./sending.ts";
import { Sending } from "./sending.ts";
import { statementMaker } from "./statement-maker.ts";

export type OutboxOptions = {
  /** Opened by `openDatabase` with `outboxMigrations`; the caller closes it after the outbox. */
  readonly database: Database;
  /** How rows are encrypted on disk; not at all where it is not given. */
  readonly rows?: RowSealing;
  readonly config: OutboxConfig;
  readonly address: DeviceAddress;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly crypto: Pick<CryptoPort, "sha256" | "sm3">;
  /** For the seeds of bundles: of the operating system's generator. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Called after each commit that brought a statement: there is something to send. */
  readonly onStatement: () => void;
  /** Called once with what no retry mends: the process must end. */
  readonly onFailure: (error: unknown) => void;
};

/** One stream in one run of the process. */
export type OutboxRun = {
  readonly id: number;
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
};

export type OutboxStatus = {
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** `stopped`: readings do not fit and only their number is kept, for a gap statement. */
  readonly intake: "open" | "stopped";
  /** True while not even a gap can be written. */
  readonly diskFull: boolean;
  /** How new readings are encrypted on this disk. */
  readonly atRest: RestCipherName;
  readonly statements: Readonly<Record<"pending" | "provisional" | "final" | "rejected", number>>;
  readonly gapRanges: number;
  /** 1 unless a backlog is being thinned: one of 2^(level−1) bundles stays. */
  readonly thinLevel: number;
  readonly inFlight: number;
  /** The signer's fault code while a signature does not come; the journal grows meanwhile. */
  readonly signing: string | undefined;
};

export class SqliteOutbox {
  readonly #options: OutboxOptions;
  readonly #store: OutboxStore;
  readonly #queue: CommitQueue;
  readonly #sending: Sending;
  readonly #writers = new Map<number, RunWriter>();
  readonly #open = new Set<number>();
  readonly #abort = new AbortController();
  #make: ReturnType<typeof statementMaker>;
  #keyKind: Signer["keyKind"];
  #signing: string | undefined;
  #failed = false;
  #statingGaps = false;

  constructor(options: OutboxOptions) {
    const { database, config, clock, crypto, signer, address } = options;
    assert(config.quota >= outboxQuotaMin, "the configuration keeps the quota above its minimum");
    this.#options = options;
    this.#store = new OutboxStore(database, config, options.rows);
    this.#queue = new CommitQueue(this.#store, {
      clock,
      journalAfterMs: config.journalAfterMs,
      onFailure: (error) => this.#fail(error),
    });
    this.#sending = new Sending(this.#store, liveWindowMax);
    this.#make = statementMaker(crypto.sha256, { signer, address });
    this.#keyKind = signer.keyKind;
  }

  /** Every statement that is begun from now on is by this key; one under way is finished by the key before. */
  signWith(signer: Signer): void {
    const { crypto, address } = this.#options;
    this.#make = statementMaker(crypto.sha256, { signer, address });
    this.#keyKind = signer.keyKind;
  }

  /**
   * Begins an incarnation: what an earlier one left in the journal or lost is closed first, as its
   * own statements; then comes the `start` that names it. Readings may be journaled at once.
   *
   * @param incarnation 16 fresh random bytes. Throws OUTBOX_INCARNATION_KNOWN, OUTBOX_RUNS_FULL.
   * @returns when the run is on disk; `started` when its start statement is.
   */
  async openRun(part: {
    readonly stream: Identifier;
    readonly protocol: string;
    readonly emulated: boolean;
    readonly incarnation: Uint8Array;
    readonly bootId: Uint8Array;
    readonly agentVersion: string;
  }): Promise<{ readonly run: OutboxRun; readonly started: Promise<void> }> {
    const { stream, incarnation, bootId, protocol, emulated, agentVersion } = part;
    const earlier = this.#store.runs();
    if (earlier.length >= outboxRunsMax) {
      throw new OperationalError(
        "OUTBOX_RUNS_FULL",
        `the outbox holds ${earlier.length} runs of this agent that reached no gateway`,
        { details: { runs: earlier.length, limit: outboxRunsMax } },
      );
    }
    const leftOver = earlier.filter((row) => row.stream === stream && !this.#open.has(row.id));
    for (const row of leftOver) this.#closeLeftOver(row);
    const row = this.#store.transaction(() =>
      this.#store.insertRun({ stream, incarnation, bootId, next: 0, bundles: 0, last: undefined }),
    );
    this.#open.add(row.id);
    const writer = this.#writer(row);
    const newest = leftOver.at(-1);
    const started = writer.order({
      kind: "start",
      predecessor: newest === undefined ? undefined : this.#writer(newest),
      agentVersion,
      keyKind: this.#keyKind,
      protocol,
      emulated,
    });
    // Whoever does not wait for it may still close the outbox.
    started.catch(() => undefined);
    this.#queue.flush();
    return { run: { id: row.id, stream, incarnation }, started };
  }

  /**
   * Takes readings in. They have their sequences at once, and are on disk when `durable` resolves,
   * at most `journalAfterMs` later; it says how many were kept. Those that did not fit are listed,
   * with reason `stopped`, for the next gap statement.
   */
  journal(
    run: OutboxRun,
    readings: readonly { readonly bytes: Uint8Array; readonly receiveTime: UnixMillis }[],
  ): { readonly range: SequenceRange; readonly durable: Promise<number> } {
    const writer = this.#writerOf(run);
    const first = writer.assign(readings.length);
    const rows = readings.map(({ bytes, receiveTime }, index) => ({
      sequence: first + index,
      received: receiveTime,
      bytes,
    }));
    const durable = new Promise<number>((resolve) => {
      this.#queue.readings({ run: writer.row, rows, settle: resolve });
    });
    this.#stateManyGaps();
    return { range: toRange({ from: first, to: first + readings.length }), durable };
  }

  /** Closes what lies before `upTo` into bundles; resolves when they are on disk, signed. */
  closeBundle(run: OutboxRun, upTo: bigint): Promise<void> {
    return this.#writerOf(run).closeUpTo(Number(upTo));
  }

  /**
   * States what was lost, then that the stream lives; resolves when both are on disk. A heartbeat
   * is left out where it would need what is kept for gaps.
   */
  async heartbeat(run: OutboxRun, part: { readonly clock: ClockQuality }): Promise<void> {
    const { clock } = this.#options;
    const gaps = this.stateGaps();
    const room = this.#store.account.used < this.#store.limit("reading");
    const beat =
      room && !this.#queue.diskFull
        ? this.#writerOf(run).order({
            kind: "heartbeat",
            now: clock.now(),
            monotonic: clock.monotonic(),
            clock: part.clock,
          })
        : Promise.resolve();
    await Promise.all([gaps, beat]);
  }

  /** Where the runs of this process stand on disk; one that waits for a full disk is left out. */
  heads(): readonly StreamHead[] {
    this.#queue.flush();
    return [...this.#open].flatMap((id) => this.#writers.get(id)?.head ?? []);
  }

  /**
   * States evidence with the boot event log that it names; resolves when that is on disk.
   *
   * @returns false where it was left out, since it would need what is kept for gaps.
   */
  async evidence(
    run: OutboxRun,
    part: { readonly evidence: Uint8Array; readonly log: Uint8Array | undefined },
  ): Promise<boolean> {
    const writer = this.#writerOf(run);
    const { used } = this.#store.account;
    const need = bodyCost(part.log?.length ?? 0) + statementCost(part.evidence.length + 1_024);
    if (this.#queue.diskFull || used + need > this.#store.limit("reading")) return false;
    await writer.order({ kind: "evidence", ...part });
    return true;
  }

  /** States all that was lost, in every incarnation; also on connect, and by itself at 256 ranges. */
  async stateGaps(): Promise<void> {
    this.#queue.flush();
    if (this.#queue.diskFull) return;
    const orders = this.#store.gaps.kinds().map(({ run, reason }) =>
      this.#writer(this.#store.run(run)).order({
        kind: "gap",
        reason: gapReasons[reason] ?? "damaged",
      }),
    );
    await Promise.all(orders);
  }

  /** Up to `room` statements to send now, live ones and backlog by turns; in flight from now on. */
  nextToSend({ room }: { readonly room: number }): readonly StatementToSend[] {
    return this.#sending.next(room);
  }

  /** PUBACK: the gateway has it on disk. Kept in memory only. */
  acknowledged(id: number): void {
    this.#sending.queue.acknowledged(id);
  }

  /** The connection is gone: what was in flight goes again. */
  disconnected(): void {
    this.#sending.queue.disconnected();
  }

  /** The statement that a proof speaks of; undefined when it is not, or no longer, here. */
  find(incarnation: Uint8Array, first: bigint): StoredStatement | undefined {
    return this.#sending.find(incarnation, first);
  }

  /** The place of the newest statement on disk; 0 where there is none. */
  lastOrdinal(): number {
    return this.#store.statements.last();
  }

  /** Some statements after that place which are final, oldest first. */
  finalAfter(ordinal: number): readonly { readonly id: number; readonly bytes: Uint8Array }[] {
    return this.#store.statements
      .finalAfter(ordinal)
      .map((row) => ({ id: row.ordinal, bytes: plainBytes(row.bytes) }));
  }

  /** A provisional receipt of each was verified. Resolves when that is on disk. */
  markProvisional(ids: readonly number[]): Promise<void> {
    return this.#change(() => {
      for (const id of ids) this.#store.statements.advance(id, 1);
    });
  }

  /** A final receipt of each was verified, under this checkpoint: their space may be used again. */
  markFinal(ids: readonly number[], checkpoint: TreeHead): Promise<void> {
    return this.#change(() => {
      for (const id of ids) this.#store.statements.advance(id, 2);
      this.#store.saveCheckpoint(checkpoint);
    });
  }

  /** The gateway refused each, and the final receipt of the refusal was verified. */
  markRejected(
    refusals: readonly { readonly id: number; readonly rejection: Uint8Array }[],
  ): Promise<void> {
    return this.#change(() => {
      for (const { id, rejection } of refusals) this.#store.statements.advance(id, 3, rejection);
    });
  }

  /** The newest checkpoint that was verified; every later statement names it. */
  checkpoint(): TreeHead | undefined {
    return this.#store.checkpoint();
  }

  /** For checkpoints that made nothing final. */
  rememberCheckpoint(checkpoint: TreeHead): Promise<void> {
    return this.#change(() => this.#store.saveCheckpoint(checkpoint));
  }

  /** What a gateway concluded last of this device. */
  heldResult(): HeldResult | undefined {
    return this.#store.heldResult();
  }

  /** It was verified; every later statement names it. Resolves when that is on disk. */
  holdResult(held: HeldResult): Promise<void> {
    return this.#change(() => this.#store.saveResult(held));
  }

  /** Pages of what is not final, for a `have`; each within the limits of one message. */
  pendingRanges(): Generator<readonly IncarnationRanges[]> {
    return this.#sending.pages("pending");
  }

  /** Pages of what is final and still whole, for a gateway that lost data. */
  keptRanges(): Generator<readonly IncarnationRanges[]> {
    return this.#sending.pages("kept");
  }

  /** Where all streams stand, to be taken before the pages of a `have` are made. */
  mark(): SendMark {
    const ends = this.#store
      .runs()
      .map((row) => [row.id, this.#writers.get(row.id)?.savedTo ?? row.next] as const);
    return new Map(ends);
  }

  /** The answer to a `have`: up to the mark the gateway holds all but what it wants. */
  async reconcile(mark: SendMark, wanted: readonly IncarnationRanges[]): Promise<void> {
    for (const [run, to] of mark) this.#sending.queue.held(run, { from: 0, to });
    await this.requeue(wanted);
  }

  /**
   * Sends these again, identically. A bundle whose body was given up cannot be: it is listed as
   * lost. @returns false when too many separate ranges were asked for at one time.
   */
  async requeue(ranges: readonly IncarnationRanges[]): Promise<boolean> {
    const { whole, complete } = this.#sending.requeue(ranges);
    if (whole.length > 0) await this.#change(() => this.#sending.shedBare(whole));
    return complete;
  }

  status(): OutboxStatus {
    const { used, gapRows, thinLevel, counts } = this.#store.account;
    const [pending, provisional, final, rejected] = counts;
    return {
      usedBytes: used,
      quotaBytes: this.#options.config.quota,
      intake: this.#queue.intakeStopped ? "stopped" : "open",
      diskFull: this.#queue.diskFull,
      atRest: this.#options.rows?.name ?? "off",
      statements: { pending, provisional, final, rejected },
      gapRanges: gapRows,
      thinLevel,
      inFlight: this.#sending.queue.inFlight,
      signing: this.#signing,
    };
  }

  /** Commits what waits in memory, now. */
  flush(): void {
    this.#queue.flush();
  }

  /** Commits what waits and stops; what is in the journal is bundled by the next run. */
  close(): void {
    const reason = new OperationalError("OUTBOX_CLOSED", "the outbox is closing");
    this.#queue.close();
    this.#abort.abort(reason);
    for (const writer of this.#writers.values()) writer.stop(reason);
  }

  #closeLeftOver(row: RunRow): void {
    const writer = this.#writer(row);
    const closing = writer.closeUpTo(row.next);
    closing.catch((error: unknown) => this.#fail(error));
    for (const { run, reason } of this.#store.gaps.kinds()) {
      if (run !== row.id) continue;
      const stated = writer.order({ kind: "gap", reason: gapReasons[reason] ?? "damaged" });
      stated.catch((error: unknown) => this.#fail(error));
    }
  }

  /** A long list would not fit one statement, and would be lost with the disk. */
  #stateManyGaps(): void {
    if (this.#statingGaps || this.#store.account.gapRows < rangesPerGapMax) return;
    this.#statingGaps = true;
    this.stateGaps()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#statingGaps = false;
      });
  }

  #change(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.change({ apply, done: resolve, fail: reject });
    });
  }

  #writerOf(run: OutboxRun): RunWriter {
    const writer = this.#writers.get(run.id);
    assert(writer !== undefined && this.#open.has(run.id), "the run is open");
    return writer;
  }

  #writer(row: RunRow): RunWriter {
    const known = this.#writers.get(row.id);
    if (known !== undefined) return known;
    const { config, crypto, randomBytes, clock } = this.#options;
    const writer = new RunWriter(row, {
      store: this.#store,
      queue: this.#queue,
      make: (part, options) => this.#make(part, options),
      crypto,
      bundleHash: config.bundleHash ?? "sha-256",
      randomBytes,
      clock,
      signal: this.#abort.signal,
      added: (run, first) => {
        this.#sending.queue.added(run.id, first, this.#open.has(run.id));
        this.#options.onStatement();
      },
      signing: (trouble) => {
        this.#signing = trouble;
      },
      failed: (error) => this.#fail(error),
    });
    this.#writers.set(row.id, writer);
    return writer;
  }

  #fail(error: unknown): void {
    if (this.#failed || this.#abort.signal.aborted) return;
    this.#failed = true;
    this.#options.onFailure(error);
  }
}
