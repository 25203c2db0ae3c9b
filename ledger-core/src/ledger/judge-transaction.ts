/**
 * The validity of transactions. Pure: a function of the parent state, the transaction and the header's
 * time, so that every validator comes to the same end.
 */

import { assertNever } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { ParsedStatement, StatementType } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeRevocation } from "./judge-device.ts";
import { judgeLaneHead, judgeLaneOpen } from "./judge-lane.ts";
import type { TransactionFault } from "./transaction-fault.ts";

/**
 * Judges a transaction against a state, which it does not change.
 *
 * @param statement the transaction's statement, parsed.
 * @param time the header's, never a local clock.
 * Faults: {@link TransactionFault}.
 */
export function judgeTransaction(
  state: ChannelState,
  statement: ParsedStatement,
  given: { readonly transaction: Transaction; readonly time: UnixMillis },
): Result<ChannelChange, TransactionFault> {
  const { type, channel, subject } = statement.header;
  if (channel !== state.genesis.identity.channel)
    return err({ code: "TRANSACTION_OTHER_CHANNEL", channel });
  const expected = subjects[type];
  if (expected !== undefined && subject !== expected)
    return err({ code: "TRANSACTION_SUBJECT_WRONG", subject });
  switch (type) {
    case "lane-open":
      return judgeLaneOpen(state, statement, given);
    case "lane-head":
      return judgeLaneHead(state, statement, given);
    case "device":
      return judgeRevocation(state, statement);
    case "channel-open":
      return err({ code: "CHANNEL_ALREADY_OPEN" });
    case "bundle":
    case "gap":
    case "start":
    case "heartbeat":
    case "rejection":
      return err({ code: "TRANSACTION_TYPE_REFUSED", type });
    default:
      return assertNever(type);
  }
}

/** The subject of each kind that is ordered (WIRE.md §5). */
const subjects: Readonly<Partial<Record<StatementType, string>>> = {
  "lane-open": "lane",
  "lane-head": "lane",
  device: "channel",
};
