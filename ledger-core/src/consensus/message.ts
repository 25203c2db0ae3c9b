/** What validators of a channel send each other. The link names the sender; the channel frames it. */

import type { Digest } from "../base/bytes.ts";
import type { Block } from "./block.ts";
import type { Certificate } from "./certificate.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import type { SnapshotMessage } from "./snapshot-message.ts";
import type { View } from "./validator-set.ts";
import type { NullifyBallot, SignedVote } from "./vote.ts";

/** The leader's block for a view, with what justifies it. */
export type Propose = {
  readonly type: "propose";
  readonly epoch: number;
  /** The view it is proposed in: the header's own, but for a boundary that is proposed again. */
  readonly view: View;
  readonly parentView: View;
  readonly block: Block;
  /** The leader's NOTARIZE. */
  readonly signature: Uint8Array;
  /** Notarization or finalization of the parent; absent where the parent is what the epoch starts from. */
  readonly parent?: Certificate;
  /** The newest of the skipped views' nullifications. */
  readonly nullifications: readonly Certificate<NullifyBallot>[];
};
export type VoteMessage = {
  readonly type: "vote";
  readonly epoch: number;
  readonly vote: SignedVote;
};
export type CertificateMessage = {
  readonly type: "certificate";
  readonly certificate: Certificate;
};

/** Asks for blocks by digest (not yet final), for final blocks by height, or for certificates by view. */
export type Fetch =
  | { readonly type: "fetch-blocks"; readonly epoch: number; readonly digests: readonly Digest[] }
  | { readonly type: "fetch-heights"; readonly from: number }
  /** The final block of this height and those below it, as `blocks`, the newest first. */
  | { readonly type: "fetch-ancestors"; readonly height: number }
  | {
      readonly type: "fetch-certificates";
      readonly epoch: number;
      /** Inclusive. */
      readonly from: View;
      readonly to: View;
    };
/** Blocks by digest, or each the parent of the one before: the digest checks them, nothing else does. */
export type LooseBlocks = { readonly type: "blocks"; readonly blocks: readonly Block[] };
/**
 * Final blocks in order of height; the certificate finalizes the last one. Where the blocks from the height
 * that was asked for up to their certificate do not fit into a message, it has the last of them, and the
 * others are asked for by `fetch-ancestors`.
 */
export type FinalBlocks = {
  readonly type: "final-blocks";
  readonly blocks: readonly Block[];
  readonly certificate: Certificate;
};

/** Keep-alive, and the question and answer of a validator that lost its votes. */
export type Status = {
  readonly type: "status";
  readonly epoch: number;
  readonly view: View;
  readonly finalHeight: number;
  /** Leaves of the log that are sealed here. */
  readonly sealedSize: bigint;
  /** Justifies `view`: a certificate of the view before it, or a finalization. Absent at view 1. */
  readonly entry?: Certificate;
  /** Of the newest final block; absent where that is what the epoch starts from. */
  readonly final?: Certificate;
  /** Present in a question: 8 random bytes, so that an old answer does not count. */
  readonly question?: Uint8Array;
  /** Present in an answer: the question's bytes, and every vote of the asker that is held here. */
  readonly answer?: { readonly question: Uint8Array; readonly votes: readonly SignedVote[] };
};

/** A validator's signatures over the log at a seal point; opaque here. */
export type Seal = {
  readonly type: "seal";
  readonly epoch: number;
  readonly size: bigint;
  readonly payload: Uint8Array;
};
/** A quorum's, for who lacks them. */
export type Sealed = {
  readonly type: "sealed";
  readonly epoch: number;
  readonly size: bigint;
  readonly seals: readonly { readonly validator: number; readonly payload: Uint8Array }[];
};
export type Transactions = {
  readonly type: "transactions";
  readonly transactions: readonly Uint8Array[];
};
export type Equivocation = { readonly type: "equivocation"; readonly proof: EquivocationProof };

export type Message =
  | Propose
  | VoteMessage
  | CertificateMessage
  | Fetch
  | LooseBlocks
  | FinalBlocks
  | Status
  | Seal
  | Sealed
  | Transactions
  | Equivocation
  | SnapshotMessage;
