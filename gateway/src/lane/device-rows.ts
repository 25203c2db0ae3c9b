/** The devices that a lane has heard of, with what it counts of each. */

import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { devicesCachedMax } from "../limits.ts";
import { BoundedCache } from "./bounded-cache.ts";

/** Counters change in memory and are written by {@link DeviceRows.flush} in the same transaction. */
export type DeviceRow = {
  readonly id: number;
  readonly name: Identifier;
  conflicts: number;
  refused: number;
  quarantineBytes: number;
  /** Refused messages of which only digest and count remain. */
  bytesDropped: number;
  /** Ordinal of the lane incarnation in which the device last listed all that it holds; 0 before. */
  answered: number;
};

const columns = `id, name, conflicts, refused, quarantine_bytes AS quarantineBytes,
  bytes_dropped AS bytesDropped, answered`;

export class DeviceRows {
  readonly #cache = new BoundedCache<DeviceRow>(devicesCachedMax);
  readonly #changed = new Set<DeviceRow>();
  readonly #select;
  readonly #insert;
  readonly #update;
  readonly #sum;

  constructor(db: Database) {
    this.#select = db.prepare<[string], DeviceRow>(`SELECT ${columns} FROM device WHERE name = ?`);
    this.#insert = db.prepare<[string]>("INSERT INTO device VALUES (NULL, ?, 0, 0, 0, 0, 0)");
    this.#update = db.prepare<[number, number, number, number, number, number]>(
      `UPDATE device SET conflicts = ?, refused = ?, quarantine_bytes = ?, bytes_dropped = ?,
       answered = ? WHERE id = ?`,
    );
    this.#sum = db.prepare<[], Omit<DeviceRow, "id" | "name" | "answered"> & { devices: number }>(
      `SELECT count(*) AS devices, coalesce(sum(conflicts), 0) AS conflicts,
       coalesce(sum(refused), 0) AS refused, coalesce(sum(quarantine_bytes), 0) AS quarantineBytes,
       coalesce(sum(bytes_dropped), 0) AS bytesDropped FROM device`,
    );
  }

  find(name: Identifier): DeviceRow | undefined {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const row = this.#select.get(name);
    if (row !== undefined) this.#cache.set(name, row);
    return row;
  }

  /** Inside a transaction: the device's row, new where there was none. */
  obtain(name: Identifier): DeviceRow {
    const known = this.find(name);
    if (known !== undefined) return known;
    const id = Number(this.#insert.run(name).lastInsertRowid);
    const counts = { conflicts: 0, refused: 0, quarantineBytes: 0, bytesDropped: 0, answered: 0 };
    const row = { id, name, ...counts };
    this.#cache.set(name, row);
    return row;
  }

  change(row: DeviceRow): DeviceRow {
    this.#changed.add(row);
    return row;
  }

  /** Writes what changed; in the transaction that caused it. */
  flush(): void {
    for (const row of this.#changed) {
      const { conflicts, refused, quarantineBytes, bytesDropped, answered, id } = row;
      this.#update.run(conflicts, refused, quarantineBytes, bytesDropped, answered, id);
    }
    this.#changed.clear();
  }

  /** After a transaction that did not commit. */
  forget(): void {
    this.#cache.clear();
    this.#changed.clear();
  }

  totals() {
    return this.#sum.get();
  }
}
