/** The ledger as its users see it: one channel that orders transactions and seals its log. */

import type { Digest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Sealers } from "../receipt/sealers.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { LogSignature } from "../wire/log-signature.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelIdentity } from "./channel-genesis.ts";
import type { RevocationList } from "./revocation-tree.ts";
import type { TransactionFault } from "./transaction-fault.ts";

/** A tree head of the channel's log that a quorum of validators has signed. */
export type SealedCheckpoint = TreeHead & {
  /** C2SP tlog-checkpoint with a `cosignature/v1` line of each of q validators. */
  readonly note: string;
  /** The same validators' RFC 9942 signatures over the same root, good for every leaf. */
  readonly signatures: readonly LogSignature[];
  /** The validators of the epoch that sealed it; the trust policy's where it is absent. */
  readonly sealers?: Pick<Sealers, "origin" | "validators" | "quorum">;
};

/** What the ledger ordered last of a gateway's open lane. */
export type OrderedLane = {
  readonly incarnation: Uint8Array;
  /** Of a lane just opened: size 1, its lane-open statement. */
  readonly head: TreeHead;
  /** Leaf index in the channel's log of the statement that gave the head. */
  readonly index: bigint;
  /** Two inconsistent heads came: nothing more of this gateway is ordered. */
  readonly frozen: boolean;
};

export type LedgerFault =
  | TransactionFault
  /** As many transactions wait as may: try again after the next seal. */
  | { readonly code: "LEDGER_BUSY"; readonly limit: number }
  | { readonly code: "LEDGER_CLOSED" }
  /** The block could not be stored or sealed, e.g. for want of space; submit again. */
  | { readonly code: "LEDGER_UNAVAILABLE"; readonly cause: string };

/** For people and for `status --json`; counts are below 2^53. */
export type LedgerStatus = {
  readonly consortium: string;
  readonly channel: string;
  /** Hexadecimal. */
  readonly channelId: string;
  readonly channelIncarnation: string;
  readonly origin: string;
  /** True when this channel was opened anew after a loss. */
  readonly reopened: boolean;
  readonly organisations: number;
  readonly validators: number;
  /** Validators whose signatures seal a checkpoint. */
  readonly quorum: number;
  /** e.g. "1 of 1 organisations": how many organisations stand behind each seal, at least. */
  readonly trust: string;
  /** Leaves in the channel's log, and how many of them are sealed. */
  readonly size: number;
  readonly sealedSize: number;
  /** When the newest seal was made, by the validators' clocks. */
  readonly sealedAt?: UnixMillis;
  readonly pendingTransactions: number;
  readonly lanes: number;
  readonly frozenLanes: number;
  readonly revokedKeys: number;
};

/**
 * One channel. Indices and sizes are those of the channel's log, whose leaves are the exact bytes of
 * the statements in their order; leaf 0 is the channel-open statement. Proofs may be asked for at any
 * size up to `sealed().size`.
 */
export interface Ledger {
  readonly channel: ChannelIdentity;
  /**
   * What a receipt verifier begins with, for ever: the channel's first members. Those of today are in
   * `status`, and the epochs file leads to them.
   */
  readonly trustPolicy: TrustPolicy;
  /**
   * Orders a transaction. Resolves once it is final and sealed, with its leaf index; the same statement
   * again, also in another valid signature, gives the same index. A refused one leaves no trace, but
   * that after LANE_HEAD_INCONSISTENT the ledger orders the lane-fault that proves it.
   *
   * An abort rejects with the signal's reason and takes nothing back: the transaction may still become
   * final. Faults: {@link LedgerFault}.
   */
  submit(
    transaction: Transaction,
    options: { readonly signal: AbortSignal },
  ): Promise<Result<{ readonly index: bigint }, LedgerFault>>;
  /** The newest; undefined only before the channel's first seal. */
  sealed(): SealedCheckpoint | undefined;
  /**
   * Every seal from now on, coalescing: a slow reader sees only the newest. Ends when the ledger
   * closes; an abort rejects with the signal's reason.
   */
  seals(options: { readonly signal: AbortSignal }): AsyncIterable<SealedCheckpoint>;
  /** The path of leaf `index` in the tree of `size` leaves, leaf side first. */
  inclusion(index: bigint, size: bigint): readonly Digest[];
  /** The path from the tree of `size1` leaves to that of `size2`. */
  consistency(size1: bigint, size2: bigint): readonly Digest[];
  /** A leaf's statement, exact bytes; undefined beyond the log's end. */
  entry(index: bigint): Uint8Array | undefined;
  /** What was ordered last of a gateway; undefined where it never opened a lane. */
  lane(gateway: Identifier): OrderedLane | undefined;
  /**
   * The revoked keys: now, or as they were when the leaf `asOf` was ordered, which is the list that a
   * lane-head with this index names.
   */
  revocations(asOf?: bigint): RevocationList;
  status(): LedgerStatus;
  /** Finishes the block at hand, refuses what waits with LEDGER_CLOSED, ends `seals`. */
  close(): Promise<void>;
}
