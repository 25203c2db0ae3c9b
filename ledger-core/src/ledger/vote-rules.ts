/** What no write may do to the stored votes: the last look before the disk. Pure. */

import { assert } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import type { VoteFloor, VoteRow } from "../consensus/replica-io.ts";

/** Negative, zero or positive, as (epoch, view) stand in time. */
export function compareViews(a: VoteFloor, b: VoteFloor): number {
  return a.epoch - b.epoch || a.view - b.view;
}

/**
 * Asserts that `next` adds to what was signed in its view and changes none of it, that it holds no NULLIFY
 * beside a FINALIZE (S2), and that its view is above the floor (S5).
 */
export function assertLegalRow(next: VoteRow, stored: VoteRow | undefined, floor: VoteFloor): void {
  assert(compareViews(next, floor) > 0, "no vote at or below the floor");
  assertConsistentRow(next);
  if (stored === undefined) return;
  assert(compareViews(next, stored) === 0, "a row stays in its view");
  assert(keeps(stored.notarized, next.notarized), "one NOTARIZE a view");
  assert(keeps(stored.finalized, next.finalized), "one FINALIZE a view");
  assert(stored.nullified === undefined || next.nullified !== undefined, "a NULLIFY stays");
}

/** Asserts S2 of one row. */
export function assertConsistentRow({ nullified, finalized }: VoteRow): void {
  assert(nullified === undefined || finalized === undefined, "no NULLIFY with FINALIZE");
}

function keeps(stored: VoteRow["notarized"], next: VoteRow["notarized"]): boolean {
  if (stored === undefined) return true;
  return (
    next !== undefined &&
    stored.parentView === next.parentView &&
    equal(stored.digest, next.digest) &&
    equal(stored.signature, next.signature)
  );
}
