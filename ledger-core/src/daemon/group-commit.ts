/** Many writers, one fsync: gathers items for a moment and acknowledges them after one COMMIT. */

import { OperationalError } from "../base/operational-error.ts";
import type { Database } from "./sqlite.ts";
import { databaseError, requireDurable } from "./sqlite.ts";
import type { Clock } from "./system-clock.ts";

export type GroupCommitOptions<T, R> = {
  readonly database: Database;
  readonly clock: Clock;
  /**
   * Writes one item, inside the transaction. It may be called again for the same item after a
   * rollback, so it changes nothing but the database, or undoes it in `rolledBack`.
   */
  readonly apply: (item: T) => R;
  /**
   * Called after each rollback, of the whole batch or of the item that failed: what is held in
   * memory must be read from the database again (inside the transaction, where one is open).
   */
  readonly rolledBack?: () => void;
  /** Milliseconds that the first item of a batch waits for others; 0 is one turn of the loop. */
  readonly waitMs: number;
  /** Items, and bytes as {@link GroupCommit.add} was told, at which a batch no longer waits. */
  readonly itemsMax: number;
  readonly bytesMax: number;
};

/**
 * At most `itemsMax` items and `bytesMax` bytes (or one larger item) are held at any time: the item
 * that reaches a maximum commits the batch before `add` returns.
 */
export class GroupCommit<T, R = void> {
  readonly #options: GroupCommitOptions<T, R>;
  #batch: Waiting<T, R>[] = [];
  #bytes = 0;
  #timer: AbortController | undefined;
  #closed = false;

  constructor(options: GroupCommitOptions<T, R>) {
    requireDurable(options.database);
    this.#options = options;
  }

  /**
   * Resolves with `apply`'s result once the COMMIT that holds it has returned. Rejects with what
   * `apply` threw for this item, which its neighbours do not suffer from; with DISK_FULL,
   * DATABASE_IO and the like for the whole batch; with DATABASE_CLOSED after {@link close}.
   */
  add(item: T, bytes: number): Promise<R> {
    if (this.#closed) {
      const sentence = "The database is closing and takes nothing more.";
      return Promise.reject(new OperationalError("DATABASE_CLOSED", sentence));
    }
    return new Promise((resolve, reject) => {
      this.#batch.push({ item, resolve, reject });
      this.#bytes += bytes;
      const { itemsMax, bytesMax } = this.#options;
      if (this.#batch.length >= itemsMax || this.#bytes >= bytesMax) this.flush();
      else if (this.#timer === undefined) this.#arm();
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (batch.length > 0) this.#commit(batch);
  }

  /** Commits what waits and takes nothing more; the database stays open. */
  close(): void {
    this.#closed = true;
    this.flush();
  }

  #arm(): void {
    const timer = new AbortController();
    this.#timer = timer;
    const flushUnlessFlushed = () => {
      if (!timer.signal.aborted) this.flush();
    };
    this.#options.clock
      .sleep(this.#options.waitMs, { signal: timer.signal })
      .then(flushUnlessFlushed, flushUnlessFlushed);
  }

  #commit(batch: readonly Waiting<T, R>[]): void {
    const outcome = this.#tryTogether(batch) ?? this.#tryApart(batch);
    for (const settle of outcome) settle();
  }

  /** The usual way; undefined where an item failed and its neighbours deserve a second try. */
  #tryTogether(batch: readonly Waiting<T, R>[]): Outcome | undefined {
    const { database, apply, rolledBack } = this.#options;
    try {
      const all = database.transaction(() =>
        batch.map(({ item, resolve }) => {
          const result = apply(item);
          return () => resolve(result);
        }),
      );
      return all.immediate();
    } catch (error) {
      rolledBack?.();
      return this.#isOfTheDatabase(error) ? rejectAll(batch, this.#translate(error)) : undefined;
    }
  }

  /** Still one COMMIT: a savepoint around each item takes back only the one that fails. */
  #tryApart(batch: readonly Waiting<T, R>[]): Outcome {
    const { database, apply, rolledBack } = this.#options;
    const settles: (() => void)[] = [];
    const one = database.transaction((item: T) => apply(item));
    const all = database.transaction(() => {
      for (const { item, resolve, reject } of batch) {
        try {
          const result = one(item);
          settles.push(() => resolve(result));
        } catch (error) {
          // SQLite gives up the whole transaction by itself where going on makes no sense.
          if (this.#isOfTheDatabase(error) || !database.inTransaction) throw error;
          rolledBack?.();
          settles.push(() => reject(error));
        }
      }
    });
    try {
      all.immediate();
      return settles;
    } catch (error) {
      rolledBack?.();
      return rejectAll(batch, this.#translate(error));
    }
  }

  /** A full or failing disk fails every item alike: another try would only wait longer. */
  #isOfTheDatabase(error: unknown): boolean {
    return this.#translate(error) !== error;
  }

  #translate(error: unknown): unknown {
    return databaseError(error, this.#options.database.name);
  }
}

type Waiting<T, R> = {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

type Outcome = readonly (() => void)[];

function rejectAll<T, R>(batch: readonly Waiting<T, R>[], error: unknown): Outcome {
  return batch.map(
    ({ reject }) =>
      () =>
        reject(error),
  );
}
