/** The rows of one log in SQLite: entries by index, tiles by place, and the head beside them. */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import type { Tile } from "../log/tile.ts";

/** What {@link SqliteLog} reads and writes; blobs come out as plain `Uint8Array`. */
export type SqliteLogRows = {
  readonly prefix: string;
  putEntry(index: number, bytes: Uint8Array): void;
  putTile(tile: Tile): void;
  putHead(head: { readonly size: number; readonly root: Uint8Array }): void;
  entry(index: number): Uint8Array | undefined;
  /** In order of index. */
  entries(): Iterable<{ readonly index: number; readonly bytes: Uint8Array }>;
  tile(level: number, index: number): Uint8Array | undefined;
  head(): { readonly size: number; readonly root: Uint8Array } | undefined;
  /** One more than the last entry's index, 0 without any. */
  count(): number;
};

const prefixPattern = /^[a-z][a-z0-9_]{0,31}$/;

/** Makes sure of the tables and prepares every statement once. */
export function openRows(db: Database.Database, prefix: string): SqliteLogRows {
  assert(prefixPattern.test(prefix), "table prefix is a plain name");
  db.exec(`
    CREATE TABLE IF NOT EXISTS ${prefix}_entry (
      idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS ${prefix}_tile (
      place INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS ${prefix}_head (
      one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL) STRICT;
  `);
  // An entry is never written twice: a second INSERT of an index fails.
  const putEntry = db.prepare<[number, Uint8Array]>(`INSERT INTO ${prefix}_entry VALUES (?, ?)`);
  const putTile = db.prepare<[number, Uint8Array]>(
    `INSERT INTO ${prefix}_tile VALUES (?, ?)
     ON CONFLICT (place) DO UPDATE SET hashes = excluded.hashes`,
  );
  const putHead = db.prepare<[number, Uint8Array]>(
    `INSERT INTO ${prefix}_head VALUES (1, ?, ?)
     ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root`,
  );
  const entry = db
    .prepare<[number], Uint8Array>(`SELECT bytes FROM ${prefix}_entry WHERE idx = ?`)
    .pluck();
  const entries = db.prepare<[], { readonly idx: number; readonly bytes: Uint8Array }>(
    `SELECT idx, bytes FROM ${prefix}_entry ORDER BY idx`,
  );
  const tile = db
    .prepare<[number], Uint8Array>(`SELECT hashes FROM ${prefix}_tile WHERE place = ?`)
    .pluck();
  const head = db.prepare<[], { readonly size: number; readonly root: Uint8Array }>(
    `SELECT size, root FROM ${prefix}_head`,
  );
  const count = db
    .prepare<[], number>(`SELECT coalesce(max(idx) + 1, 0) FROM ${prefix}_entry`)
    .pluck();

  return {
    prefix,
    putEntry: (index, bytes) => void putEntry.run(index, bytes),
    putTile: ({ level, index, hashes }) => void putTile.run(placeOf(level, index), hashes),
    putHead: ({ size, root }) => void putHead.run(size, root),
    entry: (index) => plain(entry.get(index)),
    *entries() {
      for (const row of entries.iterate()) yield { index: row.idx, bytes: plainBytes(row.bytes) };
    },
    tile: (level, index) => plain(tile.get(placeOf(level, index))),
    head() {
      const row = head.get();
      return row === undefined ? undefined : { size: row.size, root: plainBytes(row.root) };
    },
    count: () => count.get() ?? 0,
  };
}

/** Level above, index below: 45 bits hold the tiles of 2^53 leaves, and 7 levels stay below 2^53. */
export function placeOf(level: number, index: number): number {
  return level * 2 ** 46 + index;
}

function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : plainBytes(bytes);
}

/** The same memory without the driver's `Buffer` around it. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
