/** Gathers an outbox's writes in order and commits them together; a full disk loses nothing durable. */

import { InvariantError } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { databaseError } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { gapReasons } from "@tamga/ledger-core/wire/device-claims";
import {
  journalQueueBytesMax,
  outboxRetryMsMax,
  outboxRetryMsMin,
  statementCommitMs,
} from "../limits.ts";
import { backoffMs } from "./backoff.ts";
import type { JournalRow, OutboxStore, RunRow } from "./outbox-store.ts";

/** Readings on their way to the journal; `settle` learns how many of them were kept. */
type ReadingsWrite = {
  readonly type: "readings";
  readonly run: RunRow;
  readonly rows: readonly JournalRow[];
  readonly settle: (kept: number) => void;
  kept: number;
};

/** Readings that a full disk did not even let be stated yet. */
type LostWrite = {
  readonly type: "lost";
  readonly run: RunRow;
  readonly time: { readonly from: number; readonly to: number };
  readonly from: number;
  readonly to: number;
};

/**
 * Any other change of rows. `apply` may run again after a rollback, so it changes rows alone; `done`
 * follows the commit. Without `fail` it waits for a disk that has space again.
 */
export type ChangeWrite = {
  readonly type: "change";
  readonly run?: RunRow;
  readonly apply: () => void;
  readonly done: () => void;
  readonly fail?: (error: unknown) => void;
};

type Write = ReadingsWrite | LostWrite | ChangeWrite;

const stopped = gapReasons.indexOf("stopped");

export class CommitQueue {
  /** True while readings do not fit and are only counted. */
  intakeStopped = false;
  /** True while not even a gap can be written. */
  diskFull = false;
  readonly #store: OutboxStore;
  readonly #clock: Clock;
  readonly #journalAfterMs: number;
  readonly #onFailure: (error: unknown) => void;
  #queue: Write[] = [];
  #bytes = 0;
  #retries = 0;
  #timer: { readonly at: number; readonly abort: AbortController } | undefined;
  #closed = false;

  constructor(
    store: OutboxStore,
    options: {
      readonly clock: Clock;
      readonly journalAfterMs: number;
      /** Told of what no retry mends; the process must end. */
      readonly onFailure: (error: unknown) => void;
    },
  ) {
    this.#store = store;
    this.#clock = options.clock;
    this.#journalAfterMs = options.journalAfterMs;
    this.#onFailure = options.onFailure;
  }

  readings(write: Omit<ReadingsWrite, "type" | "kept">): void {
    this.#queue.push({ type: "readings", kept: 0, ...write });
    for (const { bytes } of write.rows) this.#bytes += bytes.length;
    if (this.#bytes >= journalQueueBytesMax) this.flush();
    else this.#arm(this.#journalAfterMs);
  }

  change(write: Omit<ChangeWrite, "type">): void {
    this.#queue.push({ type: "change", ...write });
    this.#arm(statementCommitMs);
  }

  /** Whether a reading of this run below `sequence` is still in memory alone. */
  holdsReading(run: number, sequence: number): boolean {
    return this.#queue.some(
      (write) =>
        write.type === "readings" &&
        write.run.id === run &&
        (write.rows[0]?.sequence ?? Number.POSITIVE_INFINITY) < sequence,
    );
  }

