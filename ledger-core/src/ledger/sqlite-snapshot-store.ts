/**
 * Snapshots of a channel in SQLite on their way: given out in parts, put aside while they come, and installed
 * in one transaction. What is put aside was verified; of a crash only that is left.
 */

import { assert, present } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { boundariesPerPartMax, entriesPerPartMax } from "../consensus/limits.ts";
import type {
  FetchSnapshot,
  SnapshotAnswer,
  SnapshotBoundaries,
  SnapshotContent,
  SnapshotEntries,
  SnapshotHead,
  SnapshotSeal,
} from "../consensus/snapshot-message.ts";
import type { CompactRange } from "../log/compact-range.ts";
import { parseTransaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { installState } from "./install-state.ts";
import { snapshotPartBytesMax } from "./limits.ts";
import type { VerifiedEntries, VerifiedSnapshot } from "./snapshot-assembly.ts";
import type { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { plain } from "./sqlite-columns.ts";
import type { SqliteSeals } from "./sqlite-seals.ts";
import type { SqliteSnapshots } from "./sqlite-snapshots.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS snapshot_entry (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
`;

type Parts = {
  readonly channel: SqliteChannel;
  readonly chain: SqliteChain;
  readonly genesis: ChannelGenesis;
  readonly seals: SqliteSeals;
  readonly snapshots: SqliteSnapshots;
};

/** Gives out the newest snapshot whose block is here. Reads only. */
export class SnapshotSource {
  readonly #parts: Parts;
  readonly #bytesMax: number;

  constructor(parts: Parts, bytesMax: number = snapshotPartBytesMax) {
    this.#parts = parts;
    this.#bytesMax = bytesMax;
  }

  /** The newest head where the one that is asked for is gone; undefined where there is none to be had. */
  answer({ height, part, from }: FetchSnapshot): SnapshotAnswer | undefined {
    if (part === "head" || !this.#has(height)) return this.head();
    switch (part) {
      case "boundaries":
        return this.#boundaries(height, from);
      case "content":
        return this.#content(height, from);
      case "entries":
        return this.#entries(height, from);
    }
  }

  /** All of the newest in the order in which it is taken, for a file; leaf 0 whoever begins has already. */
  *parts(): Generator<SnapshotAnswer> {
    const head = this.head();
    if (head === undefined) return;
    yield head;
    const { height, logSize } = head.block.header;
    for (let epoch = 0; epoch < head.block.header.epoch; ) {
      const part = this.#boundaries(height, epoch);
      yield part;
      epoch += part.boundaries.length;
    }
    for (let offset = 0; offset < head.contentBytes; ) {
      const part = present(this.#content(height, offset), "bytes of a content");
      yield part;
      offset += part.bytes.length;
    }
    for (let leaf = 1; BigInt(leaf) < logSize; ) {
      const part = present(this.#entries(height, leaf), "entries of a log");
      yield part;
      leaf += part.entries.length;
    }
  }

  #has(height: number): boolean {
    const { chain, snapshots } = this.#parts;
    return snapshots.kept().some((of) => of.height === height) && chain.has(height);
  }

  /** Of the newest whose block is here with its own certificate. */
  head(): SnapshotHead | undefined {
    const { chain, snapshots } = this.#parts;
    for (const of of snapshots.kept()) {
      const certificate = chain.certificate(of.height);
      const block = certificate === undefined ? undefined : chain.block(of.height);
      if (block === undefined || certificate === undefined) continue;
      for (const boundary of chain.boundaries())
        if (boundary.certificate === undefined) return undefined;
      const seal = this.#seal(block.header.logSize);
      const head = { type: "snapshot", block, certificate, contentBytes: of.bytes } as const;
      return seal === undefined ? head : { ...head, seal };
    }
    return undefined;
  }

  #seal(logSize: bigint): SnapshotSeal | undefined {
    const stored = this.#parts.seals.newest();
    if (stored === undefined || stored.point.size > logSize) return undefined;
    const { epoch, height, size } = stored.point;
    return { epoch, height, size, seals: stored.seals };
  }

  #boundaries(height: number, from: number): SnapshotBoundaries {
    const boundaries: { block: SnapshotHead["block"]; certificate: SnapshotHead["certificate"] }[] =
      [];
    let epoch = 0;
    for (const { block, certificate } of this.#parts.chain.boundaries()) {
      if (block.header.height >= height || boundaries.length === boundariesPerPartMax) break;
      if (epoch++ >= from)
        boundaries.push({ block, certificate: present(certificate, "its finalization") });
    }
    return { type: "snapshot-boundaries", height, from, boundaries };
  }

  #content(height: number, from: number): SnapshotContent | undefined {
    const bytes = this.#parts.snapshots.slice(height, from, this.#bytesMax);
    return bytes === undefined ? undefined : { type: "snapshot-content", height, from, bytes };
  }

  #entries(height: number, from: number): SnapshotEntries | undefined {
    const { chain, channel } = this.#parts;
    const { log } = channel;
    const end = Number(present(chain.header(height), "the snapshot's block").logSize);
    if (from >= end) return undefined;
    const entries: Uint8Array[] = [];
    let bytes = 0;
    while (from + entries.length < end && entries.length < entriesPerPartMax) {
      const entry = present(log.entry(from + entries.length), "an entry below the log's size");
      bytes += entry.length + entryHeadBytes;
      if (entries.length > 0 && bytes > this.#bytesMax) break;
      entries.push(entry);
    }
    const path = log.consistency(from + entries.length, end);
    return { type: "snapshot-entries", height, from, entries, path };
  }
}

/** Of a byte string of at most 65,535 bytes. */
const entryHeadBytes = 3;

/** Takes a snapshot in. Every write is a transaction of its own, or in the caller's. */
export class SnapshotSink {
  readonly #parts: Parts;
  readonly #rows: ReturnType<typeof entryStatements>;

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.channel.db.exec(schema);
    this.#rows = entryStatements(parts.channel.db);
    // Of a fetch that blocks have overtaken.
    this.#rows.clearBelow.run(parts.channel.log.size);
  }

  /** The log here, and what was put aside of it, up to a size that is no less than the log's. */
  range(upTo: bigint): CompactRange {
    const { log } = this.#parts.channel;
    const range = log.range();
    // Blocks may have come since.
    for (const { idx, bytes } of this.#rows.from.iterate(log.size)) {
      if (idx !== range.size || BigInt(idx) >= upTo) break;
      range.append(log.hasher.leaf(plain(bytes)));
    }
    return range;
  }

  /** Puts verified entries aside; those that are there already stay. */
  stage({ first, entries }: VerifiedEntries): void {
    for (const [at, entry] of entries.entries()) this.#rows.put.run(first + at, entry);
  }

  /** What was put aside turned out to be of another log. */
  forget(): void {
    this.#rows.clear.run();
  }

  /**
   * Replaces the state by the snapshot's, adds its leaves to the log and begins the chain at its block; inside
   * the caller's transaction.
   *
   * @returns whether its seal, if it has one, is over this log, and is kept.
   * @throws OperationalError SNAPSHOT_INCONSISTENT where log and state would not be what the header says.
   */
  install(snapshot: VerifiedSnapshot): boolean {
    const { channel, chain, genesis, snapshots, seals } = this.#parts;
    const { block, digest, certificate, state } = snapshot;
    const { header } = block;
    assert(channel.db.inTransaction, "a snapshot is one transaction");
    assert(header.height > chain.height, "a snapshot is ahead of the chain");
    const end = Number(header.logSize);
    installState(channel, state, { time: header.time, entries: this.#staged(end) });
    if (!equal(channel.log.root(), header.logRoot)) throw inconsistent(header.height, "log");
    for (const boundary of snapshot.boundaries) {
      const { header: ended } = boundary.block;
      if (chain.has(ended.height)) continue;
      chain.put(boundary.block, boundary.certificate);
      this.#putEpoch(ended.epoch, ended.logSize, chain.startOf(ended.epoch + 1));
    }
    const first = end - block.transactions.length;
    for (const [at, bytes] of block.transactions.entries()) {
      const parsed = parseTransaction(bytes);
      assert(parsed.ok, "a transaction that was parsed");
      const { statement, ...evidence } = parsed.value;
      if (!equal(present(channel.log.entry(first + at), "a leaf of the block"), statement))
        throw inconsistent(header.height, "body");
      if (channel.rows.evidence(first + at) === undefined)
        channel.rows.putEvidence(first + at, evidence);
    }
    chain.put(block, certificate);
    if (header.boundary !== undefined) this.#putEpoch(header.epoch, header.logSize, digest);
    chain.prune(header.height);
    const stored = channel.loadState(genesis).channel.root();
    if (!equal(stored, header.stateRoot)) throw inconsistent(header.height, "state");
    snapshots.put(header.height, snapshot.content);
    this.#rows.clear.run();
    return this.#keepSeal(snapshot, seals);
  }

  #putEpoch(ended: number, size: bigint, digest: VerifiedSnapshot["digest"]): void {
    this.#parts.channel.rows.putBoundary({ epoch: ended + 1, size: Number(size), digest });
  }

  #keepSeal({ seal, isSealOf }: VerifiedSnapshot, seals: SqliteSeals): boolean {
    if (seal === undefined) return true;
    const root = this.#parts.channel.log.root(Number(seal.size));
    if (!isSealOf(root)) return false;
    const { epoch, height, size } = seal;
    seals.put({ point: { epoch, height, size, root }, seals: seal.seals });
    return true;
  }

  /** Entries that were put aside, from the log's end up to the snapshot's, in order. */
  *#staged(end: number): Generator<Uint8Array> {
    let next = this.#parts.channel.log.size;
    for (; next < end; next++)
      yield plain(present(this.#rows.at.get(next), "an entry that was put aside").bytes);
  }
}

function entryStatements(db: SqliteChannel["db"]) {
  return {
    put: db.prepare<[number, Uint8Array]>("INSERT OR IGNORE INTO snapshot_entry VALUES (?, ?)"),
    at: db.prepare<[number], EntryColumns>("SELECT * FROM snapshot_entry WHERE idx = ?"),
    from: db.prepare<[number], EntryColumns>(
      "SELECT * FROM snapshot_entry WHERE idx >= ? ORDER BY idx",
    ),
    clear: db.prepare<[]>("DELETE FROM snapshot_entry"),
    clearBelow: db.prepare<[number]>("DELETE FROM snapshot_entry WHERE idx < ?"),
  };
}

type EntryColumns = { readonly idx: number; readonly bytes: Uint8Array };

function inconsistent(height: number, what: string): OperationalError {
  return new OperationalError(
    "SNAPSHOT_INCONSISTENT",
    `The snapshot of block ${height} does not lead to the ${what} that its header names, although each ` +
      "part held. Nothing was changed. Take the blocks from a node that keeps them, or from an export.",
    { details: { height } },
  );
}
