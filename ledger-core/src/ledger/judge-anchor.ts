/** Whether a note that a checkpoint stands in another chain is valid. Pure. */

import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { verifyOpenLane } from "./judge-lane-fault.ts";
import type { Officer, OfficerFault } from "./officer.ts";
import { judgeApprovals, verifyOfficer } from "./officer.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

/**
 * By a gateway with an open lane or an organisation. A target's anchors only grow, so that there is at most
 * one for each size; what the proof says is for whoever knows the target.
 */
export function judgeAnchor(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const lane = state.lane(statement.header.issuer);
  let signer: Officer | undefined;
  if (lane !== undefined && equal(lane.kid, statement.header.kid)) {
    const signed = verifyOpenLane(state, statement, lane);
    if (!signed.ok) return signed;
  } else {
    const { transaction, time } = given;
    const officer: Result<Officer, OfficerFault> = verifyOfficer(state, statement, {
      chain: transaction.certificates,
      time,
    });
    if (!officer.ok) return officer;
    signer = officer.value;
  }
  const parsed = parseGovernanceClaims("anchor", statement.claims);
  if (!parsed.ok) return parsed;
  const { target, head } = parsed.value;
  if (head.size === 0n || head.size > given.index)
    return err({ code: "ANCHOR_BEYOND_LOG", size: given.index });
  const last = state.anchors.get(target);
  if (last !== undefined && head.size <= last.head.size)
    return err({ code: "ANCHOR_NOT_NEWER", last: last.head.size });
  const { anchorTargetsMax } = state.context.limits;
  if (last === undefined && state.anchors.size >= anchorTargetsMax)
    return err({ code: "ANCHOR_TARGETS_FULL", limit: anchorTargetsMax });
  const approved = judgeApprovals(state, statement, {
    ...given,
    kind: "anchor",
    ...(signer === undefined ? {} : { signer }),
  });
  return approved.ok ? ok({ type: "anchored", target, head }) : approved;
}