  /** Commits all that waits, before it returns; on a full disk what is possible. */
  flush(): void {
    this.#timer?.abort.abort();
    this.#timer = undefined;
    if (this.#queue.length === 0 || this.#closed) return;
    const batch = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    try {
      if (!this.#tryCommit(batch)) this.#commitOnFullDisk(batch);
    } catch (error) {
      this.#closed = true;
      this.#onFailure(error);
      for (const write of batch) if (write.type === "change") write.fail?.(error);
    }
  }

  /** Commits and takes nothing more. */
  close(): void {
    this.flush();
    this.#timer?.abort.abort();
    this.#closed = true;
  }

  /** False where the disk is full; the rows are then as before. */
  #tryCommit(batch: readonly Write[]): boolean {
    try {
      this.#store.transaction(() => {
        for (const write of batch) this.#apply(write);
        for (const run of new Set(batch.map((write) => write.run))) {
          if (run !== undefined) this.#store.updateRun(run);
        }
      });
    } catch (error) {
      const known = databaseError(error, "outbox");
      if (known instanceof OperationalError && known.code === "DISK_FULL") return false;
      throw known;
    }
    this.#committed(batch);
    return true;
  }

  #committed(batch: readonly Write[]): void {
    this.diskFull = false;
    this.#retries = 0;
    // Space may have come back: the limit that the disk set is felt for upwards.
    if (this.#store.diskLimit !== undefined) this.#store.diskLimit += probeBytes;
    for (const write of batch) {
      if (write.type === "readings") {
        this.intakeStopped = write.kept < write.rows.length;
        write.settle(write.kept);
      } else if (write.type === "change") write.done();
    }
  }

  /**
   * A disk that is full before the quota is: from now on it is the quota. Readings that do not fit
   * even so are counted in memory until the disk takes the gap; statements wait.
   */
  #commitOnFullDisk(batch: readonly Write[]): void {
    this.#store.diskLimit = this.#store.account.used;
    try {
      this.#store.restartLog();
    } catch {
      // Then the log grows where it can.
    }
    if (this.#tryCommit(batch)) return;
    this.intakeStopped = true;
    const rest: Write[] = [];
    for (const write of batch) {
      if (write.type !== "readings") rest.push(write);
      else {
        addLost(rest, write);
        write.settle(0);
      }
    }
    if (this.#tryCommit(rest)) {
      this.intakeStopped = true;
      return;
    }
    this.diskFull = true;
    const error = new OperationalError("DISK_FULL", "the disk takes no more of the outbox");
    this.#queue = rest.filter((write) => write.type !== "change" || write.fail === undefined);
    for (const write of rest) if (write.type === "change") write.fail?.(error);
    const limits = { msMin: outboxRetryMsMin, msMax: outboxRetryMsMax };
    this.#arm(backoffMs(limits, { attempt: this.#retries++, random: this.#clock.random() }));
  }

  #apply(write: Write): void {
    switch (write.type) {
      case "readings":
        write.kept = this.#keep(write);
        break;
      case "lost": {
        const { from, to, time } = write;
        this.#store.gaps.add(write.run.id, { from, to, time, reason: stopped });
        break;
      }
      case "change":
        write.apply();
        break;
    }
  }

  /** Journals what fits and lists the rest as a gap. */
  #keep({ run, rows }: ReadingsWrite): number {
    const costs = rows.map(({ bytes }) => this.#store.journalCost(bytes.length));
    const need = costs.reduce((sum, cost) => sum + cost, 0);
    const limit = this.#store.limit("reading");
    const fits = this.#store.makeRoom(need, "reading");
    let kept = 0;
    for (const [index, row] of rows.entries()) {
      if (fits || this.#store.account.used + (costs[index] ?? 0) <= limit) {
        this.#store.insertJournal(run.id, row);
        kept++;
      } else {
        const time = { from: row.received, to: row.received };
        const { sequence } = row;
        this.#store.gaps.add(run.id, { from: sequence, to: sequence + 1, time, reason: stopped });
      }
    }
    return kept;
  }

  /** The earlier of two wishes counts. */
  #arm(ms: number): void {
    const at = this.#clock.monotonic() + ms;
    if (this.#closed || (this.#timer !== undefined && this.#timer.at <= at)) return;
    // While the disk is full only its own retry is worth a try.
    if (this.diskFull && this.#timer !== undefined) return;
    this.#timer?.abort.abort();
    const abort = new AbortController();
    this.#timer = { at, abort };
    this.#clock.sleep(ms, { signal: abort.signal }).then(
      () => {
        if (!abort.signal.aborted) this.flush();
      },
      (reason: unknown) => {
        if (reason instanceof InvariantError) this.#onFailure(reason);
      },
    );
  }
}

/** How much further than the last full disk each commit dares to go. */
const probeBytes = 65_536;

function addLost(writes: Write[], { run, rows }: ReadingsWrite): void {
  for (const { sequence, received } of rows) {
    const last = writes.at(-1);
    if (last?.type === "lost" && last.run === run && last.to === sequence) {
      const time = {
        from: Math.min(last.time.from, received),
        to: Math.max(last.time.to, received),
      };
      writes[writes.length - 1] = { ...last, time, to: sequence + 1 };
    } else {
      const time = { from: received, to: received };
      writes.push({ type: "lost", run, time, from: sequence, to: sequence + 1 });
    }
  }
}
