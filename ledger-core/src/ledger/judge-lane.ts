/** Whether a gateway's transactions are valid: it opens lanes, and they only grow. Pure. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import { verifyGateway } from "../receipt/verify-gateway.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { LaneOpenClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeApprovals } from "./officer.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

export function judgeLaneOpen(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { crypto, hasher, memory } = state.context;
  const { transaction, time } = given;
  const { issuer: gateway, kid } = statement.header;
  const parsed = parseGatewayClaims("lane-open", statement.claims);
  if (!parsed.ok) return parsed;
  const claims = parsed.value;
  const chain = transaction.certificates;
  const verified = verifyGateway(crypto, state.trust, { gateway, chain, at: time });
  if (!verified.ok) return verified;
  const { key, organisation, validityNotes } = verified.value;
  const signed = memory.verify(statement, key);
  if (!signed.ok) return signed;
  const fault = judgeOpening(state, claims, { gateway, organisation, kid });
  if (fault !== undefined) return err(fault);
  const approved = judgeApprovals(state, statement, { ...given, kind: "lane-open" });
  if (!approved.ok) return approved;
  const lane = {
    gateway,
    organisation,
    key,
    kid,
    certificate: present(chain[0], "the gateway's certificate"),
    incarnation: claims.incarnation,
    head: { size: 1n, root: hasher.leaf(transaction.statement) },
    frozen: false,
  };
  return ok({ type: "lane-opened", lane, validityNotes });
}

function judgeOpening(
  state: ChannelState,
  claims: LaneOpenClaims,
  by: { readonly gateway: Identifier; readonly organisation: Identifier; readonly kid: Digest },
): TransactionFault | undefined {
  const { genesis, limits } = state.context;
  const lane = state.lane(by.gateway);
  if (!equal(claims.channelId, genesis.identity.id)) return { code: "LANE_OPEN_OTHER_CHANNEL" };
  if (lane?.frozen === true) return { code: "LANE_FROZEN" };
  if (state.revocations.find(by.kid) !== undefined) return { code: "LANE_KEY_REVOKED" };
  if (state.openings.has(toHex(claims.incarnation))) return { code: "LANE_INCARNATION_USED" };
  if (state.openings.size >= limits.laneOpeningsMax)
    return { code: "LANE_OPENINGS_FULL", limit: limits.laneOpeningsMax };
  const { predecessor } = claims;
  if (lane === undefined) {
    if (state.lanes.size >= limits.lanesMax) return { code: "LANES_FULL", limit: limits.lanesMax };
    // A channel that was opened anew cannot know what its predecessor ordered last.
    const unknowable = genesis.claims.predecessor !== undefined;
    return predecessor === undefined || unknowable
      ? undefined
      : { code: "LANE_PREDECESSOR_MISMATCH" };
  }
  if (lane.organisation !== by.organisation) return { code: "LANE_OTHER_ORGANISATION" };
  const names =
    predecessor !== undefined &&
    equal(predecessor.incarnation, lane.incarnation) &&
    sameHead(predecessor.head, lane.head);
  return names ? undefined : { code: "LANE_PREDECESSOR_MISMATCH", head: lane.head };
}

export function judgeLaneHead(
  state: ChannelState,
  statement: ParsedStatement,
  { transaction }: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { memory, hasher, limits } = state.context;
  const { issuer: gateway } = statement.header;
  const lane = state.lane(gateway);
  if (lane === undefined) return err({ code: "LANE_UNKNOWN" });
  const signed = memory.verify(statement, lane.key);
  if (!signed.ok) return signed;
  const parsed = memory.laneHead(statement);
  if (!parsed.ok) return parsed;
  const { incarnation, head, revocations } = parsed.value;
  if (transaction.approvals !== undefined) return err({ code: "APPROVALS_UNEXPECTED" });
  if (lane.frozen) return err({ code: "LANE_FROZEN" });
  if (!state.governance.members.has(lane.organisation))
    return err({ code: "LANE_ORGANISATION_LEFT" });
  if (state.revocations.find(lane.kid) !== undefined) return err({ code: "LANE_KEY_REVOKED" });
  if (!equal(incarnation, lane.incarnation)) return err({ code: "LANE_INCARNATION_NOT_OPEN" });
  if (head.size > limits.laneSizeMax)
    return err({ code: "LANE_HEAD_TOO_LARGE", limit: limits.laneSizeMax });
  if (head.size === lane.head.size && !equal(head.root, lane.head.root))
    return err({ code: "LANE_HEAD_INCONSISTENT", head: lane.head });
  if (head.size <= lane.head.size)
    return err({ code: "LANE_HEAD_NOT_GROWN", size: head.size, last: lane.head.size });
  const current = state.revocations.head;
  if (!sameHead(revocations, current)) return err({ code: "LANE_HEAD_STALE_REVOCATIONS", current });
  const consistent = verifyConsistency(hasher, {
    size1: lane.head.size,
    size2: head.size,
    root1: lane.head.root,
    root2: head.root,
    path: transaction.consistency,
  });
  if (!consistent.ok)
    return err({ code: "LANE_HEAD_PROOF_WRONG", cause: consistent.fault, last: lane.head });
  return ok({ type: "lane-grown", gateway, head });
}

function sameHead(a: TreeHead, b: TreeHead): boolean {
  return a.size === b.size && equal(a.root, b.root);
}
