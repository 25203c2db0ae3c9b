/** The accounting finds what was planted into an account that is right, and nothing in the right one. */

import { describe, expect, test } from "vitest";
import type { Evidence, LaneStatement, OutboxPlace } from "./account-types.ts";
import { account, checkFreedUnder, checkPromises } from "./accounting.ts";
import { covers, holes, overlap, union } from "./spans.ts";

const first = "aa".repeat(16);
const second = "bb".repeat(16);
const lane = "11".repeat(16);

/** Frames 1…20: run one has 1…9 at 1…9, a kill eats 10 and 11, run two has 12…20 with 15 and 16 dropped. */
function sound(): Evidence {
  const wire = Array.from({ length: 20 }, (_, i) => ({
    sequence: i + 1,
    digest: digest(i + 1),
    fate: "sent" as const,
  }));
  return {
    device: "box",
    wire,
    lane: [
      leaf(1, { incarnation: first, kind: "start", from: 0, to: 1 }),
      leaf(2, bundle(first, 1, frames(1, 5))),
      leaf(3, bundle(first, 6, frames(6, 9))),
      leaf(4, {
        incarnation: second,
        kind: "start",
        from: 0,
        to: 1,
        predecessor: { incarnation: first, next: 10 },
      }),
      leaf(5, bundle(second, 1, frames(12, 14))),
      leaf(6, {
        incarnation: second,
        kind: "gap",
        from: 6,
        to: 7,
        missing: [{ from: 4, to: 6 }],
        reason: "stopped",
      }),
      leaf(7, bundle(second, 7, frames(17, 20))),
    ],
    outbox: {
      runs: [{ incarnation: second, next: 11 }],
      spans: [
        { incarnation: second, from: 0, to: 4, place: "settled" },
        { incarnation: second, from: 6, to: 11, place: "final" },
      ],
    },
    promises: [
      { incarnation: first, from: 1, to: 6, kind: "stored" },
      { incarnation: second, from: 7, to: 11, kind: "signed" },
    ],
    kills: [{ atFrame: 11, lostMax: 3 }],
  };
}

describe("an account", () => {
  test("of a sound site is without violation, and says where every frame is", () => {
    expect(account(sound())).toEqual({
      frames: 20,
      received: 16,
      stated: { stopped: 2 },
      lostAtKills: 2,
      torn: 0,
      conflicts: 0,
      statements: 7,
      incarnations: 2,
      violations: [],
    });
  });

  test("takes a torn frame that is nowhere for torn, and one that arrived for received", () => {
    const evidence = sound();
    const wire = evidence.wire.map((frame) =>
      [9, 10, 11].includes(frame.sequence) ? { ...frame, fate: "torn" as const } : frame,
    );
    const { received, torn, lostAtKills, violations } = account({ ...evidence, wire, kills: [] });
    expect({ received, torn, lostAtKills }).toEqual({ received: 16, torn: 2, lostAtKills: 0 });
    expect(violations).toEqual([]);
  });

  test.each<[code: string, plant: (evidence: Evidence) => Evidence]>([
    ["ACK_LOST", (sane) => without(sane, 2)],
    ["ACK_LOST", (sane) => ({ ...without(sane, 7), outbox: { runs: [], spans: [] } })],
    ["FREED_TOO_EARLY", (sane) => without(sane, 7)],
    ["SEQUENCE_HOLE", (sane) => without(sane, 3)],
    ["SEQUENCE_HOLE", (sane) => without(sane, 6)],
    ["FRAME_LOST", (sane) => without(sane, 6)],
    ["FRAME_LOST", (sane) => ({ ...sane, kills: [] })],
    ["LOSS_TOO_LARGE", (sane) => ({ ...sane, kills: [{ atFrame: 11, lostMax: 1 }] })],
    ["DUPLICATE_IN_LANE", (sane) => withLeaf(sane, leaf(8, bundle(first, 1, frames(1, 5))))],
    ["DUPLICATE_IN_LANE", (sane) => withLeaf(sane, leaf(8, bundle(second, 11, frames(3, 3))))],
    [
      "DUPLICATE_IN_LANE",
      (sane) =>
        withLeaf(sane, {
          ...leaf(1, bundle(first, 6, frames(6, 9))),
          lane: "other",
          identity: "else",
        }),
    ],
    ["FRAME_INVENTED", (sane) => withLeaf(sane, leaf(8, bundle(second, 11, ["ff"])))],
    ["NOT_FINAL", (sane) => changed(sane, 7, { final: false })],
    ["FREED_TOO_EARLY", (sane) => changed(sane, 7, { final: false })],
    ["STATEMENT_FAULTY", (sane) => changed(sane, 5, { fault: "BODY_ROOT_WRONG" })],
    [
      "REJECTED",
      (sane) => withLeaf(sane, leaf(8, { kind: "rejection", incarnation: first, from: 1, to: 6 })),
    ],
    ["UNDELIVERED", (sane) => inOutbox(sane, "pending")],
    ["UNDELIVERED", (sane) => inOutbox(sane, "journal")],
    ["UNDELIVERED", (sane) => inOutbox(sane, "gap")],
    ["UNDELIVERED", (sane) => inOutbox(sane, "heartbeat")],
    ["FREED_TOO_EARLY", (sane) => inOutbox(sane, "settled")],
  ])("names a planted %s", (code, plant) => {
    const codes = account(plant(sound())).violations.map((violation) => violation.code);
    expect(codes).toContain(code);
  });

  test("lets the very last heartbeat of a run stay behind, and no earlier one", () => {
    const late = inOutbox(sound(), "heartbeat");
    const runs = late.outbox.runs.map((run) =>
      run.incarnation === second ? { ...run, next: 12 } : run,
    );
    const codes = account({ ...late, outbox: { ...late.outbox, runs } }).violations;
    expect(codes.filter(({ code }) => code === "UNDELIVERED")).toEqual([]);
  });

  test("lets a replaced card take along what it alone held, and read a frame twice", () => {
    const gone = { incarnation: second, from: 7, to: 11, place: "pending" as const };
    const abandoned = { runs: [{ incarnation: second, next: 11 }], spans: [gone] };
    const spans = sound().outbox.spans.filter(({ from }) => from < 6);
    const replaced = { ...without(sound(), 7), outbox: { runs: [], spans }, abandoned };
    const { stated, violations } = account(replaced);
    expect(violations).toEqual([]);
    expect(stated).toEqual({ stopped: 2, "gone with the card": 4 });
    const read = withLeaf(sound(), leaf(8, bundle(second, 11, frames(20, 20))));
    expect(account({ ...read, abandoned }).violations).toEqual([]);
  });

  test("takes the second closing of one journal for refused, and nothing else", () => {
    const refused = leaf(8, { kind: "rejection", incarnation: first, from: 6, to: 10 });
    const conflict = withLeaf(sound(), { ...refused, code: "SEQUENCE_CONFLICT" });
    const { conflicts, violations } = account({ ...conflict, closedTwice: [first] });
    expect(violations).toEqual([]);
    expect(conflicts).toBe(1);
    const other = account({ ...conflict, closedTwice: [second] });
    expect(other.violations.map(({ code }) => code)).toEqual(["REJECTED"]);
  });

  test("asks of a lane that was killed only what it acknowledged", () => {
    const { lane: statements, outbox } = sound();
    const cut = statements.filter(({ leafIndex }) => leafIndex < 3);
    const promises = [{ incarnation: first, from: 6, to: 10, kind: "stored" as const }];
    expect(checkPromises(cut, { promises, outbox }).map(({ code }) => code)).toEqual(["ACK_LOST"]);
    expect(checkPromises(statements, { promises, outbox })).toEqual([]);
    expect(checkFreedUnder(cut, outbox).map(({ code }) => code)).toContain("FREED_TOO_EARLY");
    expect(checkFreedUnder(statements, outbox)).toEqual([]);
  });

  test("keeps a few examples of each code and counts the rest", () => {
    const promises = Array.from({ length: 9 }, (_, i) => ({
      incarnation: "cc",
      from: i,
      to: i + 1,
      kind: "stored" as const,
    }));
    const found = checkPromises([], { promises, outbox: { runs: [], spans: [] } });
    expect(found).toHaveLength(6);
    expect(found.at(-1)?.what).toBe("and 4 more");
  });
});

