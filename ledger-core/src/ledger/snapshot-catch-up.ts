/**
 * Fetches a snapshot from peers that have no blocks this far back: one question at a time, to one peer at a
 * time. Pure: the shell sends, puts aside and installs. A peer that lies is left for another, for a while.
 */

import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import type { MonotonicMillis } from "../base/time.ts";
import { monotonicMillis } from "../base/time.ts";
import { headerDigest } from "../consensus/block.ts";
import type {
  FetchSnapshot,
  Pruned,
  SnapshotAnswer,
  SnapshotHead,
} from "../consensus/snapshot-message.ts";
import type { CompactRange } from "../log/compact-range.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import {
  snapshotAttemptsMax,
  snapshotPauseMsMax,
  snapshotPauseMsMin,
  snapshotPeersMax,
} from "./limits.ts";
import type { VerifiedEntries, VerifiedSnapshot } from "./snapshot-assembly.ts";
import { SnapshotAssembly } from "./snapshot-assembly.ts";

export type CatchUpEffect =
  | { readonly type: "send"; readonly to: Identifier; readonly message: FetchSnapshot }
  /** To be durable before anything that follows. */
  | ({ readonly type: "stage" } & VerifiedEntries)
  /** What was put aside is of another log than this one. */
  | { readonly type: "unstage" }
  | { readonly type: "install"; readonly snapshot: VerifiedSnapshot; readonly from: Identifier }
  | { readonly type: "misbehaviour"; readonly from: Identifier; readonly code: string };

export type CatchUpParts = {
  readonly crypto: CryptoPort;
  readonly genesis: ChannelGenesis;
  /** Milliseconds in which an answer is waited for. */
  readonly retryMs: number;
  /** Of the newest final block here. */
  readonly height: () => number;
  /** The log here with what was put aside, up to a size. */
  readonly range: (upTo: bigint) => CompactRange;
};

/** Who is asked now, and for what. */
type Asking = {
  readonly peer: Identifier;
  assembly: SnapshotAssembly | undefined;
  attempts: number;
  heads: number;
  /** Entries of it were put aside. */
  hasGrown: boolean;
  at: MonotonicMillis;
};

export class SnapshotCatchUp {
  readonly #parts: CatchUpParts;
  readonly #peers = new Set<Identifier>();
  readonly #blamed = new Map<Identifier, { until: number; pauseMs: number }>();
  #asking: Asking | undefined;
  #effects: CatchUpEffect[] = [];

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  /** When to call `tick`, at the latest. */
  get at(): MonotonicMillis | undefined {
    return this.#asking?.at;
  }

