/**
 * The votes of all channels of a process in one SQLite file. Every row carries a hash over its key and
 * content, and every channel the sum of its rows' hashes, so that a row that decayed, vanished or came
 * back is noticed before anything is signed on its account.
 */

import { assert, assertNever } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, equal, toHex, u64, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { Fault, Result } from "../base/result.ts";
import { encodeCertificate, parseCertificateBytes } from "../consensus/ballot-codec.ts";
import type { Block } from "../consensus/block.ts";
import { encodeBlock, headerDigest, parseBlock } from "../consensus/block.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { messageBytesMax } from "../consensus/limits.ts";
import type { VoteFloor, VoteRow } from "../consensus/replica-io.ts";
import { voteKinds } from "../consensus/vote.ts";
import type { Database } from "../daemon/sqlite.ts";
import { databaseError, openDatabase } from "../daemon/sqlite.ts";
import type { BlockColumns, ChannelColumns, RowKey, VoteColumns } from "./sqlite-vote-rows.ts";
import { voteMigrations, voteStatements } from "./sqlite-vote-rows.ts";
import { encodeVoteRow, parseVoteRow } from "./vote-row-codec.ts";
import { assertConsistentRow, assertLegalRow, compareViews } from "./vote-rules.ts";
import type { ChannelVoteWrites, StoredVotes, VoteStore, VoteStoreWrite } from "./vote-store.ts";

/** Kind of a row that holds own votes; certificates have the number of their ballot's kind. */
const ownVotes = 0;

/** A channel's own row while a batch is written. */
type ChannelRow = { floor: VoteFloor; amnesia: boolean; sum: Uint8Array };

export class SqliteVoteStore implements VoteStore {
  readonly #db: Database;
  readonly #crypto: Pick<CryptoPort, "sha256">;
  readonly #rows: ReturnType<typeof voteStatements>;

  private constructor(db: Database, crypto: Pick<CryptoPort, "sha256">) {
    this.#db = db;
    this.#crypto = crypto;
    this.#rows = voteStatements(db);
  }

  /** @throws OperationalError DATABASE_*, DISK_FULL. */
  static open(path: string, crypto: Pick<CryptoPort, "sha256">): SqliteVoteStore {
    const db = openDatabase(path, { migrations: voteMigrations, judgesLog: true });
    return new SqliteVoteStore(db, crypto);
  }

  /** For looking on while a node votes, and nothing else. @throws OperationalError DATABASE_*. */
  static look(path: string, crypto: Pick<CryptoPort, "sha256">): SqliteVoteStore {
    const db = openDatabase(path, { migrations: voteMigrations, readonly: true });
    return new SqliteVoteStore(db, crypto);
  }

  close(): void {
    this.#db.close();
  }

  /** Whether nothing is signed in a channel until others have answered; undefined where it has no votes. */
  isDoubted(channel: Digest): boolean | undefined {
    if (!this.has(channel)) return undefined;
    return this.#guarded(() => this.#channelRow(channel).amnesia);
  }

  has(channel: Digest): boolean {
    return this.#guarded(() => this.#rows.channel.get(channel) !== undefined);
  }

