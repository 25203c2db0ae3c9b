/**
 * The final blocks of a channel. Transactions are not stored twice: a block's are in the log and in its
 * evidence, and what is put together from them is compared with the block's own hash.
 */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, parseDigest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import {
  certificateBytesMax,
  encodeCertificate,
  parseCertificateBytes,
} from "../consensus/ballot-codec.ts";
import type { Block, Header } from "../consensus/block.ts";
import { encodeBlock, headerDigest, parseBlock } from "../consensus/block.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { answerBytesMax, blocksPerAnswerMax, messageBytesMax } from "../consensus/limits.ts";
import type { FinalBlocks, LooseBlocks } from "../consensus/message.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChainColumns } from "./sqlite-chain-rows.ts";
import { chainStatements } from "./sqlite-chain-rows.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";

/** The newest final block, as far as its header and certificate say. */
export type ChainTip = {
  readonly header: Header;
  readonly digest: Digest;
  /** Finalizes the tip itself: the last block of every commit has one. */
  readonly certificate: Certificate;
};

/** What one answer holds. */
export type AnswerLimits = {
  readonly blocksMax: number;
  readonly bytesMax: number;
  /** Up to its first certificate an answer may be as long as a message. */
  readonly messageMax: number;
};
const answerLimits: AnswerLimits = {
  blocksMax: blocksPerAnswerMax,
  bytesMax: answerBytesMax,
  messageMax: messageBytesMax - certificateBytesMax,
};

/** Every write is inside the caller's transaction, with the blocks' log entries and state. */
export class SqliteChain {
  readonly #channel: SqliteChannel;
  readonly #crypto: Pick<CryptoPort, "sha256">;
  readonly #genesis: ChannelGenesis;
  readonly #rows: ReturnType<typeof chainStatements>;
  readonly #limits: AnswerLimits;

  constructor(
    channel: SqliteChannel,
    {
      crypto,
      genesis,
    }: { readonly crypto: Pick<CryptoPort, "sha256">; readonly genesis: ChannelGenesis },
    limits: AnswerLimits = answerLimits,
  ) {
    this.#channel = channel;
    this.#crypto = crypto;
    this.#genesis = genesis;
    this.#rows = chainStatements(channel.db);
    this.#limits = limits;
  }

