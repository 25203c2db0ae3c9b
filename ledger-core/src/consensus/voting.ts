/** Judging proposals and casting votes; what justifies a vote is written down with it. */

import { equal } from "../base/bytes.ts";
import { headerDigest } from "./block.ts";
import type { TreeBlock } from "./block-tree.ts";
import { countVote, receiveCertificate } from "./certifying.ts";
import { writeEntry, writeGrounds } from "./grounds.ts";
import { clockAheadMsMax, viewsAheadMax } from "./limits.ts";
import type { Propose } from "./message.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { View } from "./validator-set.ts";
import { digestKey, sameBallot } from "./view-tally.ts";
import type { Ballot, BlockBallot, SignedVote } from "./vote.ts";
import { voteBytes } from "./vote.ts";

/** A PROPOSE, from whomever it came: the leader's signature makes it one. */
export function receiveProposal<State>(
  core: ReplicaCore<State>,
  from: number,
  message: Propose,
): void {
  const { set, history, ports, config } = core;
  const { view, parentView, block, signature } = message;
  if (view <= history.baseView || view > core.view + viewsAheadMax) return;
  if (parentView >= view) {
    core.misbehaviour(from, "PROPOSE_PARENT_WRONG");
    return;
  }
  const voter = set.leaderOf(view);
  const digest = headerDigest(ports.crypto, block.header);
  const ballot: BlockBallot = { kind: "notarize", view, parentView, digest };
  const vote: SignedVote = { ballot, voter, signature };
  const domain = { channel: config.channel, epoch: set.epoch };
  const isCounted = history.find(view)?.holds(vote) ?? false;
  if (!isCounted && !ports.crypto.verify(set.keyOf(voter), voteBytes(domain, ballot), signature)) {
    core.misbehaviour(from, "PROPOSE_SIGNATURE_WRONG");
    return;
  }
  const grounds = [
    ...(message.parent === undefined ? [] : [message.parent]),
    ...message.nullifications,
  ];
  for (const certificate of grounds)
    if (certificate.epoch === set.epoch && !receiveCertificate(core, from, certificate)) return;
  // Before it is counted: with few validators its vote may already complete a certificate.
  const first = view >= core.view && !core.proposals.has(view) && !core.later.has(view);
  const added = first || core.view > view ? core.tree.add(block, { kept: false }) : undefined;
  if (first && view > core.view) core.later.set(view, message);
  if (first && view === core.view) {
    core.proposals.set(view, ballot);
    core.woken = true;
  }
  if (!isCounted) countVote(core, vote);
  const notarized = history.find(view)?.notarization?.ballot.digest;
  if (added !== undefined && notarized !== undefined && equal(notarized, added.digest))
    added.kept = true;
}

/** A proposal that came before its view did. */
export function openLater<State>(core: ReplicaCore<State>): boolean {
  const message = core.later.get(core.view);
  if (message === undefined) return false;
  core.later.delete(core.view);
  receiveProposal(core, core.leader, message);
  return true;
}

/** NOTARIZE for the view's first proposal, once all that justifies it is here. */
export function tryNotarize<State>(core: ReplicaCore<State>): boolean {
  const { book, tree, view } = core;
  const ballot = core.proposals.get(view);
  if (ballot === undefined || core.ended || !mayVote(core)) return false;
  const row = book.row(view);
  if (row?.notarized !== undefined || row?.nullified !== undefined || core.proposalInvalid)
    return false;
  const node = tree.get(ballot.digest);
  if (node === undefined) {
    core.wants.digests.set(digestKey(ballot.digest), ballot.digest);
    return false;
  }
  const verdict = judge(core, node, ballot);
  if (verdict === "pending") return false;
  if (verdict === "invalid") {
    core.proposalInvalid = true;
    core.misbehaviour(core.leader, node.invalid ?? "PROPOSE_NOT_JUSTIFIED");
    return true;
  }
  core.patience.proposed();
  node.kept = true;
  const vote = castVote(core, ballot, node);
  if (vote !== undefined) sendVote(core, vote);
  return vote !== undefined;
}

/** NULLIFY on a timer, for an invalid proposal, after f + 1 others or the leader itself. */
export function tryNullify<State>(core: ReplicaCore<State>): boolean {
  const { history, patience, set, view } = core;
  const isExpired = patience.expire(core.now);
  const tally = history.find(view);
  const isCalledFor =
    tally !== undefined &&
    (tally.nullifyCount > set.faults || tally.vote("nullify", core.leader) !== undefined);
  if (!isExpired && !core.proposalInvalid && !isCalledFor) return false;
  const row = core.book.row(view);
  if (row?.nullified !== undefined || row?.finalized !== undefined || !mayVote(core)) return false;
  const vote = castVote(core, { kind: "nullify", view });
  if (vote === undefined) return false;
  core.out.send("all", { type: "vote", epoch: set.epoch, vote });
  return true;
}

