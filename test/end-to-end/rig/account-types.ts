/** What the accounting compares, and what it can say of it. */

import type { WireFrame } from "./wire-log.ts";

/** Sequences from … to − 1 of one incarnation. */
export type Span = { readonly from: number; readonly to: number };

export type StatementKind = "bundle" | "gap" | "start" | "heartbeat" | "evidence" | "rejection";

/** One leaf of one incarnation of the lane, read from its exact bytes. */
export type LaneStatement = Span & {
  /** Incarnation of the lane, hexadecimal. */
  readonly lane: string;
  readonly leafIndex: number;
  readonly device: string;
  /** Of the stream, hexadecimal. */
  readonly incarnation: string;
  readonly kind: StatementKind;
  readonly identity: string;
  /** True below the newest head of its lane that the ledger ordered. */
  readonly final: boolean;
  /** Frame digests of a bundle's readings, in order. */
  readonly digests: readonly string[];
  /** What a gap statement says will not come, and why. */
  readonly missing: readonly Span[];
  readonly reason?: string;
  /** Of a start: the incarnation before, and its end. */
  readonly predecessor?: { readonly incarnation: string; readonly next: number };
  /** Of a rejection. */
  readonly code?: string;
  /** Code of what is wrong with its bytes or its body. */
  readonly fault?: string;
};

export type OutboxPlace =
  | "journal"
  /** A heartbeat without a final receipt: one may be signed at any moment, also while the agent ends. */
  | "heartbeat"
  | "pending"
  | "provisional"
  | "final"
  | "rejected"
  | "gap"
  | "settled";

/** What an agent has on its disk. */
export type OutboxContent = {
  readonly runs: readonly { readonly incarnation: string; readonly next: number }[];
  readonly spans: readonly (Span & {
    readonly incarnation: string;
    readonly place: OutboxPlace;
  })[];
};

/** What an agent or gateway promised: `signed` is on the agent's disk, `stored` was acknowledged. */
export type PromiseMade = Span & {
  readonly incarnation: string;
  readonly kind: "signed" | "stored" | "provisional" | "final";
};

/** An agent was killed when the wire was at this frame: what it had in memory may be gone. */
export type KillMark = {
  readonly atFrame: number;
  /** Frames that may be lost at most: the journal's window and the kernel's buffers. */
  readonly lostMax: number;
};

export type Evidence = {
  readonly device: string;
  readonly wire: readonly WireFrame[];
  readonly lane: readonly LaneStatement[];
  readonly outbox: OutboxContent;
  readonly promises: readonly PromiseMade[];
  readonly kills: readonly KillMark[];
  /**
   * What lay on a card of the agent when an older image of it was put back: whatever of it the lane does
   * not have is gone with that card, and a frame may have been read into both.
   */
  readonly abandoned?: OutboxContent;
  /** Incarnations whose left-over journal was closed twice, by two lives of one card. */
  readonly closedTwice?: readonly string[];
};

export type ViolationCode =
  | "ACK_LOST"
  | "DUPLICATE_IN_LANE"
  | "SEQUENCE_HOLE"
  | "FRAME_LOST"
  | "FRAME_INVENTED"
  | "LOSS_TOO_LARGE"
  | "FREED_TOO_EARLY"
  | "UNDELIVERED"
  | "NOT_FINAL"
  | "STATEMENT_FAULTY"
  | "REJECTED"
  | "HEAD_INCONSISTENT"
  | "RECEIPT_INVALID";

export type Violation = { readonly code: ViolationCode; readonly what: string };

/** Each frame of the wire is in one of the first four. */
export type Account = {
  readonly frames: number;
  /** In the lane, under a final head. */
  readonly received: number;
  /** In no lane, and a signed gap statement says so, by its reason. */
  readonly stated: Readonly<Record<string, number>>;
  /** Lost in an agent's memory when it was killed. */
  readonly lostAtKills: number;
  readonly torn: number;
  /** Refused second closings of {@link Evidence.closedTwice}. */
  readonly conflicts: number;
  readonly statements: number;
  readonly incarnations: number;
  readonly violations: readonly Violation[];
};