  /**
   * Adds the next block, whose transactions the log has just taken.
   *
   * @param certificate finalizes this very block; absent for an ancestor of one that is finalized.
   */
  append(block: Block, digest: Digest, certificate: Certificate | undefined): void {
    const { header } = block;
    const { height } = header;
    assert(this.#channel.db.inTransaction, "a block is one transaction");
    const last = this.#rows.last.get();
    assert(height === (last?.height ?? 0) + 1, "heights have no gaps");
    assert(
      equal(header.parentDigest, last?.digest ?? this.#genesis.identity.id),
      "a block follows the one before it",
    );
    assert(equal(digest, headerDigest(this.#crypto, header)), "a block has its digest");
    const { log } = this.#channel;
    assert(header.logSize === BigInt(log.size), "the log has grown by the block");
    assert(equal(header.logRoot, log.root()), "the log has the root that was voted for");
    assert(finalizes(certificate, digest), "a certificate is of its block");
    this.#put(block, digest, certificate);
  }

  /**
   * Puts a final block where it belongs, without the one before it: of a snapshot, whose log and body stand
   * already.
   */
  put(block: Block, certificate: Certificate): void {
    assert(this.#channel.db.inTransaction, "a snapshot is one transaction");
    const digest = headerDigest(this.#crypto, block.header);
    assert(finalizes(certificate, digest), "a certificate is of its block");
    this.#put(block, digest, certificate);
  }

  #put(block: Block, digest: Digest, certificate: Certificate | undefined): void {
    const { header, transactions } = block;
    const { height, epoch, logSize } = header;
    const whole = encodeBlock(block);
    this.#rows.put.run(
      height,
      epoch,
      digest,
      Number(logSize) - transactions.length,
      transactions.length,
      whole.length,
      encodeBlock({ ...block, transactions: [] }),
      this.#crypto.sha256(whole),
      certificate === undefined ? null : encodeCertificate(certificate),
    );
    if (header.boundary !== undefined) this.#rows.putBoundary.run(epoch, height);
  }

  /** Undefined before the first block. @throws OperationalError DATABASE_CORRUPT. */
  tip(): ChainTip | undefined {
    const row = this.#rows.last.get();
    if (row === undefined) return undefined;
    if (row.certificate === null) throw corrupt(row.height, "its finalization is gone");
    const certificate = certificateOf(row.height, row.certificate);
    return { header: this.#frame(row).header, digest: digestOf(row.digest), certificate };
  }

  /** Of the newest final block; 0 before the first. */
  get height(): number {
    return this.#rows.last.get()?.height ?? 0;
  }

  /** Blocks below this height are gone, but for boundaries; 1 where none are. */
  get prunedBelow(): number {
    return this.#rows.pruned.get() ?? 1;
  }

  /** A block as it was voted for. @throws OperationalError DATABASE_CORRUPT. */
  block(height: number): Block | undefined {
    const row = this.#rows.at.get(height);
    return row === undefined ? undefined : this.#blockOf(row);
  }

  has(height: number): boolean {
    return this.#rows.at.get(height) !== undefined;
  }

  /** What finalizes the block of this height itself, where that was the last of a commit. */
  certificate(height: number): Certificate | undefined {
    const bytes = this.#rows.at.get(height)?.certificate ?? undefined;
    return bytes === undefined ? undefined : certificateOf(height, bytes);
  }

  /** Also of a boundary below the pruned height. */
  header(height: number): Header | undefined {
    const row = this.#rows.at.get(height);
    return row === undefined ? undefined : this.#frame(row).header;
  }

  /**
   * Final blocks from a height on, all of one epoch, up to the newest whose certificate fits the limits with
   * all before it. Where no certificate comes soon enough for one message, the last blocks up to the first certificate: who
   * has them asks for those before by {@link ancestors}. Undefined where the first is not there.
   */
  finalBlocks(from: number): FinalBlocks | undefined {
    const { blocksMax, bytesMax, messageMax } = this.#limits;
    let end: number | undefined;
    let bytes = 0;
    let epoch: number | undefined;
    for (const row of this.#rows.measure.iterate(from, blocksMax)) {
      const { height, bytes: size, certified } = row;
      // Who is an epoch behind can judge a certificate of its own epoch alone, the boundary's at the most.
      epoch ??= row.epoch;
      if (row.epoch !== epoch) break;
      bytes += size + blockHeadBytes;
      const isRoomy = bytes <= bytesMax;
      // A first certificate is waited for up to what a message holds.
      if (!isRoomy && (end !== undefined || bytes > messageMax)) break;
      if (certified === 1) end = height;
    }
    if (end === undefined) return this.#tail(from);
    const blocks: Block[] = [];
    for (let height = from; height <= end; height++) {
      const row = this.#rows.at.get(height);
      if (row === undefined) return undefined;
      blocks.push(this.#blockOf(row));
      if (height === end && row.certificate !== null)
        return {
          type: "final-blocks",
          blocks,
          certificate: certificateOf(height, row.certificate),
        };
    }
    return undefined;
  }

  /** The final block of a height and those below it, as many as an answer holds; the newest first. */
  ancestors(height: number): LooseBlocks | undefined {
    const blocks = this.#below(height, 1);
    return blocks.length === 0 ? undefined : { type: "blocks", blocks };
  }

  #tail(from: number): FinalBlocks | undefined {
    const end = this.#rows.certifiedFrom.get(from);
    if (end === undefined || this.#rows.at.get(from) === undefined) return undefined;
    const { certificate } = present(this.#rows.at.get(end), "a certified block");
    const bytes = present(certificate, "its certificate");
    const blocks = this.#below(end, from).reverse();
    return { type: "final-blocks", blocks, certificate: certificateOf(end, bytes) };
  }

  /** Downwards without a gap, at least one where it is there. */
  #below(height: number, lowest: number): Block[] {
    const heights: number[] = [];
    let bytes = 0;
    for (const row of this.#rows.measureDown.iterate(height, this.#limits.blocksMax)) {
      bytes += row.bytes + blockHeadBytes;
      if (row.height !== height - heights.length || row.height < lowest) break;
      if (heights.length > 0 && bytes > this.#limits.bytesMax) break;
      heights.push(row.height);
    }
    return heights.map((at) => this.#blockOf(present(this.#rows.at.get(at), "a measured block")));
  }

  /** Headers from a block to the first one that has a certificate, with that; undefined where one is not there. */
  finality(
    height: number,
    max: number,
  ): { readonly headers: readonly Header[]; readonly certificate: Certificate } | undefined {
    const end = this.#rows.certifiedFrom.get(height);
    if (end === undefined || end - height >= max) return undefined;
    const headers: Header[] = [];
    for (let at = height; at <= end; at++) {
      const header = this.header(at);
      if (header === undefined) return undefined;
      headers.push(header);
    }
    const { certificate } = present(this.#rows.at.get(end), "a certified block");
    const bytes = present(certificate, "its certificate");
    return { headers, certificate: certificateOf(end, bytes) };
  }

  /** The validators of an epoch that has begun; the first is the genesis'. */
  validatorsOf(epoch: number): ValidatorSet | undefined {
    if (epoch === 0) return new ValidatorSet(0, this.#genesis.policy.validators);
    const height = this.#rows.boundaryOf.get(epoch - 1);
    const boundary = height === undefined ? undefined : this.header(height)?.boundary;
    return boundary === undefined ? undefined : new ValidatorSet(epoch, boundary.validators);
  }

  /** Digest of the boundary block from which an epoch starts; the channel's id for the first. */
  startOf(epoch: number): Digest {
    if (epoch === 0) return this.#genesis.identity.id;
    const height = this.#rows.boundaryOf.get(epoch - 1);
    const row = height === undefined ? undefined : this.#rows.at.get(height);
    assert(row !== undefined, "an epoch that has begun has a boundary");
    return digestOf(row.digest);
  }

  /** Each block that ended an epoch, with the certificate that finalizes it where that is held. */
  *boundaries(): Generator<{ readonly block: Block; readonly certificate?: Certificate }> {
    for (let epoch = 0; ; epoch++) {
      const height = this.#rows.boundaryOf.get(epoch);
      const row = height === undefined ? undefined : this.#rows.at.get(height);
      if (row === undefined) return;
      const block = this.#blockOf(row);
      yield row.certificate === null
        ? { block }
        : { block, certificate: certificateOf(row.height, row.certificate) };
    }
  }

  /**
   * Forgets the blocks below a height, and the evidence of their transactions. The log, its proofs, the
   * state, the seals and every boundary stay: an old receipt needs no more.
   */
  prune(below: number): void {
    assert(this.#channel.db.inTransaction, "pruning is one transaction");
    const row = this.#rows.at.get(below);
    assert(row !== undefined, "what is pruned ends at a block that stays");
    if (below <= this.prunedBelow) return;
    this.#rows.prune.run(below);
    this.#rows.pruneEvidence.run(row.first);
    this.#rows.putPruned.run(below);
  }

  #blockOf(row: ChainColumns): Block {
    const frame = this.#frame(row);
    const transactions = Array.from({ length: row.count }, (_, i) => {
      const transaction = this.#channel.transaction(row.first + i);
      if (transaction === undefined) throw corrupt(row.height, "a transaction is gone");
      return encodeTransaction(transaction);
    });
    const block = { ...frame, transactions };
    if (!equal(this.#crypto.sha256(encodeBlock(block)), row.hash))
      throw corrupt(row.height, "its transactions are not what was stored");
    return block;
  }

  #frame(row: ChainColumns): Block {
    const parsed = parseBlock(plain(row.frame), messageBytesMax);
    if (!parsed.ok) throw corrupt(row.height, `it is malformed (${parsed.fault.code})`);
    const { header } = parsed.value;
    if (!equal(headerDigest(this.#crypto, header), row.digest))
      throw corrupt(row.height, "it has another digest");
    return parsed.value;
  }
}

/** Of a block in a message, beside its own bytes. */
const blockHeadBytes = 8;

function finalizes(certificate: Certificate | undefined, digest: Digest): boolean {
  if (certificate === undefined) return true;
  const { ballot } = certificate;
  return ballot.kind === "finalize" && equal(ballot.digest, digest);
}

function certificateOf(height: number, bytes: Uint8Array): Certificate {
  const parsed = parseCertificateBytes(plain(bytes));
  if (!parsed.ok) throw corrupt(height, `its finalization is malformed (${parsed.fault.code})`);
  return parsed.value;
}

function digestOf(bytes: Uint8Array): Digest {
  const parsed = parseDigest(plain(bytes));
  assert(parsed.ok, "a stored digest has 32 bytes");
  return parsed.value;
}

/** The same memory without the driver's `Buffer` around it. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(height: number, what: string): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `Block ${height} in the ledger database is damaged: ${what}. Nothing was changed. Copy the data ` +
      "directory away, check the disk, and restore the directory from a backup.",
    { details: { height } },
  );
}
