/** What an outbox decides: what things cost, who goes first when space is short, what is thinned. */

import type { BundleHash, SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import { outboxReserveBytes } from "../limits.ts";
import type { Interval } from "./interval-set.ts";

/** What happens to readings that no longer fit (agent.toml `when_full`). */
export const whenFullPolicies = ["stop", "shed-oldest", "thin"] as const;
export type WhenFull = (typeof whenFullPolicies)[number];

/** Kinds and states by their number in the database; never reordered. */
export const statementKinds = ["bundle", "gap", "start", "heartbeat", "evidence"] as const;
export type StatementKind = (typeof statementKinds)[number];
/**
 * `pending`: not known to be in a lane. `provisional`: in the gateway's lane, as the agent verified.
 * `final`: its final receipt verified. `rejected`: the gateway's refusal has one.
 */
export const statementStates = ["pending", "provisional", "final", "rejected"] as const;
export type StatementState = (typeof statementStates)[number];

export type OutboxConfig = {
  /** Bytes; see {@link statementCost}. At least `outboxQuotaMin`. */
  readonly quota: number;
  readonly whenFull: WhenFull;
  /** Of one bundle, as the bundler's; they bound what is closed of a left-over journal, too. */
  readonly maxCount: number;
  readonly maxBytes: number;
  /** Of the bundles that are made from now on; SHA-256 unless given. */
  readonly bundleHash?: BundleHash;
  /** How long a reading may wait for the group commit of the journal. */
  readonly journalAfterMs: number;
};

/**
 * Bytes on disk of a row that holds `length` bytes: an eighth for the slack of pages, and what the
 * row's columns and index entries take. Measured: the file stays below the sum of the costs.
 */
export function statementCost(length: number): number {
  return length + Math.ceil(length / 8) + 320;
}
export function bodyCost(length: number): number {
  return length + Math.ceil(length / 8) + 64;
}

/**
 * A journal row; it pays in advance its share of the statement that it will be in, so that what was
 * taken in can always be bundled.
 */
export function journalCost(length: number, maxCount: number): number {
  return length + Math.ceil(length / 8) + journalRowCost(maxCount);
}
export function journalRowCost(maxCount: number): number {
  return 64 + Math.ceil(1_536 / maxCount);
}
export const rangeCost = 48;
export const runCost = 320;

/** Who asks for space. A statement may use the reserve; a reading may not. */
export type SpacePurpose = "reading" | "statement";

export function spaceLimit(quota: number, purpose: SpacePurpose): number {
  return purpose === "reading" ? quota - outboxReserveBytes : quota;
}

/** What may be given up, one after the other, until the need is met. */
export type SpaceStep =
  | "free-final"
  | "drop-provisional-bodies"
  | "thin-pending"
  | "shed-pending"
  | "shed-provisional"
  | "shed-control"
  | "merge-gaps";

/**
 * Final ones go first and cost nothing; bodies whose statement stays go next. Then the operator's
 * choice: under `stop` no bundle is ever given up, and control statements only for one another.
 */
export function spaceSteps(policy: WhenFull, purpose: SpacePurpose): readonly SpaceStep[] {
  const harmless = ["free-final", "drop-provisional-bodies"] as const;
  const last = ["shed-control", "merge-gaps"] as const;
  switch (policy) {
    case "stop":
      return purpose === "reading" ? harmless : [...harmless, ...last];
    case "shed-oldest":
      return [...harmless, "shed-pending", "shed-provisional", ...last];
    case "thin":
      return [...harmless, "thin-pending", "shed-pending", "shed-provisional", ...last];
  }
}

/**
 * Whether the bundle at `place` of its incarnation goes at thinning level `level`: of 2^level
 * neighbours one stays, so that what stays covers the whole time.
 */
export function isThinned(place: number, level: number): boolean {
  return place % 2 ** level !== 0;
}

/** Past this level a thinned backlog has one bundle of a million: the oldest is shed instead. */
export const thinLevelMax = 20;

export function toInterval(range: SequenceRange): Interval {
  const from = Number(range.first);
  return { from, to: from + range.count };
}

export function toRange({ from, to }: Interval): SequenceRange {
  return { first: BigInt(from), count: to - from };
}

/** Joins neighbours of a list in ascending order. */
export function coalesce(intervals: readonly Interval[]): readonly Interval[] {
  const joined: Interval[] = [];
  for (const interval of intervals) {
    const last = joined.at(-1);
    if (last !== undefined && last.to === interval.from) {
      joined[joined.length - 1] = { from: last.from, to: interval.to };
    } else joined.push(interval);
  }
  return joined;
}
