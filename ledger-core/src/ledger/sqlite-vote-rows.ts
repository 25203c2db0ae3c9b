/** The tables of the votes database. Every row carries a hash over its key and content. */

import type Database from "better-sqlite3";

/** `check` is SHA-256 as `sqlite-vote-store` computes it; `sum` is the XOR of the checks of a channel's rows. */
export const voteMigrations: readonly string[] = [
  `
  CREATE TABLE vote_channel (
    channel BLOB PRIMARY KEY, floor_epoch INTEGER NOT NULL, floor_view INTEGER NOT NULL,
    amnesia INTEGER NOT NULL, sum BLOB NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE vote (
    channel BLOB NOT NULL, epoch INTEGER NOT NULL, view INTEGER NOT NULL, kind INTEGER NOT NULL,
    content BLOB NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (channel, epoch, view, kind)) STRICT, WITHOUT ROWID;
  CREATE TABLE vote_block (
    id INTEGER PRIMARY KEY,
    channel BLOB NOT NULL, epoch INTEGER NOT NULL, view INTEGER NOT NULL, digest BLOB NOT NULL,
    content BLOB NOT NULL, hash BLOB NOT NULL,
    UNIQUE (channel, epoch, view, digest)) STRICT;
  `,
];

/** Whose votes a row is, and in which view. */
export type RowKey = {
  readonly channel: Uint8Array;
  readonly epoch: number;
  readonly view: number;
};

/** Rows of `vote`: own votes (0), or the certificate of a kind (`voteKinds`). */
export type VoteColumns = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: number;
  readonly content: Uint8Array;
  readonly hash: Uint8Array;
};
export type BlockColumns = Omit<VoteColumns, "kind"> & { readonly digest: Uint8Array };
export type ChannelColumns = {
  readonly floor_epoch: number;
  readonly floor_view: number;
  readonly amnesia: number;
  readonly sum: Uint8Array;
  readonly hash: Uint8Array;
};

/** Prepares every statement once. */
export function voteStatements(db: Database.Database) {
  const upTo = "channel = ? AND (epoch < ? OR (epoch = ? AND view <= ?))";
  return {
    channel: db.prepare<[Uint8Array], ChannelColumns>(
      "SELECT floor_epoch, floor_view, amnesia, sum, hash FROM vote_channel WHERE channel = ?",
    ),
    putChannel: db.prepare<[Uint8Array, number, number, number, Uint8Array, Uint8Array]>(
      "INSERT OR REPLACE INTO vote_channel VALUES (?, ?, ?, ?, ?, ?)",
    ),
    vote: db.prepare<[Uint8Array, number, number, number], VoteColumns>(
      `SELECT epoch, view, kind, content, hash FROM vote
       WHERE channel = ? AND epoch = ? AND view = ? AND kind = ?`,
    ),
    votes: db.prepare<[Uint8Array], VoteColumns>(
      `SELECT epoch, view, kind, content, hash FROM vote WHERE channel = ?
       ORDER BY epoch, view, kind`,
    ),
    putVote: db.prepare<[Uint8Array, number, number, number, Uint8Array, Uint8Array]>(
      "INSERT OR REPLACE INTO vote VALUES (?, ?, ?, ?, ?, ?)",
    ),
    blocks: db.prepare<[Uint8Array], BlockColumns>(
      `SELECT epoch, view, digest, content, hash FROM vote_block WHERE channel = ?
       ORDER BY epoch, view, digest`,
    ),
    hasBlock: db
      .prepare<[Uint8Array, number, number, Uint8Array], number>(
        `SELECT 1 FROM vote_block
         WHERE channel = ? AND epoch = ? AND view = ? AND digest = ?`,
      )
      .pluck(),
    putBlock: db.prepare<[Uint8Array, number, number, Uint8Array, Uint8Array, Uint8Array]>(
      "INSERT INTO vote_block VALUES (NULL, ?, ?, ?, ?, ?, ?)",
    ),
    /** The hashes of the rows that {@link forgetVotes} and {@link forgetBlocks} delete. */
    hashesUpTo: db
      .prepare<
        [Uint8Array, number, number, number, Uint8Array, number, number, number],
        Uint8Array
      >(`SELECT hash FROM vote WHERE ${upTo} UNION ALL SELECT hash FROM vote_block WHERE ${upTo}`)
      .pluck(),
    forgetVotes: db.prepare<[Uint8Array, number, number, number]>(`DELETE FROM vote WHERE ${upTo}`),
    forgetBlocks: db.prepare<[Uint8Array, number, number, number]>(
      `DELETE FROM vote_block WHERE ${upTo}`,
    ),
  };
}
