/** The events that a replica takes and the effects that it asks for. */

import type { Digest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Fault } from "../base/result.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import type { Application, NextEpoch, PendingTransaction } from "./application.ts";
import type { Block } from "./block.ts";
import type { Certificate } from "./certificate.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import type { Message } from "./message.ts";
import type { ValidatorEntry, ValidatorSet, View } from "./validator-set.ts";

/** Timing and sizes; the sealing ones are the same at every validator of a channel. */
export type ReplicaParameters = {
  /** Δ in milliseconds: a message's time between honest validators, with what a leader holds back. */
  readonly deltaMs: number;
  /** How long a leader that has no transactions waits for some, if a block is wanted all the same. */
  readonly emptyHoldMs: number;
  /** Between keep-alives to each peer. */
  readonly keepAliveMs: number;
  /** A leader unheard of for so long, while a quorum was heard, is not waited for. */
  readonly skipMs: number;
  readonly blockTransactionsMax: number;
  readonly blockBytesMax: number;
  /** A block is a seal point where its height is a multiple of this … */
  readonly sealEveryHeights: number;
  /** … or its time lies in another bucket of so many milliseconds than its parent's. */
  readonly sealBucketMs: number;
};

/** A tree head that validators sign. */
export type SealPoint = {
  readonly epoch: number;
  readonly height: number;
  readonly size: bigint;
  readonly root: Digest;
};

/** A seal point with the signatures of a quorum of its epoch. */
export type SealedPoint = {
  readonly point: SealPoint;
  readonly seals: readonly { readonly validator: number; readonly payload: Uint8Array }[];
};

export type ReplicaPorts<State> = {
  readonly crypto: CryptoPort;
  /** Signs with this validator's own key; deterministic (RFC 8032), 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  readonly application: Application<State>;
  /** Whether `payload` is this validator's signature over the point. */
  readonly verifySeal: (
    validator: ValidatorEntry,
    point: SealPoint,
    payload: Uint8Array,
  ) => boolean;
};

export type ReplicaConfig = {
  readonly channel: Digest;
  readonly validators: ValidatorSet;
  /** Own index; absent for a node that follows and does not vote. */
  readonly self?: number;
  readonly parameters: ReplicaParameters;
};

/** What a validator signed in a view; the durable row of CONSENSUS.md, "Durable votes". */
export type VoteRow = {
  readonly epoch: number;
  readonly view: View;
  readonly notarized?: {
    readonly parentView: View;
    readonly digest: Digest;
    readonly signature: Uint8Array;
  };
  readonly nullified?: { readonly signature: Uint8Array };
  readonly finalized?: {
    readonly parentView: View;
    readonly digest: Digest;
    readonly signature: Uint8Array;
  };
};

/** Lexicographic: `sign` refuses every (epoch, view) at or below it. */
export type VoteFloor = { readonly epoch: number; readonly view: View };

/** One write to the votes database. All writes of an effect are one commit. */
export type VoteWrite =
  | { readonly type: "vote"; readonly row: VoteRow }
  | {
      readonly type: "block";
      readonly epoch: number;
      readonly digest: Digest;
      readonly block: Block;
    }
  | { readonly type: "certificate"; readonly certificate: Certificate }
  /** Raised only; it stands before rows are deleted. */
  | { readonly type: "floor"; readonly floor: VoteFloor }
  | { readonly type: "amnesia"; readonly set: boolean };

/** The last final block, and what the replica needs of what came before. */
export type FinalTip<State> = {
  /** The view whose finalization this is; 0 for what the epoch starts from. */
  readonly view: View;
  readonly height: number;
  /** The channel's id before its first block. */
  readonly digest: Digest;
  readonly time: UnixMillis;
  readonly logSize: bigint;
  readonly logRoot: Digest;
  readonly state: State;
  /** Absent for what the epoch starts from. */
  readonly certificate?: Certificate;
};

