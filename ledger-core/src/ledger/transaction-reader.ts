/** Reads transactions once: what was gossiped is proposed later, and proposed again. */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { identityOf } from "../wire/cose.ts";
import type { ParsedStatement, StatementFault } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction, TransactionFormatFault } from "../wire/transaction.ts";
import { parseTransaction } from "../wire/transaction.ts";
import { digestKey } from "./digest-key.ts";

/** A transaction taken apart; nothing of it is verified. */
export type ReadTransaction = {
  /** Identity of its statement, and the same in hexadecimal. */
  readonly identity: Digest;
  readonly id: string;
  readonly transaction: Transaction;
  readonly statement: ParsedStatement;
  /** SHA-256(0x00 ‖ statement): its leaf in the channel's log. */
  readonly leaf: Digest;
  /** SHA-256(0x00 ‖ transaction): its leaf in the block's `txRoot`. */
  readonly bodyLeaf: Digest;
};

export type TransactionReadFault = TransactionFormatFault | StatementFault;

export type TransactionReaderLimits = {
  readonly transactionsKeptMax: number;
  readonly transactionBytesKeptMax: number;
};

/** Keeps what it read last, by the hash of the exact bytes: one identity may come with other evidence. */
export class TransactionReader {
  readonly #crypto: CryptoPort;
  readonly #hasher: TreeHasher;
  readonly #limits: TransactionReaderLimits;
  readonly #kept = new Map<string, { readonly read: ReadTransaction; readonly length: number }>();
  #bytesKept = 0;

  constructor(
    { crypto, hasher }: { readonly crypto: CryptoPort; readonly hasher: TreeHasher },
    limits: TransactionReaderLimits,
  ) {
    this.#crypto = crypto;
    this.#hasher = hasher;
    this.#limits = limits;
  }

  get keptCount(): number {
    return this.#kept.size;
  }

  get bytesKept(): number {
    return this.#bytesKept;
  }

  /** Faults: CBOR_*, FIELD_*, COSE_*, STATEMENT_*. */
  read(bytes: Uint8Array): Result<ReadTransaction, TransactionReadFault> {
    const bodyLeaf = this.#hasher.leaf(bytes);
    const key = digestKey(bodyLeaf);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return ok(kept.read);
    const transaction = parseTransaction(bytes);
    if (!transaction.ok) return transaction;
    const statement = parseStatement(transaction.value.statement);
    if (!statement.ok) return statement;
    const sha256 = (of: Uint8Array) => this.#crypto.sha256(of);
    const identity = identityOf(sha256, statement.value.part);
    const read = {
      identity,
      id: toHex(identity),
      transaction: transaction.value,
      statement: statement.value,
      leaf: this.#hasher.leaf(transaction.value.statement),
      bodyLeaf,
    };
    this.#keep(key, { read, length: bytes.length });
    return ok(read);
  }

  #keep(key: string, entry: { readonly read: ReadTransaction; readonly length: number }): void {
    this.#kept.set(key, entry);
    this.#bytesKept += entry.length;
    const { transactionsKeptMax, transactionBytesKeptMax } = this.#limits;
    for (const [oldest, { length }] of this.#kept) {
      const fits =
        this.#kept.size <= transactionsKeptMax && this.#bytesKept <= transactionBytesKeptMax;
      if (fits) return;
      this.#kept.delete(oldest);
      this.#bytesKept -= length;
    }
  }
}
