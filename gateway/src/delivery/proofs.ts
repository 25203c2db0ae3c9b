/** Builds the downlink's heads and proofs out of the lane. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import type {
  HeadMessage,
  ProofEntry,
  ProofMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import { statementsPerProofMax } from "@tamga/ledger-core/wire/limits";
import type { LanePlace } from "../lane/lane.ts";
import type { LaneLog } from "../lane/lane-log.ts";
import type { SignedOrderedHead } from "../lane/ordered-head.ts";
import type { Position } from "../lane/statement-rows.ts";

/** What a proof's entry needs of a leaf; the lane's rows have it, and so has what was just admitted. */
export type ProofRow = LanePlace &
  (
    | {
        readonly kind: DeviceClaims["kind"];
        readonly position: Pick<Position, "incarnation" | "range">;
      }
    | {
        readonly kind: "rejection";
        readonly position: Pick<Position, "incarnation" | "range"> | undefined;
      }
  );

/** A lane tree that a proof leads to; with `signature` the gateway alone vouches for it. */
export type ProofTarget = {
  readonly size: bigint;
  readonly root: Digest;
  readonly signature?: Uint8Array;
};

/** Pages of at most `statementsPerProofMax` statements; all rows are of this incarnation of the lane. */
export function buildProofs(
  log: LaneLog,
  rows: readonly ProofRow[],
  target: ProofTarget,
): readonly ProofMessage[] {
  const sorted = [...rows].sort((a, b) => Number(a.leafIndex - b.leafIndex));
  const distinct = sorted.filter((row, i) => row.leafIndex !== sorted[i - 1]?.leafIndex);
  const messages: ProofMessage[] = [];
  for (let i = 0; i < distinct.length; i += statementsPerProofMax) {
    const page = distinct.slice(i, i + statementsPerProofMax);
    const indices = page.map((row) => row.leafIndex);
    messages.push({
      gateway: log.gateway,
      incarnation: log.incarnation,
      ...target,
      entries: page.map((row) => entryOf(log, row)),
      hashes: log.multiproof(indices, target.size).hashes,
    });
  }
  return messages;
}

/** @param consistency from the checkpoint that the device named last; absent when it named none. */
export function buildHead(
  ordered: SignedOrderedHead,
  gatewayChain: readonly Uint8Array[],
  consistency: HeadMessage["consistency"],
): HeadMessage {
  return {
    laneSignature: ordered.signature,
    laneHead: ordered.statement,
    gatewayChain,
    channel: ordered.evidence,
    ...(consistency === undefined ? {} : { consistency }),
  };
}

/** A rejection of what could not even be placed has no incarnation of its own: zeros stand for it. */
function entryOf(log: LaneLog, row: ProofRow): ProofEntry {
  const { leafIndex } = row;
  if (row.kind !== "rejection") {
    const { incarnation, range } = row.position;
    return { incarnation, first: range.first, leafIndex };
  }
  return {
    incarnation: row.position?.incarnation ?? new Uint8Array(16),
    first: row.position?.range.first ?? 0n,
    leafIndex,
    rejection: present(log.entry(leafIndex), "rejection in the lane"),
  };
}
