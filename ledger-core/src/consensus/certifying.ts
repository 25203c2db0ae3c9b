/** Counting votes, taking certificates in, and moving from view to view. */

import type { Certificate } from "./certificate.ts";
import { verifyCertificate } from "./certificate.ts";
import { nullifyWakesMax, openViewsMax, viewsAheadMax } from "./limits.ts";
import { loseMemory } from "./remembering.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { View } from "./validator-set.ts";
import type { SignedVote } from "./vote.ts";
import { voteBytes } from "./vote.ts";

/** A vote from anybody: its signature says whose it is. */
export function receiveVote<State>(core: ReplicaCore<State>, from: number, vote: SignedVote): void {
  const { set, history, book } = core;
  const { ballot, voter } = vote;
  if (!set.has(voter)) {
    core.misbehaviour(from, "VOTE_VOTER_UNKNOWN");
    return;
  }
  if (ballot.view <= history.baseView || ballot.view > core.view + viewsAheadMax) return;
  if (ballot.kind !== "nullify" && ballot.parentView >= ballot.view) {
    core.misbehaviour(from, "VOTE_PARENT_WRONG");
    return;
  }
  const tally = history.tally(ballot.view);
  if (!tally.holds(vote)) {
    const domain = { channel: core.config.channel, epoch: set.epoch };
    if (!core.ports.crypto.verify(set.keyOf(voter), voteBytes(domain, ballot), vote.signature)) {
      core.misbehaviour(from, "VOTE_SIGNATURE_WRONG");
      return;
    }
    if (voter === core.self && !book.isBelowFloor(ballot.view) && !book.has(ballot))
      loseMemory(core);
    countVote(core, vote);
  }
  if (ballot.kind === "nullify" && ballot.view === core.view) wakeByNullify(core, voter);
}

/** Counts a vote that was verified, or is our own. */
export function countVote<State>(core: ReplicaCore<State>, vote: SignedVote): void {
  const added = core.history.tally(vote.ballot.view).add(vote);
  if (added.type === "equivocation") core.offend(added.proof);
  if (added.type === "counted" && added.certificate !== undefined)
    keepCertificate(core, added.certificate, true);
}

/**
 * A certificate from a peer; it acts as if it had been formed here.
 *
 * @returns false where it is none: the peer is counted for it.
 */
export function receiveCertificate<State>(
  core: ReplicaCore<State>,
  from: number,
  certificate: Certificate,
): boolean {
  const { set, history, book, self } = core;
  const { ballot, epoch, voters } = certificate;
  if (epoch === set.epoch && ballot.view <= history.baseView) return true;
  const tally = history.find(ballot.view);
  if (tally?.isHeld(ballot) === true) return true;
  const isKnown = (voter: number, signature: Uint8Array) =>
    tally?.holds({ ballot, voter, signature }) ?? false;
  const { channel } = core.config;
  const domain = { channel, validators: set };
  const verified = verifyCertificate(core.ports.crypto, domain, certificate, isKnown);
  if (!verified.ok) {
    core.misbehaviour(from, verified.fault.code);
    return false;
  }
  if (self !== undefined && voters.includes(self) && !book.isBelowFloor(ballot.view))
    if (!book.has(ballot)) loseMemory(core);
  keepCertificate(core, certificate, false);
  return true;
}

/** Keeps it, tells the others once, and enters the view that it justifies. */
export function keepCertificate<State>(
  core: ReplicaCore<State>,
  certificate: Certificate,
  formedHere: boolean,
): void {
  const { history, set, tree } = core;
  const { ballot } = certificate;
  const kept = history.tally(ballot.view).keep(certificate);
  if (kept === "contradiction") {
    // Two quorums that share no honest validator: more lie than the set withstands.
    core.halt("CONSENSUS_FAULTS_EXCEEDED", `two certificates of view ${ballot.view} contradict`);
    return;
  }
  if (kept === "held") return;
  // FINALIZE goes to all where there are few; above, only those who gathered it can tell.
  const isTold = ballot.kind !== "finalize" || (formedHere && set.size > 7);
  if (isTold && core.self !== undefined) core.out.send("all", { type: "certificate", certificate });
  if (ballot.kind !== "nullify") {
    core.toFinalize.add(ballot.view);
    const block = tree.get(ballot.digest);
    if (block !== undefined) block.kept = true;
  }
  enterView(core, ballot.view + 1);
}

/** Upward only. */
export function enterView<State>(core: ReplicaCore<State>, view: View): void {
  if (view <= core.view || view - core.history.baseView > openViewsMax) return;
  core.view = view;
  core.patience.enter();
  core.resend.hasten(core.now);
  core.woken = false;
  core.proposalInvalid = false;
  core.holdUntil = undefined;
  core.builtFor = undefined;
  for (const old of core.proposals.keys()) if (old < view) core.proposals.delete(old);
  for (const old of core.later.keys()) if (old < view) core.later.delete(old);
  const nullifies = core.history.find(view);
  for (let voter = 0; voter < core.set.size && nullifies !== undefined; voter++)
    if (nullifies.vote("nullify", voter) !== undefined) wakeByNullify(core, voter);
}

/** A peer knows of something to order that we do not; a liar can say so only so often. */
function wakeByNullify<State>(core: ReplicaCore<State>, voter: number): void {
  if (core.woken || voter === core.self) return;
  const peer = core.peers[voter];
  if (peer === undefined || peer.nullifyWakes >= nullifyWakesMax) return;
  if (!core.isBusy) peer.nullifyWakes++;
  core.woken = true;
}
