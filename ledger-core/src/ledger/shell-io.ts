/** The ports of the shell around a channel's engine: engine, store, and whoever waits for outcomes. */

import type { Digest } from "../base/bytes.ts";
import type { Identifier } from "../base/identifier.ts";
import type { MonotonicMillis } from "../base/time.ts";
import type { EngineEffect, EngineEvent } from "../consensus/engine-io.ts";
import type { FinalBlocks, LooseBlocks } from "../consensus/message.ts";
import type { Heard, ReplicaStatus } from "../consensus/replica.ts";
import type { Moment, SealPoint } from "../consensus/replica-io.ts";
import type { FetchSnapshot, SnapshotAnswer } from "../consensus/snapshot-message.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { PeerNetwork } from "../peers/network.ts";
import type { VerifiedEntries, VerifiedSnapshot } from "./snapshot-assembly.ts";
import type { SnapshotCatchUp } from "./snapshot-catch-up.ts";
import type { TurnLoop } from "./turn-loop.ts";

/** What the shell needs of `ChannelEngine`. */
export type ShellEngine<State> = {
  readonly validators: ValidatorSet;
  readonly heard: readonly Heard[];
  status(): ReplicaStatus;
  step(
    event: EngineEvent,
    moment: Moment,
  ): {
    readonly effects: readonly EngineEffect<State>[];
    readonly wakeAt: MonotonicMillis | undefined;
  };
};

export type CommitEffect<State> = Extract<EngineEffect<State>, { readonly type: "commit" }>;
export type SealedEffect = Extract<EngineEffect<never>, { readonly type: "sealed" }>;

/** The channel's own database. Everything that it takes is durable when it returns. */
export interface ShellStore<State> {
  /** Builds the engine from what the disk holds. */
  recover(): ShellEngine<State>;
  /** Gives what `work` does, which reads of the database one state: asked for together it costs a sixth. */
  look<T>(work: () => T): T;
  /** All of it in one transaction: blocks, certificates, log, state, promises of seals. */
  commit(commits: readonly CommitEffect<State>[]): void;
  /** From the durable promise; undefined where there is none. */
  sign(point: SealPoint): Uint8Array | undefined;
  /** Durable when it returns, or made again of the durable promise alone. */
  keepSeal(sealed: SealedEffect): void;
  finalBlocks(from: number): FinalBlocks | undefined;
  /** The final block of a height and those below it, the newest first. */
  ancestors(height: number): LooseBlocks | undefined;
  /** Blocks below this height are gone; 1 where none are. */
  readonly prunedBelow: number;
  readonly snapshots: ShellSnapshots;
}

/** Snapshots as the shell gives them out and takes them in. */
export interface ShellSnapshots {
  answer(fetch: FetchSnapshot): SnapshotAnswer | undefined;
  /** What has to be fetched, and from whom; nothing of it is on disk. */
  catchUp(): SnapshotCatchUp;
  stage(entries: VerifiedEntries): void;
  unstage(): void;
  /**
   * One transaction, after which `recover` starts from the snapshot's block.
   *
   * @returns a code where something in it was passed over.
   */
  install(snapshot: VerifiedSnapshot): string | undefined;
}

/** Effects that whoever waits for the channel is told of, after all else was done. */
export type Delivery<State> =
  | Extract<
      EngineEffect<State>,
      { readonly type: "commit" | "sealed" | "refused" | "amnesia" | "equivocation" }
    >
  | { readonly type: "epoch-started"; readonly validators: ValidatorSet }
  /** The state is that of a snapshot now; blocks up to it were never delivered. */
  | { readonly type: "jumped"; readonly validators: ValidatorSet }
  /** The disk refused: the engine was thrown away, and comes back after a pause. */
  | { readonly type: "paused"; readonly cause: string }
  | { readonly type: "recovered" }
  /** For good: `error` says why. */
  | { readonly type: "stopped"; readonly error: unknown };

export type EngineShellOptions<State> = {
  readonly channel: Digest;
  readonly self: Identifier;
  readonly store: ShellStore<State>;
  readonly loop: TurnLoop;
  readonly network: Pick<PeerNetwork, "send">;
  readonly clock: Clock;
  /** 8 random bytes, new each time. */
  readonly nonce: () => Uint8Array;
  readonly deliver: (delivery: Delivery<State>) => void;
};
