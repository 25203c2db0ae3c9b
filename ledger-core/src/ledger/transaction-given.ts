/** What a transaction is judged by, beside its statement and the state. */

import type { UnixMillis } from "../base/time.ts";
import type { Transaction } from "../wire/transaction.ts";

export type TransactionGiven = {
  readonly transaction: Transaction;
  /** The header's, never a local clock. */
  readonly time: UnixMillis;
  /** The leaf that the statement would have in the channel's log, whose size this is so far. */
  readonly index: bigint;
};
