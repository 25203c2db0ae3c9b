/**
 * Accounts for every frame of an emulator's wire, by sequence, and names whatever a promise was broken
 * about. Pure: it is given what the wire, the lane, the agent's disk and the agent's own words say.
 */

import type {
  Account,
  Evidence,
  LaneStatement,
  OutboxPlace,
  PromiseMade,
  Span,
  Violation,
  ViolationCode,
} from "./account-types.ts";
import { accountForFrames } from "./frames.ts";
import { covers, holes, union } from "./spans.ts";

/** Everything that is known of one incarnation of the stream. */
export type IncarnationView = {
  readonly incarnation: string;
  /** In the lane, by position, each once. */
  readonly statements: readonly LaneStatement[];
  readonly held: readonly Span[];
  readonly final: readonly Span[];
  readonly missing: readonly (Span & { readonly reason: string })[];
  /** One more than its last sequence, as far as anything knows. */
  readonly end: number;
};

export function account(evidence: Evidence): Account {
  const violations = new Violations();
  const statements = evidence.lane.filter(({ device }) => device === evidence.device);
  const conflicts = checkStatements(statements, evidence, violations);
  checkUnique(statements, violations);
  const views = viewsOf(statements, evidence);
  for (const view of views.values()) checkWhole(view, evidence, violations);
  checkFreed(views, evidence, violations);
  checkDelivered(evidence, violations);
  for (const violation of checkPromises(statements, evidence)) violations.push(violation);
  const frames = accountForFrames([...views.values()], evidence, violations);
  return {
    ...frames,
    conflicts,
    statements: [...views.values()].reduce((sum, view) => sum + view.statements.length, 0),
    incarnations: views.size,
    violations: violations.list,
  };
}

/**
 * What was promised and is neither in the lane nor excused. Also asked of a lane that was just killed:
 * there `outbox` is not needed, since an acknowledgement is about the lane alone.
 */
export function checkPromises(
  lane: readonly LaneStatement[],
  evidence: Pick<Evidence, "promises" | "outbox" | "abandoned">,
): readonly Violation[] {
  const violations = new Violations();
  const held = new Map<string, readonly Span[]>();
  const excused = new Map<string, readonly Span[]>();
  for (const [incarnation, group] of Map.groupBy(lane, (item) => item.incarnation)) {
    const taken = group.flatMap((item) => (item.fault === undefined ? [item] : []));
    held.set(incarnation, union(taken));
    excused.set(incarnation, union([...taken, ...group.flatMap((item) => item.missing)]));
  }
  const onDisk = Map.groupBy(
    [...evidence.outbox.spans, ...(evidence.abandoned?.spans ?? [])],
    (item) => item.incarnation,
  );
  for (const promise of evidence.promises) {
    const { incarnation, kind } = promise;
    const inLane = covers(held.get(incarnation) ?? [], promise);
    if (inLane) continue;
    if (kind !== "signed") {
      violations.add("ACK_LOST", `${kind}, and not in the lane: ${name(incarnation, promise)}`);
      continue;
    }
    const kept = union([...(excused.get(incarnation) ?? []), ...(onDisk.get(incarnation) ?? [])]);
    if (covers(kept, promise)) continue;
    violations.add("ACK_LOST", `signed on disk, and gone: ${name(incarnation, promise)}`);
  }
  return violations.list;
}

/** Counts each code's first examples one by one and the rest together. */
export class Violations {
  readonly #found = new Map<ViolationCode, string[]>();
  readonly #counts = new Map<ViolationCode, number>();