  /** A peer says where its blocks begin. */
  pruned(from: Identifier, { below }: Pruned, now: MonotonicMillis): readonly CatchUpEffect[] {
    if (below > this.#parts.height() + 1 && !this.#isBlamed(from, now)) {
      const isAsked = this.#asking?.peer === from;
      if (!isAsked && this.#peers.size < snapshotPeersMax) this.#peers.add(from);
      if (this.#asking === undefined) this.#next(now);
    }
    return this.#take();
  }

  answer(from: Identifier, part: SnapshotAnswer, now: MonotonicMillis): readonly CatchUpEffect[] {
    const asking = this.#asking;
    if (asking?.peer !== from) {
      this.#effects.push({ type: "misbehaviour", from, code: "SNAPSHOT_PART_UNASKED" });
      return this.#take();
    }
    if (part.type === "snapshot") this.#takeHead(asking, part, now);
    else this.#takePart(asking, part, now);
    return this.#take();
  }

  /** An answer may be overdue, or blocks have come by another way. */
  tick(now: MonotonicMillis): readonly CatchUpEffect[] {
    const asking = this.#asking;
    if (asking === undefined) return [];
    if (asking.assembly !== undefined && asking.assembly.height <= this.#parts.height())
      this.#stop();
    else if (now >= asking.at) {
      if (++asking.attempts >= snapshotAttemptsMax) this.#next(now);
      else this.#ask(asking, now);
    }
    return this.#take();
  }

  #takeHead(asking: Asking, head: SnapshotHead, now: MonotonicMillis): void {
    const { header } = head.block;
    if (asking.assembly !== undefined) {
      // The answer to a question that was asked twice; another one instead of a snapshot that is gone.
      if (equal(headerDigest(this.#parts.crypto, header), asking.assembly.digest)) return;
      asking.assembly = undefined;
      asking.heads++;
      if (asking.heads >= snapshotAttemptsMax) {
        this.#next(now);
        return;
      }
    }
    if (header.height <= this.#parts.height()) {
      this.#next(now);
      return;
    }
    const log = this.#parts.range(header.logSize);
    const begun = SnapshotAssembly.begin(this.#parts, { head, log });
    if (!begun.ok) {
      this.#blame(asking, begun.fault.code, now);
      return;
    }
    asking.assembly = begun.value;
    asking.hasGrown = false;
    this.#goOn(asking, begun.value, now);
  }

  #takePart(
    asking: Asking,
    part: Exclude<SnapshotAnswer, SnapshotHead>,
    now: MonotonicMillis,
  ): void {
    const { assembly } = asking;
    const missing = assembly?.missing;
    const isAsked =
      part.height === assembly?.height &&
      missing !== undefined &&
      part.type === `snapshot-${missing.part}` &&
      part.from === missing.from;
    // Late, of a question that was asked twice or is asked no more.
    if (assembly === undefined || !isAsked) return;
    const taken = assembly.take(part);
    if (!taken.ok) {
      this.#blame(asking, taken.fault.code, now);
      return;
    }
    if (taken.value.entries.length > 0) {
      asking.hasGrown = true;
      this.#effects.push({ type: "stage", ...taken.value });
    }
    this.#goOn(asking, assembly, now);
  }

  #goOn(asking: Asking, assembly: SnapshotAssembly, now: MonotonicMillis): void {
    asking.attempts = 0;
    const snapshot = assembly.verified();
    if (snapshot === undefined) {
      this.#ask(asking, now);
      return;
    }
    this.#stop();
    this.#effects.push({ type: "install", snapshot, from: asking.peer });
  }

  #ask(asking: Asking, now: MonotonicMillis): void {
    const { assembly, peer } = asking;
    asking.at = monotonicMillis(now + this.#parts.retryMs * (1 + asking.attempts));
    const { part, from } = assembly?.missing ?? { part: "head", from: 0 };
    const height = assembly?.height ?? 0;
    this.#effects.push({
      type: "send",
      to: peer,
      message: { type: "fetch-snapshot", height, part, from },
    });
  }

  /** Another one that said so; without any, whoever says so next. */
  #next(now: MonotonicMillis): void {
    const [peer] = this.#peers;
    this.#asking = undefined;
    if (peer === undefined) return;
    this.#peers.delete(peer);
    this.#asking = { peer, assembly: undefined, attempts: 0, heads: 1, hasGrown: false, at: now };
    this.#ask(this.#asking, now);
  }

  #blame({ peer, hasGrown }: Asking, code: string, now: MonotonicMillis): void {
    this.#effects.push({ type: "misbehaviour", from: peer, code });
    // What was put aside before may be what does not fit: others shall not be blamed for it.
    if (code === "SNAPSHOT_ENTRIES_WRONG" && !hasGrown) this.#effects.push({ type: "unstage" });
    const last = this.#blamed.get(peer)?.pauseMs ?? snapshotPauseMsMin / 2;
    const pauseMs = Math.min(2 * last, snapshotPauseMsMax);
    this.#blamed.delete(peer);
    this.#blamed.set(peer, { until: now + pauseMs, pauseMs });
    for (const oldest of this.#blamed.keys()) {
      if (this.#blamed.size <= snapshotPeersMax) break;
      this.#blamed.delete(oldest);
    }
    this.#next(now);
  }

  #isBlamed(peer: Identifier, now: MonotonicMillis): boolean {
    return (this.#blamed.get(peer)?.until ?? 0) > now;
  }

  #stop(): void {
    this.#asking = undefined;
    this.#peers.clear();
  }

  #take(): readonly CatchUpEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
