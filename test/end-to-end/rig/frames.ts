/** The frames of the wire against the readings of the lane. */

import type { Account, Evidence, KillMark, Span } from "./account-types.ts";
import type { IncarnationView, Violations } from "./accounting.ts";
import { overlap, union } from "./spans.ts";
import type { WireFrame } from "./wire-log.ts";

type Place = { readonly view: IncarnationView; readonly sequence: number };
type Frames = Pick<Account, "frames" | "received" | "stated" | "lostAtKills" | "torn">;

/** Frames in a row on the wire of which the lane has none, and what stands on both sides. */
type Absence = {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly before: Place | undefined;
  readonly after: Place | undefined;
};

/**
 * A frame becomes a reading with the next sequence, so frames that are in no lane lie between two that
 * are: as many sequences must be stated missing between those, or an agent must have been killed there.
 */
export function accountForFrames(
  views: readonly IncarnationView[],
  evidence: Evidence,
  violations: Violations,
): Frames {
  const places = placesOf(views, evidence, violations);
  const torn = evidence.wire.filter((frame) => frame.fate === "torn" && !places.has(frame.digest));
  const stated: Record<string, number> = {};
  let lostAtKills = 0;
  for (const absence of absences(evidence.wire, places)) {
    let left = absence.count;
    for (const [reason, count] of statedBetween(views, absence)) {
      const used = Math.min(left, count);
      if (used > 0) stated[reason] = (stated[reason] ?? 0) + used;
      left -= used;
    }
    const kills = killsIn(absence, evidence.kills);
    lostAtKills += judgeRest(left, { absence, kills }, violations);
  }
  const received = evidence.wire.filter((frame) => places.has(frame.digest)).length;
  return { frames: evidence.wire.length, received, stated, lostAtKills, torn: torn.length };
}

function placesOf(
  views: readonly IncarnationView[],
  evidence: Evidence,
  violations: Violations,
): ReadonlyMap<string, Place> {
  const known = new Set(evidence.wire.map((frame) => frame.digest));
  const places = new Map<string, Place>();
  for (const view of views) {
    for (const item of view.statements) {
      for (const [index, digest] of item.digests.entries()) {
        const where = `${view.incarnation.slice(0, 8)} ${item.from + index}`;
        if (!known.has(digest)) violations.add("FRAME_INVENTED", where);
        // A line is read once: only a card that went back in time can have kept a frame twice.
        else if (places.has(digest) && evidence.abandoned === undefined)
          violations.add("DUPLICATE_IN_LANE", `a frame for the second time: ${where}`);
        else places.set(digest, { view, sequence: item.from + index });
      }
    }
  }
  return places;
}

function absences(
  wire: readonly WireFrame[],
  places: ReadonlyMap<string, Place>,
): readonly Absence[] {
  const found: Absence[] = [];
  let before: Place | undefined;
  let first: number | undefined;
  let last = 0;
  let count = 0;
  const close = (after: Place | undefined) => {
    if (first !== undefined && count > 0) found.push({ first, last, count, before, after });
    first = undefined;
    count = 0;
  };
  for (const frame of wire) {
    const place = places.get(frame.digest);
    if (place !== undefined) {
      close(place);
      before = place;
      continue;
    }
    first ??= frame.sequence;
    last = frame.sequence;
    // A torn one may have been read, so it may also have a sequence; it is not asked for.
    if (frame.fate === "sent") count++;
  }
  close(undefined);
  return found;
}

/** Sequences that are stated missing between both sides, by reason. */
function statedBetween(
  views: readonly IncarnationView[],
  { before, after }: Absence,
): ReadonlyMap<string, number> {
  const spans: { readonly view: IncarnationView; readonly span: Span }[] = [];
  if (before !== undefined && before.view === after?.view) {
    spans.push({ view: before.view, span: { from: before.sequence + 1, to: after.sequence } });
  } else {
    if (before !== undefined)
      spans.push({ view: before.view, span: { from: before.sequence + 1, to: before.view.end } });
    if (after !== undefined)
      spans.push({ view: after.view, span: { from: 0, to: after.sequence } });
    // Whole incarnations of which not one reading arrived.
    for (const view of views)
      if (view.statements.every((item) => item.digests.length === 0))
        spans.push({ view, span: { from: 0, to: view.end } });
  }
  const counts = new Map<string, number>();
  for (const { view, span } of spans) {
    for (const [reason, missing] of Map.groupBy(view.missing, (item) => item.reason)) {
      const count = overlap(union(missing), span);
      if (count > 0) counts.set(reason, (counts.get(reason) ?? 0) + count);
    }
  }
  return counts;
}

/** An agent that was killed had read up to about where the wire was. */
function killsIn({ first, last }: Absence, kills: readonly KillMark[]): readonly KillMark[] {
  return kills.filter(
    ({ atFrame, lostMax }) => first <= atFrame + lostMax && last >= atFrame - lostMax,
  );
}

/** @returns how many of the rest a kill explains. */
function judgeRest(
  left: number,
  part: { readonly absence: Absence; readonly kills: readonly KillMark[] },
  violations: Violations,
): number {
  if (left === 0) return 0;
  const { absence, kills } = part;
  const { first, last, before, after } = absence;
  const where = `${left} of the frames ${first}…${last}`;
  const sameRun = before !== undefined && before.view === after?.view;
  if (kills.length === 0 || sameRun) {
    violations.add("FRAME_LOST", `${where}: in no lane and in no gap statement`);
    return 0;
  }
  const lostMax = kills.reduce((sum, kill) => sum + kill.lostMax, 0);
  if (left > lostMax) {
    violations.add("LOSS_TOO_LARGE", `${where} at a kill, ${lostMax} at most`);
    return 0;
  }
  return left;
}