  add(code: ViolationCode, what: string): void {
    const examples = this.#found.get(code) ?? [];
    if (examples.length < examplesMax) examples.push(what);
    this.#found.set(code, examples);
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  push(violation: Violation): void {
    this.add(violation.code, violation.what);
  }

  get list(): readonly Violation[] {
    return [...this.#found].flatMap(([code, examples]) => {
      const more = (this.#counts.get(code) ?? 0) - examples.length;
      const all = examples.map((what) => ({ code, what }));
      return more === 0 ? all : [...all, { code, what: `and ${more} more` }];
    });
  }
}

const examplesMax = 5;

/** @returns how many refusals were to be expected. */
function checkStatements(
  statements: readonly LaneStatement[],
  evidence: Evidence,
  violations: Violations,
): number {
  let expected = 0;
  for (const item of statements) {
    const where = `leaf ${item.leafIndex} of lane ${item.lane.slice(0, 8)}`;
    if (item.fault !== undefined) violations.add("STATEMENT_FAULTY", `${item.fault} at ${where}`);
    if (item.kind !== "rejection") continue;
    const twice = evidence.closedTwice?.includes(item.incarnation) === true;
    if (twice && item.code === "SEQUENCE_CONFLICT") expected++;
    else violations.add("REJECTED", `${item.code} at ${where}`);
  }
  return expected;
}

/** P3: a position is once in a lane, and the same in every lane. */
function checkUnique(statements: readonly LaneStatement[], violations: Violations): void {
  const taken = statements.filter(({ kind }) => kind !== "rejection");
  for (const group of Map.groupBy(taken, (item) => `${item.lane}/${item.incarnation}`).values()) {
    const ordered = [...group].sort((a, b) => a.from - b.from);
    for (const [i, item] of ordered.entries()) {
      const before = ordered[i - 1];
      if (before !== undefined && before.to > item.from)
        violations.add(
          "DUPLICATE_IN_LANE",
          `leaves ${before.leafIndex} and ${item.leafIndex}: ${name(item.incarnation, item)}`,
        );
    }
  }
  for (const group of Map.groupBy(taken, (item) => `${item.incarnation}/${item.from}`).values()) {
    const other = group.find(({ identity }) => identity !== group[0]?.identity);
    if (other !== undefined)
      violations.add("DUPLICATE_IN_LANE", `two contents: ${name(other.incarnation, other)}`);
  }
}

function viewsOf(
  statements: readonly LaneStatement[],
  evidence: Evidence,
): ReadonlyMap<string, IncarnationView> {
  const taken = statements.filter(({ kind }) => kind !== "rejection");
  const ends = new Map<string, number>();
  const atLeast = (incarnation: string, end: number) =>
    ends.set(incarnation, Math.max(end, ends.get(incarnation) ?? 0));
  for (const { predecessor } of taken)
    if (predecessor !== undefined) atLeast(predecessor.incarnation, predecessor.next);
  const runs = [...evidence.outbox.runs, ...(evidence.abandoned?.runs ?? [])];
  for (const { incarnation, next } of runs) atLeast(incarnation, next);
  for (const { incarnation, to } of taken) atLeast(incarnation, to);
  const groups = Map.groupBy(taken, (item) => item.incarnation);
  return new Map(
    [...ends].map(([incarnation, end]) => {
      const group = groups.get(incarnation) ?? [];
      const byPlace = new Map<number, LaneStatement>();
      for (const item of group)
        if (byPlace.get(item.from)?.final !== true) byPlace.set(item.from, item);
      const own = [...byPlace.values()].sort((a, b) => a.from - b.from);
      const missing = own.flatMap((item) =>
        item.missing.map((span) => ({ ...span, reason: item.reason ?? "unknown" })),
      );
      const held = union(own);
      for (const span of evidence.abandoned?.spans ?? [])
        if (span.incarnation === incarnation && isOnCardAlone(span.place) && !covers(held, span))
          missing.push({ ...span, reason: "gone with the card" });
      const final = union(own.filter((item) => item.final));
      return [incarnation, { incarnation, statements: own, held, final, missing, end }];
    }),
  );
}

/** P2: below its end an incarnation has no sequence of which nobody says anything. */
function checkWhole(view: IncarnationView, evidence: Evidence, violations: Violations): void {
  const { incarnation, held, missing, end } = view;
  const onDisk = evidence.outbox.spans.filter((span) => span.incarnation === incarnation);
  for (const hole of holes([...held, ...missing, ...onDisk], end))
    violations.add("SEQUENCE_HOLE", name(incarnation, hole));
  for (const item of view.statements)
    if (!item.final) violations.add("NOT_FINAL", name(incarnation, item));
}

/** Space is given back, or may be, only for what is under a sealed head. */
export function checkFreed(
  views: ReadonlyMap<string, Pick<IncarnationView, "final">>,
  evidence: Pick<Evidence, "outbox">,
  violations: Violations,
): void {
  for (const span of evidence.outbox.spans) {
    if (span.place !== "final" && span.place !== "settled") continue;
    const open = holes(
      (views.get(span.incarnation)?.final ?? []).map(({ from, to }) => ({
        from: from - span.from,
        to: to - span.from,
      })),
      span.to - span.from,
    );
    for (const { from, to } of open) {
      const where = { from: from + span.from, to: to + span.from };
      violations.add("FREED_TOO_EARLY", `${span.place}: ${name(span.incarnation, where)}`);
    }
  }
}

/** {@link checkFreed} for a lane by itself, at any moment. */
export function checkFreedUnder(
  lane: readonly LaneStatement[],
  outbox: Evidence["outbox"],
): readonly Violation[] {
  const violations = new Violations();
  const groups = Map.groupBy(lane, (item) => item.incarnation);
  const views = new Map(
    [...groups].map(([key, group]) => [key, { final: union(group.filter((item) => item.final)) }]),
  );
  checkFreed(views, { outbox }, violations);
  return violations.list;
}

const waiting: ReadonlySet<OutboxPlace> = new Set(["journal", "pending", "provisional", "gap"]);

function isOnCardAlone(place: OutboxPlace): boolean {
  return waiting.has(place) || place === "heartbeat";
}

/**
 * In the end everything that an agent has is under a final head, but for a heartbeat that is the very last
 * statement of its run: it may be signed between the last look and the agent's end.
 */
function checkDelivered(evidence: Evidence, violations: Violations): void {
  const ends = new Map(evidence.outbox.runs.map(({ incarnation, next }) => [incarnation, next]));
  for (const span of evidence.outbox.spans)
    if (
      waiting.has(span.place) ||
      (span.place === "heartbeat" && span.to !== ends.get(span.incarnation))
    )
      violations.add("UNDELIVERED", `${span.place}: ${name(span.incarnation, span)}`);
}

export function name(incarnation: string, { from, to }: Span | PromiseMade): string {
  return `${incarnation.slice(0, 8)} ${from}…${to - 1}`;
}
