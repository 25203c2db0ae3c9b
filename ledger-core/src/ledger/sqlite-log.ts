/** An RFC 9162 log in SQLite tables: exact entries and C2SP tiles; a lane and a channel's log alike. */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, parseDigest } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { CompactRange } from "../log/compact-range.ts";
import type { Sha256, TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { entryBytesMax } from "../log/limits.ts";
import type { NodeReader } from "../log/proof-builder.ts";
import { buildConsistency, buildInclusion, buildRoot } from "../log/proof-builder.ts";
import type { Tile } from "../log/tile.ts";
import { edgeTiles, tileNodeReader, tilesAfterAppend, tileWidthAt } from "../log/tile.ts";
import { entriesCheckedAtOpenMax, entriesPerAppendMax } from "./limits.ts";
import type { SqliteLogRows } from "./sqlite-log-rows.ts";
import { openRows } from "./sqlite-log-rows.ts";

export type SqliteLogOptions = {
  /** Starts the names of the log's tables; `[a-z][a-z0-9_]*`, at most 32 characters. */
  readonly prefix: string;
  readonly sha256: Sha256;
};

/**
 * One log of fewer than 2^53 entries; the one object that writes its tables.
 *
 * The tables are the truth. What is kept in memory is only their right edge, and whether it still is
 * that edge is asked of the database after every append: a transaction that was rolled back, or never
 * committed, takes its entries with it here too, without being told. Inside a transaction that has
 * appended, all reads see what it appended.
 */
export class SqliteLog {
  readonly hasher: TreeHasher;
  readonly #db: Database.Database;
  readonly #rows: SqliteLogRows;
  #range: CompactRange;
  #root: Digest;
  #edge: readonly Tile[];
  /** True from an append until its transaction's end was seen. */
  #unsettled = false;
  #reader: NodeReader | undefined;

  private constructor(db: Database.Database, rows: SqliteLogRows, hasher: TreeHasher) {
    this.#db = db;
    this.#rows = rows;
    this.hasher = hasher;
    this.#range = CompactRange.empty(hasher);
    this.#root = hasher.empty;
    this.#edge = [];
  }

  /**
   * Creates the tables where they are not there, and takes up the log. Checks the stored size and root
   * against the tiles, and the last 256 entries against their leaf hashes.
   *
   * @throws OperationalError DATABASE_CORRUPT.
   */
  static open(db: Database.Database, { prefix, sha256 }: SqliteLogOptions): SqliteLog {
    const log = new SqliteLog(db, openRows(db, prefix), treeHasher(sha256));
    log.#reload();
    const { size } = log;
    if (log.#rows.count() !== size) throw corrupt(prefix, "its entries and its size differ", size);
    for (let index = Math.max(0, size - entriesCheckedAtOpenMax); index < size; index++)
      log.entry(index);
    return log;
  }

  /** Entries so far. */
  get size(): number {
    this.#settle();
    return this.#range.size;
  }

  /**
   * Adds entries (1 … 65,535 bytes each, at most 4,096 of them) at the log's end.
   *
   * Only inside a transaction of the caller: the entries are durable when that commits.
   * @returns the index of the first.
   */
  append(entries: readonly Uint8Array[]): number {
    assert(this.#db.inTransaction, "a log grows inside its caller's transaction");
    assert(entries.length <= entriesPerAppendMax, "entries of one append within the limit");
    this.#settle();
    const first = this.#range.size;
    if (entries.length === 0) return first;
    this.#unsettled = true;
    this.#reader = undefined;
    const leaves = entries.map((entry, i) => {
      assert(entry.length > 0 && entry.length <= entryBytesMax, "entry length fits 16 bits");
      this.#rows.putEntry(first + i, entry);
      return this.hasher.leaf(entry);
    });
    const update = tilesAfterAppend(this.#edge, this.#range.appendAll(leaves));
    for (const tile of update.tiles) this.#rows.putTile(tile);
    this.#edge = update.edge;
    this.#root = this.#range.root();
    this.#rows.putHead({ size: this.#range.size, root: this.#root });
    return first;
  }

  /** Its right edge, to go on from elsewhere: a copy. */
  range(): CompactRange {
    this.#settle();
    return this.#range.copy();
  }

  /** The root of the first `size` entries; of all where no size is given. */
  root(size?: number): Digest {
    this.#settle();
    if (size === undefined || size === this.#range.size) return this.#root;
    this.#assertSize(size);
    return buildRoot(this.hasher, this.#nodes(), size);
  }

  /** The exact bytes of an entry, undefined beyond the end. @throws DATABASE_CORRUPT where they differ from their leaf hash. */
  entry(index: number): Uint8Array | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) return undefined;
    const bytes = this.#rows.entry(index);
    if (bytes === undefined || !equal(this.hasher.leaf(bytes), this.leafHash(index)))
      throw corrupt(this.#rows.prefix, "an entry is not what was hashed", index);
    return bytes;
  }

  /** SHA-256(0x00 ‖ entry) as stored; `index` below the size. */
  leafHash(index: number): Digest {
    this.#settle();
    assert(index >= 0 && index < this.#range.size, "leaf index inside the log");
    return this.#nodes()(0, index);
  }

  /** The inclusion path of an entry in the first `size` entries, from the leaf's sibling up. */
  inclusion(index: number, size: number): Digest[] {
    this.#settle();
    this.#assertSize(size);
    return buildInclusion(this.hasher, this.#nodes(), { index, size });
  }

  /** The consistency path between two sizes, size1 ≤ size2 ≤ the log's. */
  consistency(size1: number, size2: number): Digest[] {
    this.#settle();
    this.#assertSize(size2);
    return buildConsistency(this.hasher, this.#nodes(), { size1, size2 });
  }

  /** Reads complete nodes, for `log/proof-builder`; use it up before the next append. */
  nodeReader(): NodeReader {
    this.#settle();
    return this.#nodes();
  }

  /**
   * Hashes every entry again and compares with size and root: seconds for a million of them.
   * @throws OperationalError DATABASE_CORRUPT.
   */
  verifyAll(): void {
    const { size } = this;
    const range = CompactRange.empty(this.hasher);
    for (const { index, bytes } of this.#rows.entries()) {
      if (index !== range.size) break;
      range.append(this.hasher.leaf(bytes));
    }
    if (range.size !== size || !equal(range.root(), this.#root))
      throw corrupt(this.#rows.prefix, "its entries do not hash to its root", range.size);
  }

  #nodes(): NodeReader {
    this.#reader ??= this.#readerAt(this.#range.size);
    return this.#reader;
  }

  #readerAt(size: number): NodeReader {
    return tileNodeReader(this.hasher, (level, index) => {
      const hashes = this.#rows.tile(level, index);
      if (hashes?.length !== 32 * tileWidthAt({ level, index }, size))
        throw corrupt(this.#rows.prefix, "a tile is gone or torn", index);
      return hashes;
    });
  }

  /** Goes back to what the tables say, if a transaction that had appended did not commit. */
  #settle(): void {
    if (!this.#unsettled) return;
    const head = this.#rows.head();
    const same =
      head === undefined
        ? this.#range.size === 0
        : head.size === this.#range.size && equal(head.root, this.#root);
    if (!same) this.#reload();
    this.#unsettled = this.#db.inTransaction;
  }

  #reload(): void {
    const head = this.#rows.head();
    const size = head?.size ?? 0;
    this.#reader = this.#readerAt(size);
    this.#edge = edgeTiles(size).map(({ level, index, width }) => {
      const hashes = this.#rows.tile(level, index);
      if (hashes?.length !== 32 * width)
        throw corrupt(this.#rows.prefix, "a tile at its end is gone or torn", size);
      return { level, index, hashes };
    });
    this.#range = CompactRange.fromNodes(this.hasher, size, this.#reader);
    this.#root = this.#range.root();
    const root = head === undefined ? this.hasher.empty : parsedRoot(head.root);
    if (root === undefined || !equal(root, this.#root))
      throw corrupt(this.#rows.prefix, "its tiles do not hash to its root", size);
  }

  #assertSize(size: number): void {
    assert(
      Number.isInteger(size) && size >= 0 && size <= this.#range.size,
      "tree size inside the log",
    );
  }
}

function parsedRoot(bytes: Uint8Array): Digest | undefined {
  const parsed = parseDigest(bytes);
  return parsed.ok ? parsed.value : undefined;
}

/** What an operator is told of a log that cannot be believed any more. */
function corrupt(prefix: string, what: string, at: number): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `The log "${prefix}" in the database is damaged: ${what} (at ${at}). Nothing was changed. ` +
      "Copy the data directory away, check the disk, and restore the directory from a backup.",
    { details: { log: prefix, at } },
  );
}
