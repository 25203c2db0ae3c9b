/** Where the votes of every channel of a process are durable (CONSENSUS.md, "Durable votes"). */

import type { Digest } from "../base/bytes.ts";
import type { Recovered, VoteFloor, VoteWrite } from "../consensus/replica-io.ts";

/**
 * What the engine asks for, and what the shell adds: `final` raises the floor to a final view and forgets
 * the votes, blocks and certificates up to it, once the channel's own database has all that they led to.
 */
export type VoteStoreWrite = VoteWrite | { readonly type: "final"; readonly floor: VoteFloor };

export type ChannelVoteWrites = {
  readonly channel: Digest;
  readonly writes: readonly VoteStoreWrite[];
};

/** What a channel's engine starts from. */
export type StoredVotes = Pick<
  Recovered<never>,
  "floor" | "amnesia" | "rows" | "blocks" | "certificates"
>;

/** One database for all channels of the process, so that they share its commit. */
export interface VoteStore {
  /** Whether the channel was ever begun here: if not, nobody knows what was signed in it. */
  has(channel: Digest): boolean;
  /** Begins a channel; durable when it returns. `amnesia`: it may have signed what is not here. */
  begin(channel: Digest, options: { readonly amnesia: boolean }): void;
  /**
   * One commit, durable when it returns; on a throw nothing of it was written.
   *
   * @throws OperationalError DISK_FULL, DATABASE_*; InvariantError where a write would break a rule that
   *   no honest validator breaks: two digests of a kind in a view, NULLIFY beside FINALIZE, a vote at or
   *   below the floor, a floor that falls.
   */
  write(batch: readonly ChannelVoteWrites[]): void;
  /** @throws OperationalError VOTES_CORRUPT: a row is not what was written, or is gone. */
  load(channel: Digest): StoredVotes;
}
