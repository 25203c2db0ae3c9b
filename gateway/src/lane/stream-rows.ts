/** The stream incarnations of devices, with the interval set of each, the newest in memory. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { incarnationsCachedMax } from "../limits.ts";
import { BoundedCache } from "./bounded-cache.ts";
import { IntervalSet } from "./interval-set.ts";
import { bytesKey, storedIdentifier } from "./stored.ts";

export type StreamRow = {
  readonly id: number;
  readonly stream: Identifier;
  /** Changes in memory, and is written by {@link StreamRows.flush} in the same transaction. */
  readonly received: IntervalSet;
};

type StoredStream = { readonly id: number; readonly name: string; readonly received: Uint8Array };

export class StreamRows {
  readonly #cache = new BoundedCache<StreamRow>(incarnationsCachedMax);
  readonly #changed = new Set<StreamRow>();
  readonly #select;
  readonly #insert;
  readonly #update;

  constructor(db: Database) {
    this.#select = db.prepare<[number, Uint8Array], StoredStream>(
      "SELECT id, name, received FROM stream WHERE device = ? AND incarnation = ?",
    );
    this.#insert = db.prepare<[number, Uint8Array, string, Uint8Array]>(
      "INSERT INTO stream VALUES (NULL, ?, ?, ?, ?)",
    );
    this.#update = db.prepare<[Uint8Array, number]>("UPDATE stream SET received = ? WHERE id = ?");
  }

  find(device: number, incarnation: Uint8Array): StreamRow | undefined {
    const key = `${device}/${bytesKey(incarnation)}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const stored = this.#select.get(device, incarnation);
    if (stored === undefined) return undefined;
    const received = present(IntervalSet.parse(stored.received), "stored interval set");
    const row = { id: stored.id, stream: storedIdentifier(stored.name), received };
    this.#cache.set(key, row);
    return row;
  }

  /** Inside a transaction: the incarnation's row, new under this stream where there was none. */
  obtain(device: number, incarnation: Uint8Array, stream: Identifier): StreamRow {
    const known = this.find(device, incarnation);
    if (known !== undefined) return known;
    const received = new IntervalSet();
    const stored = this.#insert.run(device, incarnation, stream, received.encode());
    const row = { id: Number(stored.lastInsertRowid), stream, received };
    this.#cache.set(`${device}/${bytesKey(incarnation)}`, row);
    return row;
  }

  change(row: StreamRow): void {
    this.#changed.add(row);
  }

  /** Writes what changed; in the transaction that caused it. */
  flush(): void {
    for (const row of this.#changed) this.#update.run(row.received.encode(), row.id);
    this.#changed.clear();
  }

  /** After a transaction that did not commit. */
  forget(): void {
    this.#cache.clear();
    this.#changed.clear();
  }
}