/** What a replica starts from: the channel's database and the votes database, as the last crash left them. */
export type Recovered<State> = {
  readonly tip: FinalTip<State>;
  /** The newest sealed point with its quorum's signatures. */
  readonly sealed?: SealedPoint;
  /** The newest seal point of the final chain, where that is not sealed yet. */
  readonly unsealed?: SealPoint;
  /** The tip is the boundary of this epoch: nothing more is ordered. */
  readonly hasEnded?: boolean;
  readonly floor: VoteFloor;
  readonly amnesia: boolean;
  readonly rows: readonly VoteRow[];
  readonly blocks: readonly Block[];
  readonly certificates: readonly Certificate[];
};

/** Time comes with every event. */
export type Moment = { readonly now: MonotonicMillis; readonly wall: UnixMillis };

export type ReplicaEvent =
  | { readonly type: "start"; readonly nonce: Uint8Array }
  | { readonly type: "tick" }
  /** `from` is the validator's index; absent for a peer that is none. */
  | { readonly type: "message"; readonly from: number; readonly message: Message }
  | { readonly type: "submit"; readonly transactions: readonly PendingTransaction[] }
  /** The answer to `sign-seal`. */
  | { readonly type: "seal-signed"; readonly size: bigint; readonly payload: Uint8Array };

export type FinalizedBlock<State> = {
  readonly block: Block;
  readonly digest: Digest;
  readonly state: State;
  readonly ids: readonly string[];
  /** Where the final chain asks for a seal. */
  readonly sealPoint?: SealPoint;
};

/**
 * Carried out in order; everything of a `persist` or `commit` is on disk before anything after it
 * happens. A shell may gather the persists of several steps into one commit, as long as no later
 * effect of any of them has left before it.
 */
export type ReplicaEffect<State> =
  | { readonly type: "persist"; readonly writes: readonly VoteWrite[] }
  /**
   * Final: blocks in order, one transaction with the certificate that finalizes the last. Afterwards the
   * floor stands at (epoch, view) and the votes, blocks and certificates up to it may go.
   */
  | {
      readonly type: "commit";
      readonly blocks: readonly FinalizedBlock<State>[];
      readonly certificate: Certificate;
      readonly floor: VoteFloor;
    }
  /** To one validator, or to all others. */
  | { readonly type: "send"; readonly to: number | "all"; readonly message: Message }
  /** Final blocks from this height on, at most the limits, as `final-blocks`. */
  | { readonly type: "serve-heights"; readonly to: number; readonly from: number }
  /** The final block of this height and those below it, at most the limits, as `blocks`. */
  | { readonly type: "serve-ancestors"; readonly to: number; readonly height: number }
  /** To be signed by the one signing function, from a durable row; answered by `seal-signed`. */
  | { readonly type: "sign-seal"; readonly point: SealPoint }
  /** A quorum's signatures are held. */
  | ({ readonly type: "sealed" } & SealedPoint)
  /** No longer pending, and why: not valid on a final state. */
  | {
      readonly type: "refused";
      readonly id: string;
      readonly bytes: Uint8Array;
      readonly fault: Fault;
    }
  | { readonly type: "equivocation"; readonly proof: EquivocationProof }
  /** The boundary is final: the next epoch's replica may start from it. */
  | { readonly type: "epoch-ended"; readonly next: NextEpoch; readonly tip: FinalTip<State> }
  /** Own votes are out in the world that the rows lack, or the flag was set: nothing is signed until a quorum answered. */
  | { readonly type: "amnesia"; readonly state: "found" | "cleared" }
  /** A peer did what an honest one does not; counted. */
  | { readonly type: "misbehaviour"; readonly from: number; readonly code: string }
  /** Stop: what a quorum certified does not execute here. Nothing is signed any more. */
  | { readonly type: "halt"; readonly code: string; readonly detail: string };

/** What a step leaves behind. */
export type StepResult<State> = {
  readonly effects: readonly ReplicaEffect<State>[];
  /** When to send the next `tick`, at the latest; undefined never happens while keep-alives are on. */
  readonly wakeAt: MonotonicMillis | undefined;
};
