/** What becomes of a statement that reaches the lane: taken, known already, or refused (DESIGN P3). */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { IntervalSet } from "./interval-set.ts";

/** What the lane itself refuses in a statement that verified. */
export type LaneCode = "SEQUENCE_CONFLICT" | "SEQUENCE_INTERVALS_FULL" | "INCARNATION_OTHER_STREAM";

/** Where a leaf is: the ordinal of the lane's incarnation in the file, and the index in it. */
export type LanePlace = { readonly lane: number; readonly leafIndex: bigint };

export type Request =
  /** Verified: its signature, its body, its device. */
  | {
      readonly kind: "statement";
      readonly device: Identifier;
      readonly stream: Identifier;
      readonly incarnation: Uint8Array;
      readonly range: SequenceRange;
      readonly identity: Digest;
    }
  /** Refused before it came here, with the reason. */
  | {
      readonly kind: "refused";
      readonly device: Identifier;
      readonly digest: Digest;
      readonly code: string;
      /** Where it stands, as it says; absent where it says nothing that can be read. */
      readonly position?: { readonly incarnation: Uint8Array; readonly range: SequenceRange };
    };

/** What the lane holds, as questions; all answers are of one moment. */
export interface LaneState {
  /** The stream that an incarnation belongs to, and what was received of it. */
  incarnation(
    device: Identifier,
    incarnation: Uint8Array,
  ): { readonly stream: Identifier; readonly received: IntervalSet } | undefined;
  /** The statement that begins at this sequence. */
  statementAt(
    device: Identifier,
    incarnation: Uint8Array,
    first: bigint,
  ): (LanePlace & { readonly count: number; readonly identity: Uint8Array }) | undefined;
  /** An earlier rejection of the same digest. */
  rejectionOf(
    device: Identifier,
    digest: Digest,
  ): (LanePlace & { readonly code: string }) | undefined;
}

export type Verdict =
  | { readonly outcome: "accept" }
  | { readonly outcome: "duplicate"; readonly place: LanePlace; readonly code?: string }
  | { readonly outcome: "reject"; readonly code: string };

/**
 * Judges one admission.
 *
 * A range is taken when every sequence of it is new. The same range with the same identity is a
 * duplicate; every other overlap is a SEQUENCE_CONFLICT. What was refused once stays refused under
 * the same digest, with one exception: a refusal from before the lane says nothing against a
 * statement that has verified by now, since an identity does not cover the signature, so a copy with
 * a broken signature has the identity of the good one.
 */
export function judge(state: LaneState, request: Request): Verdict {
  return request.kind === "statement"
    ? judgeStatement(state, request)
    : judgeRefused(state, request);
}

function judgeStatement(
  state: LaneState,
  request: Extract<Request, { kind: "statement" }>,
): Verdict {
  const { device, stream, incarnation, range, identity } = request;
  const rejection = state.rejectionOf(device, identity);
  const known = state.incarnation(device, incarnation);
  const overlap = known?.received.overlaps(range) ?? false;
  if (known?.stream === stream && overlap) {
    const held = state.statementAt(device, incarnation, range.first);
    if (held?.count === range.count && equal(held.identity, identity))
      return { outcome: "duplicate", place: placeOf(held) };
  }
  const code = refusalOf(known, request);
  if (rejection !== undefined && (code !== undefined || isLaneCode(rejection.code)))
    return { outcome: "duplicate", place: placeOf(rejection), code: rejection.code };
  return code === undefined ? { outcome: "accept" } : { outcome: "reject", code };
}

function refusalOf(
  known: { readonly stream: Identifier; readonly received: IntervalSet } | undefined,
  request: Extract<Request, { kind: "statement" }>,
): LaneCode | undefined {
  if (known === undefined) return undefined;
  if (known.stream !== request.stream) return "INCARNATION_OTHER_STREAM";
  switch (known.received.judge(request.range)?.code) {
    case "SEQUENCE_OVERLAP":
      return "SEQUENCE_CONFLICT";
    case "SEQUENCE_INTERVALS_FULL":
      return "SEQUENCE_INTERVALS_FULL";
    case undefined:
      return undefined;
  }
}

function judgeRefused(state: LaneState, request: Extract<Request, { kind: "refused" }>): Verdict {
  const { device, digest, code, position } = request;
  // A lane never says of one identity first that it is taken and then that it is refused. The same
  // identity has the same claims, so it stands where it says, if it stands here at all.
  const held = position && state.statementAt(device, position.incarnation, position.range.first);
  if (held !== undefined && equal(held.identity, digest))
    return { outcome: "duplicate", place: placeOf(held) };
  const rejection = state.rejectionOf(device, digest);
  if (rejection === undefined) return { outcome: "reject", code };
  return { outcome: "duplicate", place: placeOf(rejection), code: rejection.code };
}

const laneCodes: readonly string[] = [
  "SEQUENCE_CONFLICT",
  "SEQUENCE_INTERVALS_FULL",
  "INCARNATION_OTHER_STREAM",
] satisfies readonly LaneCode[];

function isLaneCode(code: string): boolean {
  return laneCodes.includes(code);
}

function placeOf(at: LanePlace): LanePlace {
  return { lane: at.lane, leafIndex: at.leafIndex };
}
