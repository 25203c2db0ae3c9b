/** The tables of a channel's final blocks. */

import type Database from "better-sqlite3";

const schema = `
  CREATE TABLE IF NOT EXISTS chain_block (
    height INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, digest BLOB NOT NULL,
    first INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
    frame BLOB NOT NULL, hash BLOB NOT NULL, certificate BLOB) STRICT;
  CREATE TABLE IF NOT EXISTS chain_boundary (
    epoch INTEGER PRIMARY KEY, height INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS chain_pruned (
    one INTEGER PRIMARY KEY CHECK (one = 1), below INTEGER NOT NULL) STRICT;
`;

/**
 * A block without its transactions, which stand in the log and in its evidence: `first` and `count` say
 * where. `hash` is over the whole block.
 */
export type ChainColumns = {
  readonly height: number;
  readonly epoch: number;
  readonly digest: Uint8Array;
  readonly first: number;
  readonly count: number;
  /** Of the whole block, encoded. */
  readonly bytes: number;
  readonly frame: Uint8Array;
  readonly hash: Uint8Array;
  readonly certificate: Uint8Array | null;
};

/** What an answer is cut by. */
export type ChainMeasure = {
  readonly height: number;
  readonly epoch: number;
  readonly bytes: number;
  readonly certified: number;
};

/** Makes sure of the tables and prepares every statement once. */
export function chainStatements(db: Database.Database) {
  db.exec(schema);
  return {
    put: db.prepare<
      [
        number,
        number,
        Uint8Array,
        number,
        number,
        number,
        Uint8Array,
        Uint8Array,
        Uint8Array | null,
      ]
    >("INSERT INTO chain_block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    at: db.prepare<[number], ChainColumns>("SELECT * FROM chain_block WHERE height = ?"),
    last: db.prepare<[], ChainColumns>("SELECT * FROM chain_block ORDER BY height DESC LIMIT 1"),
    measure: db.prepare<[number, number], ChainMeasure>(
      `SELECT height, epoch, bytes, certificate IS NOT NULL AS certified FROM chain_block
       WHERE height >= ? ORDER BY height LIMIT ?`,
    ),
    measureDown: db.prepare<[number, number], ChainMeasure>(
      `SELECT height, epoch, bytes, certificate IS NOT NULL AS certified FROM chain_block
       WHERE height <= ? ORDER BY height DESC LIMIT ?`,
    ),
    certifiedFrom: db
      .prepare<[number], number>(
        `SELECT height FROM chain_block WHERE height >= ? AND certificate IS NOT NULL
         ORDER BY height LIMIT 1`,
      )
      .pluck(),
    putBoundary: db.prepare<[number, number]>("INSERT INTO chain_boundary VALUES (?, ?)"),
    boundaryOf: db
      .prepare<[number], number>("SELECT height FROM chain_boundary WHERE epoch = ?")
      .pluck(),
    pruned: db.prepare<[], number>("SELECT below FROM chain_pruned").pluck(),
    putPruned: db.prepare<[number]>("INSERT OR REPLACE INTO chain_pruned VALUES (1, ?)"),
    prune: db.prepare<[number]>(
      `DELETE FROM chain_block
       WHERE height < ? AND height NOT IN (SELECT height FROM chain_boundary)`,
    ),
    pruneEvidence: db.prepare<[number]>("DELETE FROM channel_evidence WHERE idx > 0 AND idx < ?"),
  };
}
