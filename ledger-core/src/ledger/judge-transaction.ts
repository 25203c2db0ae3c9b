/**
 * The validity of transactions. Pure: a function of the parent state, the transaction and the header's
 * time, so that every validator comes to the same end.
 */

import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { ParsedStatement, StatementType } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeAnchor } from "./judge-anchor.ts";
import { judgeDeviceKey, judgeRevocation } from "./judge-device.ts";
import { judgeLaneHead, judgeLaneOpen } from "./judge-lane.ts";
import { judgeLaneFault } from "./judge-lane-fault.ts";
import { judgePolicy, judgeValidators } from "./judge-members.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

/**
 * Judges a transaction against a state, which it does not change.
 *
 * @param statement the transaction's statement, parsed.
 * Faults: {@link TransactionFault}.
 */
export function judgeTransaction(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { type, channel, subject } = statement.header;
  if (channel !== state.genesis.identity.channel)
    return err({ code: "TRANSACTION_OTHER_CHANNEL", channel });
  const judge = judges[type];
  if (judge === undefined)
    return type === "channel-open"
      ? err({ code: "CHANNEL_ALREADY_OPEN" })
      : err({ code: "TRANSACTION_TYPE_REFUSED", type });
  const expected = type === "lane-open" || type === "lane-head" ? "lane" : "channel";
  if (subject !== expected) return err({ code: "TRANSACTION_SUBJECT_WRONG", subject });
  return judge(state, statement, given);
}

/** The kinds that are ordered. An approval travels with what it approves, and a device's go into lanes. */
const judges: Readonly<Partial<Record<StatementType, Judge>>> = {
  "lane-open": judgeLaneOpen,
  "lane-head": judgeLaneHead,
  "lane-fault": judgeLaneFault,
  device: judgeRevocation,
  "device-key": judgeDeviceKey,
  policy: judgePolicy,
  validators: judgeValidators,
  anchor: judgeAnchor,
};

type Judge = (
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
) => Result<ChannelChange, TransactionFault>;
