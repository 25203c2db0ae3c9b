/** Votes: what a validator signs in a view, and its exact bytes (WIRE.md §18.2). */

import type { Digest } from "../base/bytes.ts";
import { concat, u64, utf8 } from "../base/bytes.ts";
import type { View } from "./validator-set.ts";

/** CONSENSUS.md, "Signed bytes". */
export const voteKinds = { notarize: 1, nullify: 2, finalize: 3 } as const;
export type VoteKind = keyof typeof voteKinds;

/** What a vote is for. `parentView` is where the block's parent was notarized. */
export type BlockBallot = {
  readonly kind: "notarize" | "finalize";
  readonly view: View;
  readonly parentView: View;
  readonly digest: Digest;
};
export type NullifyBallot = { readonly kind: "nullify"; readonly view: View };
export type Ballot = BlockBallot | NullifyBallot;

/** A ballot with its voter's signature, 64 bytes. */
export type SignedVote = {
  readonly ballot: Ballot;
  readonly voter: number;
  readonly signature: Uint8Array;
};

/** In which ledger a vote counts. */
export type VoteDomain = { readonly channel: Digest; readonly epoch: number };

const label = utf8("tamga/simplex/1");

/** `label ‖ kind ‖ c ‖ e ‖ v [‖ parentView ‖ digest]`: 64 or 104 bytes. */
export function voteBytes({ channel, epoch }: VoteDomain, ballot: Ballot): Uint8Array {
  const head = concat(
    label,
    Uint8Array.of(voteKinds[ballot.kind]),
    channel,
    u64(BigInt(epoch)),
    u64(BigInt(ballot.view)),
  );
  return ballot.kind === "nullify"
    ? head
    : concat(head, u64(BigInt(ballot.parentView)), ballot.digest);
}
