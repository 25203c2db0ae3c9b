/** The ledger as the consensus core sees it: executes and builds blocks on immutable states. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Fault, Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type {
  Application,
  BlockContent,
  Built,
  Executed,
  NextEpoch,
  PendingTransaction,
  Refusal,
} from "../consensus/application.ts";
import { nextEpochValue } from "../consensus/block.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { rootOf } from "../log/merkle-root.ts";
import type { BlockMoment, RepeatedFault } from "./block-run.ts";
import { BlockRun } from "./block-run.ts";
import type { LedgerState, OrderedHistory } from "./ledger-state.ts";
import { isOrderedIn } from "./ledger-state.ts";
import { transactionBytesKeptMax, transactionsKeptMax } from "./limits.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionReaderLimits, TransactionReadFault } from "./transaction-reader.ts";
import { TransactionReader } from "./transaction-reader.ts";

export type BlockFault =
  /** The transaction at `position` is not valid where it stands. */
  | {
      readonly code: "BLOCK_TRANSACTION_INVALID";
      readonly position: number;
      readonly cause: TransactionReadFault | TransactionFault | RepeatedFault;
    }
  /** There where the parent wants none, not there where it wants one, or another than it wants. */
  | { readonly code: "BLOCK_BOUNDARY_WRONG" }
  /** A boundary carries no transactions. */
  | { readonly code: "BLOCK_BOUNDARY_NOT_EMPTY" };

/**
 * Pure in effect: what it keeps of transactions makes it faster and changes no answer. Which signatures
 * are good is asked of the crypto port of the states; give `rememberVerifications` around the real one to
 * whatever makes the first state, and what was gossiped is not verified again when it is proposed.
 */
export class LedgerApplication implements Application<LedgerState> {
  readonly #history: OrderedHistory;
  readonly #reader: TransactionReader;
  readonly #hasher: TreeHasher;

  /** @param history answers for what is final and stored, never for more. */
  constructor(
    { crypto, history }: { readonly crypto: CryptoPort; readonly history: OrderedHistory },
    limits: TransactionReaderLimits = { transactionsKeptMax, transactionBytesKeptMax },
  ) {
    this.#history = history;
    this.#hasher = treeHasher((bytes) => crypto.sha256(bytes));
    this.#reader = new TransactionReader({ crypto, hasher: this.#hasher }, limits);
  }

  /** What is remembered of transactions, for metrics. */
  get kept(): { readonly transactions: number; readonly bytes: number } {
    return { transactions: this.#reader.keptCount, bytes: this.#reader.bytesKept };
  }

  /** RFC 9162 root over SHA-256(0x00 ‖ transaction). */
  txRoot(transactions: readonly Uint8Array[]): Digest {
    const leaves = transactions.map((transaction) => this.#hasher.leaf(transaction));
    return rootOf(this.#hasher, leaves);
  }

  isOrdered(state: LedgerState, id: string): boolean {
    return isOrderedIn(this.#history, state, id);
  }

  /** Hexadecimal of the statement's identity (WIRE.md §5). Faults: CBOR_*, FIELD_*, COSE_*, STATEMENT_*. */
  identify(transaction: Uint8Array): Result<string, Fault> {
    const read = this.#reader.read(transaction);
    return read.ok ? ok(read.value.id) : read;
  }

  /**
   * Judges one transaction as if it came next, which checks its signatures ahead of the block that
   * carries it. Faults: TRANSACTION_REPEATED, and those of its kind.
   */
  judge(state: LedgerState, transaction: Uint8Array, moment: BlockMoment): Result<null, Fault> {
    const read = this.#reader.read(transaction);
    return read.ok ? new BlockRun(this.#history, state, moment).take(read.value) : read;
  }

  /** Faults: {@link BlockFault}. */
  execute(parent: LedgerState, block: BlockContent): Result<Executed<LedgerState>, BlockFault> {
    const next = this.nextEpoch(parent);
    if (!sameNextEpoch(next, block.boundary)) return err({ code: "BLOCK_BOUNDARY_WRONG" });
    if (next !== undefined) {
      if (block.transactions.length > 0) return err({ code: "BLOCK_BOUNDARY_NOT_EMPTY" });
      return ok(new BlockRun(this.#history, parent, block).finishBoundary());
    }
    const run = new BlockRun(this.#history, parent, block);
    for (const [position, bytes] of block.transactions.entries()) {
      const read = this.#reader.read(bytes);
      const taken = read.ok ? run.take(read.value) : read;
      if (!taken.ok)
        return err({ code: "BLOCK_TRANSACTION_INVALID", position, cause: taken.fault });
    }
    return ok(run.finish());
  }

  build(
    parent: LedgerState,
    block: BlockMoment,
    candidates: Iterable<PendingTransaction>,
    limits: { readonly transactionsMax: number; readonly bytesMax: number },
  ): Built<LedgerState> {
    assert(this.nextEpoch(parent) === undefined, "a boundary is executed, not built");
    const run = new BlockRun(this.#history, parent, block);
    const transactions: Uint8Array[] = [];
    const refused: Refusal[] = [];
    const known: string[] = [];
    let bytesLeft = limits.bytesMax;
    for (const { id, bytes } of candidates) {
      if (run.count === limits.transactionsMax) break;
      if (bytes.length > limits.bytesMax) {
        refused.push({ id, fault: { code: "TRANSACTION_TOO_LONG" } });
        continue;
      }
      if (bytes.length > bytesLeft) break;
      if (run.has(id)) {
        known.push(id);
        continue;
      }
      const read = this.#reader.read(bytes);
      const taken = read.ok ? run.take(read.value) : read;
      if (!taken.ok) {
        refused.push({ id, fault: taken.fault });
        continue;
      }
      transactions.push(bytes);
      bytesLeft -= bytes.length;
    }
    return { ...run.finish(), transactions, refused, known };
  }

  nextEpoch({ channel, epochStart }: LedgerState): NextEpoch | undefined {
    const { pending } = channel.governance;
    if (pending === undefined) return undefined;
    const { validators, approvals } = pending;
    return { validators, previous: epochStart, approvals };
  }
}

function sameNextEpoch(a: NextEpoch | undefined, b: NextEpoch | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equal(encodeCbor(nextEpochValue(a)), encodeCbor(nextEpochValue(b)));
}
