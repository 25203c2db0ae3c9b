/**
 * What the consensus core asks of the ledger that it orders for: pure, synchronous functions of a
 * parent state and a block. Transactions and states are opaque here.
 */

import type { Digest } from "../base/bytes.ts";
import type { Fault, Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { ValidatorEntry } from "./validator-set.ts";

/** A transaction's exact bytes and what it is known by: the same identity is ordered once. */
export type PendingTransaction = {
  /** Short text, e.g. hexadecimal of the statement's identity. */
  readonly id: string;
  readonly bytes: Uint8Array;
};

/** What a header says of the ledger *after* its block. */
export type StateRoots = {
  readonly txRoot: Digest;
  readonly stateRoot: Digest;
  readonly logSize: bigint;
  readonly logRoot: Digest;
};

/** The validators of the next epoch, as the state wants them. */
export type NextEpoch = {
  readonly validators: readonly ValidatorEntry[];
  /** Digest of the boundary block that began the present epoch; the channel's id in epoch 0. */
  readonly previous: Digest;
  /** Signatures of new validators over `approvalBytes`: at least n' − f' of them, by index. */
  readonly approvals: readonly { readonly index: number; readonly signature: Uint8Array }[];
};

/** A block as execution sees it. */
export type BlockContent = {
  readonly height: number;
  /** The header's, never a local clock. */
  readonly time: UnixMillis;
  /** The parent header's digest; the channel's id before its first block. */
  readonly parentDigest: Digest;
  readonly transactions: readonly Uint8Array[];
  /** Present in a boundary block, which carries no transactions. */
  readonly boundary?: NextEpoch;
};

/** The state after a block. `State` is immutable: executing a child leaves its parent as it was. */
export type Executed<State> = {
  readonly state: State;
  readonly roots: StateRoots;
  /** Identities of the block's transactions, in order. */
  readonly ids: readonly string[];
};

export type Refusal = { readonly id: string; readonly fault: Fault };

/** A leader's block: what was taken, in order, and what is not valid on this parent. */
export type Built<State> = Executed<State> & {
  readonly transactions: readonly Uint8Array[];
  readonly refused: readonly Refusal[];
  /** Already in the parent's history: neither taken nor refused. */
  readonly known: readonly string[];
};

export interface Application<State> {
  /** Whether a transaction of this identity is in the history of this state. */
  isOrdered(state: State, id: string): boolean;
  /** The identity of a transaction; faults where the bytes are no transaction at all. */
  identify(transaction: Uint8Array): Result<string, Fault>;
  /** What a header's `txRoot` commits to: the exact transactions, in order, on whatever parent. */
  txRoot(transactions: readonly Uint8Array[]): Digest;
  /**
   * Executes a block whole. Every transaction must be valid on the state that the one before it left,
   * none may be in the parent's history; otherwise the block is invalid and a fault says why.
   */
  execute(parent: State, block: BlockContent): Result<Executed<State>, Fault>;
  /**
   * Picks from `candidates`, in order, what is valid, up to the limits.
   */
  build(
    parent: State,
    block: Pick<BlockContent, "height" | "time" | "parentDigest">,
    candidates: Iterable<PendingTransaction>,
    limits: { readonly transactionsMax: number; readonly bytesMax: number },
  ): Built<State>;
  /**
   * The validators that must follow after a block with this state: the next block is then the boundary
   * that carries exactly this, and no transactions. A function of the state alone.
   */
  nextEpoch(state: State): NextEpoch | undefined;
}
