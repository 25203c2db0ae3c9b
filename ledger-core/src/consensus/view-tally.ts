/** The votes and certificates of one view, as they come in. */

import { equal, toHex } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import { conflict } from "./equivocation-proof.ts";
import type { ValidatorSet, View } from "./validator-set.ts";
import type { Ballot, BlockBallot, NullifyBallot, SignedVote, VoteKind } from "./vote.ts";

/** Names a block as it stands in a view: its digest and where its parent was notarized. */
export type BlockPlace = { readonly parentView: View; readonly digest: Uint8Array };

/** What an added vote leads to. */
export type Added =
  | { readonly type: "counted"; readonly certificate?: Certificate }
  /** Held already, to the byte. */
  | { readonly type: "repeated" }
  /** The voter contradicts itself: not counted. */
  | { readonly type: "equivocation"; readonly proof: EquivocationProof };

/**
 * Each voter's first vote of a kind counts, so that memory is bounded; a certificate may still arrive
 * whole with another one of its votes.
 */
export class ViewTally {
  readonly #validators: ValidatorSet;
  readonly view: View;
  readonly #votes: Readonly<Record<VoteKind, Map<number, SignedVote>>> = {
    notarize: new Map(),
    nullify: new Map(),
    finalize: new Map(),
  };
  #notarization: Certificate<BlockBallot> | undefined;
  #nullification: Certificate<NullifyBallot> | undefined;
  #finalization: Certificate<BlockBallot> | undefined;

  constructor(validators: ValidatorSet, view: View) {
    this.#validators = validators;
    this.view = view;
  }

  /** A finalization counts as the notarization of its view. */
  get notarization(): Certificate<BlockBallot> | undefined {
    return this.#notarization ?? this.#finalization;
  }

  get nullification(): Certificate<NullifyBallot> | undefined {
    return this.#nullification;
  }

  get finalization(): Certificate<BlockBallot> | undefined {
    return this.#finalization;
  }

  get nullifyCount(): number {
    return this.#votes.nullify.size;
  }

  vote(kind: VoteKind, voter: number): SignedVote | undefined {
    return this.#votes[kind].get(voter);
  }

  votesBy(voter: number): readonly SignedVote[] {
    return [this.#votes.notarize, this.#votes.nullify, this.#votes.finalize]
      .map((votes) => votes.get(voter))
      .filter((vote) => vote !== undefined);
  }

  /** Whether exactly this vote was counted: its signature need not be checked again. */
  holds({ ballot, voter, signature }: SignedVote): boolean {
    const held = this.#votes[ballot.kind].get(voter);
    return (
      held !== undefined && sameBallot(held.ballot, ballot) && equal(held.signature, signature)
    );
  }

  /** Counts a vote whose signature was verified. */
  add(vote: SignedVote): Added {
    const { ballot, voter } = vote;
    const votes = this.#votes[ballot.kind];
    const held = votes.get(voter);
    if (held !== undefined && sameBallot(held.ballot, ballot)) return { type: "repeated" };
    const opposite = held ?? this.#contradicted(vote);
    if (opposite !== undefined)
      return { type: "equivocation", proof: proofOf(this.#validators.epoch, opposite, vote) };
    votes.set(voter, vote);
    if (this.#certificateOf(ballot) !== undefined) return { type: "counted" };
    const certificate = this.#gather(ballot);
    return certificate === undefined ? { type: "counted" } : { type: "counted", certificate };
  }

  /** Whether a certificate of exactly this ballot is held, or one that says more. */
  isHeld(ballot: Ballot): boolean {
    const held = ballot.kind === "notarize" ? this.notarization : this.#certificateOf(ballot);
    return held !== undefined && sameBlock(held.ballot, ballot);
  }

  /** Keeps a certificate that was verified or formed here. */
  keep(certificate: Certificate): "kept" | "held" | "contradiction" {
    const { ballot } = certificate;
    if (this.#isContradicted(ballot)) return "contradiction";
    if (this.#certificateOf(ballot) !== undefined) return "held";
    if (ballot.kind === "nullify") this.#nullification = { ...certificate, ballot };
    else if (ballot.kind === "notarize") this.#notarization = { ...certificate, ballot };
    else this.#finalization = { ...certificate, ballot };
    return "kept";
  }

  /** What q honest-intersecting votes exclude: two blocks notarized, or a final view nullified. */
  #isContradicted(ballot: Ballot): boolean {
    if (ballot.kind === "nullify") return this.#finalization !== undefined;
    if (ballot.kind === "finalize" && this.#nullification !== undefined) return true;
    const held = this.notarization;
    return held !== undefined && !sameBlock(held.ballot, ballot);
  }

  #certificateOf(ballot: Ballot): Certificate | undefined {
    if (ballot.kind === "nullify") return this.#nullification;
    return ballot.kind === "notarize" ? this.#notarization : this.#finalization;
  }

  /** A vote of another kind that no honest validator signs beside this one. */
  #contradicted({ ballot, voter }: SignedVote): SignedVote | undefined {
    return this.votesBy(voter).find((other) => conflict(other.ballot, ballot));
  }

  #gather(ballot: Ballot): Certificate | undefined {
    const votes = [...this.#votes[ballot.kind].values()].filter((vote) =>
      sameBallot(vote.ballot, ballot),
    );
    if (votes.length < this.#validators.quorum) return undefined;
    const sorted = votes.sort((a, b) => a.voter - b.voter).slice(0, this.#validators.quorum);
    return {
      epoch: this.#validators.epoch,
      ballot,
      voters: sorted.map(({ voter }) => voter),
      signatures: sorted.map(({ signature }) => signature),
    };
  }
}

export function sameBallot(a: Ballot, b: Ballot): boolean {
  if (a.kind !== b.kind || a.view !== b.view) return false;
  if (a.kind === "nullify" || b.kind === "nullify") return true;
  return a.parentView === b.parentView && equal(a.digest, b.digest);
}

/** The same view and block, whatever is said of it. */
function sameBlock(a: Ballot, b: Ballot): boolean {
  if (a.kind === "nullify" || b.kind === "nullify") return a.kind === b.kind && a.view === b.view;
  return sameBallot({ ...a, kind: b.kind }, b);
}

/** For maps and sets. */
export function digestKey(digest: Uint8Array): string {
  return toHex(digest);
}

function proofOf(epoch: number, first: SignedVote, second: SignedVote): EquivocationProof {
  return {
    epoch,
    voter: first.voter,
    first: { ballot: first.ballot, signature: first.signature },
    second: { ballot: second.ballot, signature: second.signature },
  };
}
