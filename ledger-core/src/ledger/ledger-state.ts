/** A channel's whole state after a block: its content, its log's right edge, and what was ordered lately. */

import type { Digest } from "../base/bytes.ts";
import { CompactRange } from "../log/compact-range.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";

/** Immutable for its users; what is shared between states never changes but for what is forgotten. */
export type LedgerState = {
  readonly channel: ChannelState;
  /** Nobody appends to it: a block appends to a copy. */
  readonly log: CompactRange;
  /** Digest of the boundary block that began the present epoch; the channel's id in epoch 0. */
  readonly epochStart: Digest;
  /** The block that led here was a boundary. */
  readonly isBoundary: boolean;
  /** What the block that led here ordered, for who stores it. */
  readonly applied: readonly AppliedTransaction[];
  /** Blocks whose identities may not be on disk yet, newest first. */
  readonly recent: RecentBlock | undefined;
};

/** A transaction that was judged valid, and what it does. */
export type AppliedTransaction = {
  /** Identity of its statement. */
  readonly identity: Digest;
  readonly transaction: Transaction;
  readonly change: ChannelChange;
};

/** The identities that one block ordered. */
export type RecentBlock = {
  readonly ids: ReadonlySet<string>;
  /** Size of the log after it. */
  readonly logSize: number;
  /** Dropped once all that is older is on disk. */
  before: RecentBlock | undefined;
};

/** What is final and stored. It grows only by blocks that were executed. */
export interface OrderedHistory {
  /** Whether the statement of this identity (hexadecimal) is in the log. */
  isOrdered(id: string): boolean;
  /** Size of the log that `isOrdered` answers for. */
  readonly size: number;
}

/** The state of a channel that holds its opening and nothing more. @param opening leaf 0, exact bytes. */
export function firstState(channel: ChannelState, opening: Uint8Array): LedgerState {
  const { hasher } = channel.context;
  const log = CompactRange.empty(hasher);
  log.append(hasher.leaf(opening));
  const epochStart = channel.genesis.identity.id;
  return { channel, log, epochStart, isBoundary: false, applied: [], recent: undefined };
}

/** Whether an identity is in the history that led to a state. Forgets on the way what is on disk. */
export function isOrderedIn(history: OrderedHistory, state: LedgerState, id: string): boolean {
  const stored = history.size;
  for (let block = state.recent; block !== undefined; block = block.before) {
    if (block.ids.has(id)) return true;
    const { before } = block;
    if (before !== undefined && before.logSize <= stored) block.before = undefined;
  }
  return history.isOrdered(id);
}