test("spans unite, leave holes, overlap and cover", () => {
  const spans = [
    { from: 5, to: 7 },
    { from: 0, to: 2 },
    { from: 2, to: 4 },
    { from: 6, to: 9 },
  ];
  const united = union(spans);
  expect(united).toEqual([
    { from: 0, to: 4 },
    { from: 5, to: 9 },
  ]);
  expect(holes(spans, 12)).toEqual([
    { from: 4, to: 5 },
    { from: 9, to: 12 },
  ]);
  expect(holes(spans, 5)).toEqual([{ from: 4, to: 5 }]);
  expect(holes([], 0)).toEqual([]);
  expect(overlap(united, { from: 3, to: 6 })).toBe(2);
  expect(covers(united, { from: 1, to: 4 })).toBe(true);
  expect(covers(united, { from: 3, to: 6 })).toBe(false);
  expect(covers(united, { from: 9, to: 10 })).toBe(false);
});

function digest(frame: number): string {
  return frame.toString(16).padStart(64, "0");
}

function frames(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => digest(from + i));
}

type Part = Pick<LaneStatement, "incarnation" | "kind" | "from" | "to"> & Partial<LaneStatement>;

function bundle(incarnation: string, from: number, digests: readonly string[]): Part {
  return { incarnation, kind: "bundle", from, to: from + digests.length, digests };
}

function leaf(leafIndex: number, part: Part): LaneStatement {
  const { incarnation, from, kind } = part;
  const identity = `${incarnation}/${kind}/${from}`;
  const rest = { digests: [], missing: [], final: true, device: "box" };
  return { ...rest, lane, leafIndex, identity, ...part };
}

function without(evidence: Evidence, leafIndex: number): Evidence {
  return { ...evidence, lane: evidence.lane.filter((item) => item.leafIndex !== leafIndex) };
}

function withLeaf(evidence: Evidence, item: LaneStatement): Evidence {
  return { ...evidence, lane: [...evidence.lane, item] };
}

function changed(evidence: Evidence, leafIndex: number, part: Partial<LaneStatement>): Evidence {
  const change = (item: LaneStatement) =>
    item.leafIndex === leafIndex ? { ...item, ...part } : item;
  return { ...evidence, lane: evidence.lane.map(change) };
}

function inOutbox(evidence: Evidence, place: OutboxPlace): Evidence {
  const { runs, spans } = evidence.outbox;
  const more = { incarnation: second, from: 11, to: 12, place };
  return { ...evidence, outbox: { runs, spans: [...spans, more] } };
}
