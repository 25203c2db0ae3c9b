/** Transactions in a file, each behind its length in four bytes: made once, read by several processes. */

import { readFileSync, writeFileSync } from "node:fs";
import { concat, u32 } from "@tamga/ledger-core/base/bytes";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction, parseTransaction } from "@tamga/ledger-core/wire/transaction";

export function writeLoad(file: string, transactions: readonly Transaction[]): void {
  const parts = transactions.map(encodeTransaction).flatMap((bytes) => [u32(bytes.length), bytes]);
  writeFileSync(file, concat(...parts));
}

export function readLoad(file: string): readonly Transaction[] {
  const bytes = new Uint8Array(readFileSync(file));
  const view = new DataView(bytes.buffer);
  const transactions: Transaction[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at);
    const parsed = parseTransaction(bytes.slice(at + 4, end));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    transactions.push(parsed.value);
    at = end;
  }
  return transactions;
}