  begin(channel: Digest, { amnesia }: { readonly amnesia: boolean }): void {
    this.#commit(() => {
      assert(this.#rows.channel.get(channel) === undefined, "a channel begins once");
      this.#putChannel(channel, {
        floor: { epoch: 0, view: 0 },
        amnesia,
        sum: new Uint8Array(32),
      });
    });
  }

  write(batch: readonly ChannelVoteWrites[]): void {
    if (batch.every(({ writes }) => writes.length === 0)) return;
    this.#commit(() => {
      for (const { channel, writes } of batch) this.#writeChannel(channel, writes);
    });
  }

  load(channel: Digest): StoredVotes {
    return this.#guarded(() => {
      const { floor, amnesia, sum } = this.#channelRow(channel);
      const summed = new Uint8Array(32);
      const rows: VoteRow[] = [];
      const certificates: Certificate[] = [];
      for (const columns of this.#rows.votes.all(channel)) {
        addTo(summed, columns.hash);
        if (columns.kind === ownVotes) rows.push(this.#rowOf(channel, columns));
        else certificates.push(this.#certificateOf(channel, columns));
      }
      const blocks = this.#rows.blocks.all(channel).map((columns) => {
        addTo(summed, columns.hash);
        return this.#blockOf(channel, columns);
      });
      if (!equal(summed, sum)) throw corrupt(channel, "rows are gone or came back");
      for (const row of rows) assertConsistentRow(row);
      return { floor, amnesia, rows, blocks, certificates };
    });
  }

  #writeChannel(channel: Digest, writes: readonly VoteStoreWrite[]): void {
    if (writes.length === 0) return;
    const row = this.#channelRow(channel);
    for (const write of writes) this.#apply(channel, row, write);
    this.#putChannel(channel, row);
  }

  #apply(channel: Digest, row: ChannelRow, write: VoteStoreWrite): void {
    switch (write.type) {
      case "vote":
        this.#putRow(channel, row, write.row);
        return;
      case "block":
        this.#putBlock(channel, row, write);
        return;
      case "certificate":
        this.#putCertificate(channel, row, write.certificate);
        return;
      case "floor":
        assert(compareViews(write.floor, row.floor) >= 0, "a floor never falls");
        row.floor = write.floor;
        return;
      case "amnesia":
        row.amnesia = write.set;
        return;
      case "final":
        if (compareViews(write.floor, row.floor) > 0) row.floor = write.floor;
        this.#forget(channel, row, write.floor);
        return;
      default:
        assertNever(write);
    }
  }

  #putRow(channel: Digest, into: ChannelRow, row: VoteRow): void {
    const { epoch, view } = row;
    const columns = this.#rows.vote.get(channel, epoch, view, ownVotes);
    const stored = columns === undefined ? undefined : this.#rowOf(channel, columns);
    assertLegalRow(row, stored, into.floor);
    if (columns !== undefined) addTo(into.sum, columns.hash);
    this.#putContent({ channel, epoch, view }, ownVotes, encodeVoteRow(row), into);
  }

  /** Of one view and kind the first is kept: any other of the ballot is as good. */
  #putCertificate(channel: Digest, into: ChannelRow, certificate: Certificate): void {
    const { epoch, ballot } = certificate;
    const { view } = ballot;
    const kind = voteKinds[ballot.kind];
    if (this.#rows.vote.get(channel, epoch, view, kind) !== undefined) return;
    this.#putContent({ channel, epoch, view }, kind, encodeCertificate(certificate), into);
  }

  #putContent(key: RowKey, kind: number, content: Uint8Array, into: ChannelRow): void {
    const hash = this.#hash(key, Uint8Array.of(kind), content);
    this.#rows.putVote.run(key.channel, key.epoch, key.view, kind, content, hash);
    addTo(into.sum, hash);
  }

  #putBlock(
    channel: Digest,
    into: ChannelRow,
    { epoch, digest, block }: Extract<VoteStoreWrite, { readonly type: "block" }>,
  ): void {
    const { view } = block.header;
    assert(block.header.epoch === epoch, "a block is of its epoch");
    assert(equal(headerDigest(this.#crypto, block.header), digest), "a block has its digest");
    if (this.#rows.hasBlock.get(channel, epoch, view, digest) !== undefined) return;
    const content = encodeBlock(block);
    const hash = this.#hash({ channel, epoch, view }, digest, content);
    this.#rows.putBlock.run(channel, epoch, view, digest, content, hash);
    addTo(into.sum, hash);
  }

  /** S4: what led to a final view is not needed once the channel's database has it. */
  #forget(channel: Digest, into: ChannelRow, { epoch, view }: VoteFloor): void {
    const hashes = this.#rows.hashesUpTo.all(
      ...([channel, epoch, epoch, view, channel, epoch, epoch, view] as const),
    );
    for (const hash of hashes) addTo(into.sum, hash);
    const votes = this.#rows.forgetVotes.run(channel, epoch, epoch, view);
    const blocks = this.#rows.forgetBlocks.run(channel, epoch, epoch, view);
    assert(votes.changes + blocks.changes === hashes.length, "what is forgotten was counted");
  }

  #channelRow(channel: Digest): ChannelRow {
    const columns = this.#rows.channel.get(channel);
    assert(columns !== undefined, "the channel has begun");
    if (!equal(columns.hash, this.#channelHash(channel, columns)))
      throw corrupt(channel, "its floor is not what was written");
    return {
      floor: { epoch: columns.floor_epoch, view: columns.floor_view },
      amnesia: columns.amnesia !== 0,
      sum: new Uint8Array(columns.sum),
    };
  }

  #putChannel(channel: Digest, { floor, amnesia, sum }: ChannelRow): void {
    const columns = {
      floor_epoch: floor.epoch,
      floor_view: floor.view,
      amnesia: amnesia ? 1 : 0,
      sum,
    };
    const hash = this.#channelHash(channel, columns);
    this.#rows.putChannel.run(channel, floor.epoch, floor.view, columns.amnesia, sum, hash);
  }

  #channelHash(channel: Digest, columns: Omit<ChannelColumns, "hash">): Digest {
    const key = { channel, epoch: columns.floor_epoch, view: columns.floor_view };
    return this.#hash(key, Uint8Array.of(columns.amnesia), columns.sum);
  }

  #hash({ channel, epoch, view }: RowKey, part: Uint8Array, content: Uint8Array): Digest {
    const key = [utf8("tamga/votes/1"), channel, u64(BigInt(epoch)), u64(BigInt(view)), part];
    return this.#crypto.sha256(concat(...key, content));
  }

  #rowOf(channel: Digest, columns: VoteColumns): VoteRow {
    const content = this.#content(channel, columns, Uint8Array.of(columns.kind));
    return this.#parsed(channel, columns, parseVoteRow(columns, content));
  }

  #certificateOf(channel: Digest, columns: VoteColumns): Certificate {
    const content = this.#content(channel, columns, Uint8Array.of(columns.kind));
    return this.#parsed(channel, columns, parseCertificateBytes(content));
  }

  #blockOf(channel: Digest, columns: BlockColumns): Block {
    const content = this.#content(channel, columns, columns.digest);
    const block = this.#parsed(channel, columns, parseBlock(content, messageBytesMax));
    assert(
      equal(headerDigest(this.#crypto, block.header), columns.digest),
      "a block has its digest",
    );
    return block;
  }

  #content(channel: Digest, columns: Omit<VoteColumns, "kind">, part: Uint8Array): Uint8Array {
    const { epoch, view, hash } = columns;
    const content = plain(columns.content);
    if (!equal(hash, this.#hash({ channel, epoch, view }, part, content)))
      throw corrupt(channel, `a row of view ${view} in epoch ${epoch} is not what was written`);
    return content;
  }

  #parsed<T>(
    channel: Digest,
    { epoch, view }: Omit<VoteColumns, "kind">,
    result: Result<T, Fault>,
  ): T {
    if (result.ok) return result.value;
    const { code } = result.fault;
    throw corrupt(channel, `a row of view ${view} in epoch ${epoch} is malformed (${code})`);
  }

  #commit(work: () => void): void {
    this.#guarded(() => this.#db.transaction(work).immediate());
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw databaseError(error, this.#db.name);
    }
  }
}

/** Adding a hash a second time takes it out again. */
function addTo(sum: Uint8Array, hash: Uint8Array): void {
  for (const [at, byte] of hash.entries()) sum[at] = (sum[at] ?? 0) ^ byte;
}

/** The same memory without the driver's `Buffer` around it. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(channel: Digest, what: string): OperationalError {
  const id = toHex(channel);
  return new OperationalError(
    "VOTES_CORRUPT",
    `The votes of channel ${id} are damaged: ${what}. This validator signs nothing any more. Copy the ` +
      "data directory away, check the disk, restore the directory from a backup with the restore command.",
    { details: { channel: id } },
  );
}
