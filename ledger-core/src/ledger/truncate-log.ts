/** Cuts a log in SQLite back to an earlier size: only ever in a copy, for a log that goes on under another name. */

import type Database from "better-sqlite3";
import { assert, present } from "../base/assert.ts";
import { edgeTiles, tileHeight, tileWidth } from "../log/tile.ts";
import type { SqliteLog } from "./sqlite-log.ts";
import { openRows, placeOf } from "./sqlite-log-rows.ts";

/** Inside the caller's transaction. The log has to be opened anew afterwards. */
export function truncateLog(
  db: Database.Database,
  prefix: string,
  log: SqliteLog,
  size: number,
): void {
  assert(db.inTransaction, "a log is cut inside its caller's transaction");
  const root = log.root(size);
  const rows = openRows(db, prefix);
  const cutEntries = db.prepare<[number]>(`DELETE FROM ${prefix}_entry WHERE idx >= ?`);
  const cutTiles = db.prepare<[number, number]>(
    `DELETE FROM ${prefix}_tile WHERE place >= ? AND place < ?`,
  );
  for (const { level, index, width } of edgeTiles(size)) {
    const hashes = present(rows.tile(level, index), "a tile at the new edge");
    rows.putTile({ level, index, hashes: hashes.slice(0, 32 * width) });
  }
  for (let level = 0; level < levels; level++) {
    const first = Math.ceil(Math.floor(size / tileWidth ** level) / tileWidth);
    cutTiles.run(placeOf(level, first), placeOf(level + 1, 0));
  }
  cutEntries.run(size);
  rows.putHead({ size, root });
}

/** Of tiles, in a log of fewer than 2^53 entries. */
const levels = Math.ceil(53 / tileHeight);
