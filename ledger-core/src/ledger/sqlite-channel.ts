/** A channel in SQLite: its log, its blocks, the state they led to, and the newest seal. */

import type Database from "better-sqlite3";
import { assert, assertNever, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, fromHex, parseDigest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { UnixMillis } from "../base/time.ts";
import { CompactRange } from "../log/compact-range.ts";
import { identityOf } from "../wire/cose.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelChange, ChannelContent } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import { ChannelState } from "./channel-state.ts";
import type { Governance } from "./governance.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { LedgerState, OrderedHistory } from "./ledger-state.ts";
import type { ChannelRows } from "./sqlite-channel-rows.ts";
import { openChannelRows } from "./sqlite-channel-rows.ts";
import { SqliteLog } from "./sqlite-log.ts";
import { firstRecoveredState, genesisAfter } from "./sqlite-recovery.ts";

/** A transaction that was judged valid, and what it does. */
export type OrderedTransaction = {
  readonly identity: Digest;
  readonly transaction: Transaction;
  /** Absent for the channel-open alone. */
  readonly change?: ChannelChange;
};

/** Changes that have rows of their own; governance is stored whole. */
type RowChange = Exclude<ChannelChange, { readonly type: "policy-set" | "members-chosen" }>;

/** The one object that writes a channel's tables; every write is inside the caller's transaction. */
export class SqliteChannel {
  readonly db: Database.Database;
  readonly log: SqliteLog;
  readonly rows: ChannelRows;
  readonly crypto: CryptoPort;

  private constructor(db: Database.Database, crypto: CryptoPort) {
    this.db = db;
    this.crypto = crypto;
    this.rows = openChannelRows(db);
    this.log = SqliteLog.open(db, {
      prefix: "channel_log",
      sha256: (bytes) => crypto.sha256(bytes),
    });
  }

  /** Creates the tables where they are not there. @throws OperationalError DATABASE_CORRUPT. */
  static open(db: Database.Database, crypto: CryptoPort): SqliteChannel {
    const channel = new SqliteChannel(db, crypto);
    const last = channel.rows.lastBlock();
    const blocksEnd = last === undefined ? 0 : last.first + last.count;
    if (blocksEnd !== channel.log.size) throw corrupt("its blocks and its log end apart");
    db.transaction(() => channel.#completeOpenings())();
    return channel;
  }

  /** Where a statement stands, if it was ordered. */
  indexOf(identity: Digest): bigint | undefined {
    const index = this.rows.indexOf(identity);
    return index === undefined ? undefined : BigInt(index);
  }

  /** The time of the last block's header, 0 before the first. */
  get lastTime(): number {
    return this.rows.lastBlock()?.time ?? 0;
  }

  /**
   * Adds a block: log, state, evidence and identities. Not an empty one.
   *
   * @param governance as the block left it; needed where the block changed it.
   */
  appendBlock(
    block: readonly OrderedTransaction[],
    { time, governance }: { readonly time: UnixMillis; readonly governance?: Governance },
  ): void {
    assert(this.db.inTransaction, "a block is one transaction");
    assert(block.length > 0, "a block holds a transaction");
    assert(time >= this.lastTime, "header time is monotone");
    const first = this.log.append(block.map(({ transaction }) => transaction.statement));
    for (const [offset, { identity, transaction, change }] of block.entries()) {
      const index = first + offset;
      this.rows.putStatement(identity, index);
      this.rows.putEvidence(index, transaction);
      if (change === undefined) continue;
      if (change.type !== "policy-set" && change.type !== "members-chosen")
        this.#putChange(change, index);
      else this.rows.putGovernance(present(governance, "governance that a block changed"));
    }
    this.rows.putBlock({ first, count: block.length, time });
  }

  /**
   * Adds what a final block did, whatever it did: nothing of an empty one.
   *
   * @param digest of the block; kept of a boundary.
   */
  appendState(
    state: LedgerState,
    { time, digest }: { readonly time: UnixMillis; readonly digest: Digest },
  ): void {
    assert(this.db.inTransaction, "a block is one transaction");
    const { governance } = state.channel;
    if (state.applied.length > 0) this.appendBlock(state.applied, { time, governance });
    if (state.isBoundary) {
      this.rows.putBoundary({ epoch: governance.epoch, size: this.log.size, digest });
      this.rows.putGovernance(governance);
    }
    assert(state.log.size === this.log.size, "the stored log has grown by the block");
  }

  /** The transaction at a leaf, as it was submitted. */
  transaction(index: number): Transaction | undefined {
    const statement = this.log.entry(index);
    if (statement === undefined) return undefined;
    const evidence = this.rows.evidence(index);
    if (evidence === undefined) throw corrupt("the evidence of a transaction is gone");
    return { statement, ...evidence };
  }

  /** The channel that leaf 0 opens, or the newest recovery began. @throws OperationalError DATABASE_CORRUPT. */
  genesis(): ChannelGenesis {
    return genesisAfter(this.db, this.crypto, this.opening());
  }

  /** The channel that leaf 0 opens, whatever became of it. @throws OperationalError DATABASE_CORRUPT. */
  opening(): ChannelGenesis {
    const transaction = this.transaction(0);
    assert(transaction !== undefined, "the channel has been opened");
    const judged = judgeGenesis(this.crypto, transaction);
    if (!judged.ok) throw corrupt(`its first leaf does not open a channel (${judged.fault.code})`);
    return judged.value;
  }

  /** The state as the last block left it. Signatures will be checked by the port that `open` was given. */
  loadState(genesis: ChannelGenesis): LedgerState {
    const { size, hasher } = this.log;
    const content = { ...this.#content(size), governance: this.rows.governance(genesis) };
    return {
      channel: ChannelState.of({ crypto: this.crypto, genesis }, content),
      log: CompactRange.fromNodes(hasher, size, this.log.nodeReader()),
      epochStart: this.rows.boundaries().at(-1)?.digest ?? genesis.identity.id,
      isBoundary: false,
      applied: [],
      recent: undefined,
    };
  }

  /** What is final and stored, for the application that executes on top of it. */
  get history(): OrderedHistory {
    const { rows, log } = this;
    return {
      isOrdered(id) {
        const identity = parseDigest(present(fromHex(id), "identity in hexadecimal"));
        return identity.ok && rows.indexOf(identity.value) !== undefined;
      },
      get size() {
        return log.size;
      },
    };
  }

  /** The revoked keys, in order, up to and without leaf `end`. */
  revocationsBefore(end: number): RevokedKey[] {
    return this.rows.revocationsBefore(end);
  }

  /**
   * Judges every transaction again, block by block from the first, and compares with the stored state:
   * what an operator asks for after a doubtful disk.
   *
   * @param from a state that is trusted, and the log's size then: what came before is hashed and identified,
   *   and not judged, since its evidence may be gone.
   * @throws OperationalError DATABASE_CORRUPT.
   */
  verifyAll(from?: { readonly state: ChannelState; readonly size: number }): void {
    this.log.verifyAll();
    const state = this.stateAt(this.log.size, from);
    const stored = this.loadState(this.genesis()).channel;
    if (!equal(stored.root(), state.root())) throw corrupt("its state is not what its log led to");
  }

  /**
   * The state that the first leaves led to, of a size at which a block ended; for the rest as {@link verifyAll}.
   *
   * @throws OperationalError DATABASE_CORRUPT.
   */
  stateAt(
    size: number,
    from: { readonly state: ChannelState; readonly size: number } = this.#firstState(),
  ): ChannelState {
    let { state } = from;
    const begin = from.size;
    const { epoch } = state.governance;
    const boundaries = this.rows.boundaries().filter((row) => row.epoch > epoch);
    for (let index = 1; index < begin; index++) this.#identified(index);
    const beginEpochs = (upTo: number) => {
      while (boundaries[0] !== undefined && boundaries[0].size <= upTo) {
        boundaries.shift();
        if (state.governance.pending === undefined) throw corrupt("nothing asked for a boundary");
        state = state.beginEpoch();
      }
    };
    for (const { first, count, time } of this.rows.blocks()) {
      if (first + count <= begin) continue;
      if (first >= size) break;
      beginEpochs(first);
      for (let index = Math.max(first, begin); index < first + count; index++)
        state = this.#replay(state, index, time);
    }
    beginEpochs(size);
    for (const gateway of this.rows.frozenWithoutTrace()) state = state.freeze(gateway);
    return state;
  }

  /** Of the log's first leaf, or of the recovery's, which begins with what its channel had been. */
  #firstState(): { readonly state: ChannelState; readonly size: number } {
    const { crypto } = this;
    const genesis = this.opening();
    const recovered = firstRecoveredState(this.db, crypto, genesis);
    return recovered ?? { state: ChannelState.of({ crypto, genesis }), size: 1 };
  }

  #replay(state: ChannelState, index: number, time: UnixMillis): ChannelState {
    const transaction = this.transaction(index);
    if (transaction === undefined) throw corrupt("a transaction is gone");
    const statement = this.#identified(index);
    const at = BigInt(index);
    const change = judgeTransaction(state, statement, { transaction, time, index: at });
    if (!change.ok) throw corrupt(`leaf ${index} was not valid (${change.fault.code})`);
    return state.apply(change.value, at);
  }

  /** The statement at a leaf, which its identity leads to. */
  #identified(index: number): ParsedStatement {
    const statement = parseStatement(present(this.log.entry(index), "a leaf of the log"));
    if (!statement.ok) throw corrupt(`leaf ${index} is malformed (${statement.fault.code})`);
    if (this.rows.indexOf(statementIdentity(this.crypto, statement.value)) !== index)
      throw corrupt(`leaf ${index} is not found by its identity`);
    return statement.value;
  }

  #putChange(change: RowChange, index: number): void {
    switch (change.type) {
      case "lane-opened": {
        const { incarnation, gateway, kid, head } = change.lane;
        this.rows.putLane({ ...change.lane, index: BigInt(index) });
        this.rows.putOpening({ incarnation, gateway, kid, root: head.root }, index);
        return;
      }
      case "lane-grown":
        this.rows.moveLane(change.gateway, { head: change.head, index });
        return;
      case "key-revoked":
        this.rows.putRevocation(change.revoked, index);
        return;
      case "lane-frozen":
        this.rows.putLaneFault(change.gateway, index);
        return;
      case "device-key-stated":
        this.rows.putDevice(change.device, index);
        return;
      case "anchored":
        this.rows.putAnchor(change, index);
        return;
      default:
        assertNever(change);
    }
  }

  /** Reads out of the log what an older release did not keep of its lane-open statements. */
  #completeOpenings(): void {
    for (const index of this.rows.bareOpenings()) {
      const statement = parseStatement(present(this.log.entry(index), "an opening's leaf"));
      const claims = statement.ok
        ? parseGatewayClaims("lane-open", statement.value.claims)
        : statement;
      if (!statement.ok || !claims.ok) throw corrupt(`leaf ${index} does not open a lane`);
      const { issuer: gateway, kid } = statement.value.header;
      const { incarnation } = claims.value;
      const root = this.log.leafHash(index);
      this.rows.putOpening({ incarnation, gateway, kid, root }, index);
    }
  }

  #content(end: number): ChannelContent {
    return {
      lanes: this.rows.lanes(this.crypto),
      openings: this.rows.openings(),
      revocations: this.rows.revocationsBefore(end),
      devices: this.rows.devices(),
      deviceKeys: this.rows.deviceKeys(),
      anchors: this.rows.anchors(),
    };
  }
}

/** What a statement is found by: the hash of what is signed, whatever the signature's form. */
export function statementIdentity(crypto: CryptoPort, statement: ParsedStatement): Digest {
  return identityOf((bytes) => crypto.sha256(bytes), statement.part);
}

function corrupt(what: string): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `The channel in the ledger database is damaged: ${what}. Nothing was changed. Copy the data ` +
      "directory away, check the disk, and restore the directory from a backup.",
  );
}