/** FINALIZE for every notarized view whose body is here and that was not nullified by us. */
export function tryFinalize<State>(core: ReplicaCore<State>): boolean {
  const { history, book, tree } = core;
  let isVoted = false;
  for (const view of [...core.toFinalize].sort((a, b) => a - b)) {
    const certificate = history.find(view)?.notarization;
    const row = book.row(view);
    const isDecided = row?.nullified !== undefined || row?.finalized !== undefined;
    if (
      view <= history.baseView ||
      certificate === undefined ||
      isDecided ||
      !canVote(core, view)
    ) {
      core.toFinalize.delete(view);
      continue;
    }
    const { parentView, digest } = certificate.ballot;
    const node = tree.get(digest);
    if (node === undefined) {
      core.wants.digests.set(digestKey(digest), digest);
      continue;
    }
    node.kept = true;
    const outcome = executeCertified(core, node);
    if (outcome !== "executed") continue;
    core.toFinalize.delete(view);
    const vote = castVote(core, { kind: "finalize", view, parentView, digest }, node);
    if (vote === undefined) continue;
    sendVote(core, vote);
    isVoted = true;
  }
  return isVoted;
}

/** What a quorum certified must execute here, or this node's state is not the others'. */
export function executeCertified<State>(
  core: ReplicaCore<State>,
  node: TreeBlock<State>,
): "executed" | "pending" | "halted" {
  const outcome = core.tree.execute(node);
  if (outcome === "pending") {
    const chain = core.tree.chainTo(node.digest);
    if ("missing" in chain) core.wants.digests.set(digestKey(chain.missing), chain.missing);
    return "pending";
  }
  if (outcome === "executed") return "executed";
  core.halt(
    "CONSENSUS_EXECUTION_DIFFERS",
    `${node.invalid ?? ""} at height ${node.block.header.height}`,
  );
  return "halted";
}

/**
 * Signs, writes down with its grounds, and counts an own vote.
 *
 * @returns undefined where the rules refuse it.
 */
export function castVote<State>(
  core: ReplicaCore<State>,
  ballot: Ballot,
  node?: TreeBlock<State>,
): SignedVote | undefined {
  const notarized = ballot.kind === "finalize" && isNotarizedExactly(core, ballot);
  const executed = node?.executed !== undefined;
  const signed = core.book.sign(ballot, { view: core.view, executed, notarized });
  if (!signed.ok) return undefined;
  const { vote, write } = signed.value;
  if (write !== undefined) {
    if (ballot.kind === "nullify") writeEntry(core, ballot.view);
    else if (node !== undefined) writeGrounds(core, node, ballot);
    core.out.write(write);
  }
  countVote(core, vote);
  return vote;
}

/** To all; above seven validators to those who lead now and next, and to all by the resend. */
export function sendVote<State>(core: ReplicaCore<State>, vote: SignedVote): void {
  const { set, self } = core;
  const message = { type: "vote", epoch: set.epoch, vote } as const;
  if (set.size <= 7) {
    core.out.send("all", message);
    return;
  }
  const { view } = vote.ballot;
  for (const to of new Set([set.leaderOf(view), set.leaderOf(view + 1)]))
    if (to !== self) core.out.send(to, message);
}

/** Whether anything may be signed in the current view: no floor or lost votes stand in the way. */
export function mayVote<State>(core: ReplicaCore<State>): boolean {
  return canVote(core, core.view);
}

function canVote<State>({ book, self }: ReplicaCore<State>, view: View): boolean {
  return self !== undefined && !book.amnesia && !book.isBelowFloor(view);
}

function isNotarizedExactly<State>(core: ReplicaCore<State>, ballot: BlockBallot): boolean {
  const held = core.history.find(ballot.view)?.notarization?.ballot;
  return held !== undefined && sameBallot({ ...held, kind: "finalize" }, ballot);
}

/** Is the block valid, and does what is held here justify it in this view? */
function judge<State>(
  core: ReplicaCore<State>,
  node: TreeBlock<State>,
  ballot: BlockBallot,
): "valid" | "invalid" | "pending" {
  const { history, tree } = core;
  const { header } = node.block;
  const { view, parentView } = ballot;
  // Nothing can justify a parent below what is final: the view runs out of time.
  if (parentView < history.baseView) return "pending";
  const isRepeated = header.view !== view;
  if (isRepeated && (header.boundary === undefined || header.view > view)) return "invalid";
  if (!isRepeated && header.parentView !== parentView) return "invalid";
  const parentDigest = isRepeated ? ballot.digest : header.parentDigest;
  if (!history.isNotarized(parentView, parentDigest)) {
    const other = parentView === history.baseView || history.find(parentView)?.notarization;
    if (other !== undefined) return "invalid";
    wantCertificates(core, parentView, view);
    return "pending";
  }
  if (history.notNullified(parentView, view, 1).length > 0) {
    wantCertificates(core, parentView + 1, view);
    return "pending";
  }
  const outcome = tree.execute(node);
  if (outcome === "pending") {
    const chain = tree.chainTo(node.digest);
    if ("missing" in chain) core.wants.digests.set(digestKey(chain.missing), chain.missing);
    core.wants.likely ??= core.leader;
    return "pending";
  }
  if (outcome === "invalid") return "invalid";
  return isTimely(core, node) ? "valid" : "invalid";
}

/**
 * A vote's own guard, not part of validity: a leader whose clock is far ahead would take the channel's time
 * there for ever, since it never goes back.
 */
function isTimely<State>({ wall, tree }: ReplicaCore<State>, { block }: TreeBlock<State>): boolean {
  const parent = tree.get(block.header.parentDigest)?.block.header.time ?? tree.tip.time;
  return block.header.time <= Math.max(wall + clockAheadMsMax, parent);
}

/** Certificates of the views [from, to): asked of the leader that built on them. */
export function wantCertificates<State>(core: ReplicaCore<State>, from: View, to: View): void {
  core.wants.certificates = { from, to: to - 1 };
  core.wants.likely ??= core.leader;
}
