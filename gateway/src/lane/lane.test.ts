/** The lane's judgement against a model that remembers every sequence and every digest. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, toHex, u32, u64 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntervalSet } from "./interval-set.ts";
import type { LanePlace, LaneState, Request, Verdict } from "./lane.ts";
import { judge } from "./lane.ts";

const name = (text: string): Identifier => {
  const parsed = parseIdentifier(text);
  return present(parsed.ok ? parsed.value : undefined, "identifier");
};
const device = name("meter-1");
const digestOf = (...parts: Uint8Array[]): Digest => nodeCrypto.sha256(concat(...parts));

/** The lane as maps; what a request becomes is written by {@link execute}. */
class MemoryLane implements LaneState {
  size = 1n;
  readonly intervals: number | undefined;
  readonly streams = new Map<string, { stream: Identifier; received: IntervalSet }>();
  readonly statements = new Map<string, LanePlace & { count: number; identity: Digest }>();
  readonly rejected = new Map<string, LanePlace & { code: string }>();

  constructor(intervals?: number) {
    this.intervals = intervals;
  }

  incarnation(_: Identifier, incarnation: Uint8Array) {
    return this.streams.get(toHex(incarnation));
  }
  statementAt(_: Identifier, incarnation: Uint8Array, first: bigint) {
    return this.statements.get(`${toHex(incarnation)}/${first}`);
  }
  rejectionOf(_: Identifier, digest: Digest) {
    return this.rejected.get(toHex(digest));
  }

  execute(request: Request): Verdict {
    const verdict = judge(this, request);
    if (verdict.outcome === "duplicate") return verdict;
    const place = { lane: 1, leafIndex: this.size++ };
    if (verdict.outcome === "reject") {
      const digest = request.kind === "refused" ? request.digest : request.identity;
      expect(this.rejected.has(toHex(digest))).toBe(false);
      this.rejected.set(toHex(digest), { ...place, code: verdict.code });
      return verdict;
    }
    if (request.kind !== "statement") throw new Error("only a statement is accepted");
    const { stream, incarnation, range, identity } = request;
    const key = toHex(incarnation);
    const known = this.streams.get(key) ?? { stream, received: new IntervalSet(this.intervals) };
    expect(known.received.add(range).ok).toBe(true);
    this.streams.set(key, known);
    this.statements.set(`${key}/${range.first}`, { ...place, count: range.count, identity });
    return verdict;
  }
}

function statement(at: {
  run?: number;
  stream?: string;
  first: number;
  count: number;
  content?: number;
}): Extract<Request, { kind: "statement" }> {
  const { run = 0, stream = "main", first, count, content = 0 } = at;
  const incarnation = new Uint8Array(16).fill(run);
  const said = concat(incarnation, u64(BigInt(first)), u32(count), u32(content));
  return {
    kind: "statement",
    device,
    stream: name(stream),
    incarnation,
    range: { first: BigInt(first), count },
    identity: digestOf(said, new TextEncoder().encode(stream)),
  };
}

const statements = fc
  .record({
    run: fc.nat(1),
    stream: fc.constantFrom("main", "main", "main", "other"),
    first: fc.nat(30),
    count: fc.integer({ min: 1, max: 5 }),
    content: fc.nat(1),
  })
  .map(statement);
const requests = fc.oneof(
  { weight: 4, arbitrary: statements },
  {
    weight: 1,
    arbitrary: statements.map(
      (from): Request => ({
        kind: "refused",
        device,
        digest: from.identity,
        code: "SIGNATURE_WRONG",
        position: from,
      }),
    ),
  },
);

describe("judging admissions", () => {
  it("takes every sequence once, and answers the same request the same way ever after", () => {
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 80 }), (sent) => {
        const lane = new MemoryLane();
        const held = new Map<string, string>();
        for (const request of sent) {
          const verdict = lane.execute(request);
          const again = judge(lane, request);
          expect(again.outcome).toBe("duplicate");
          if (request.kind !== "statement" || verdict.outcome !== "accept") continue;
          for (let i = 0n; i < BigInt(request.range.count); i++) {
            const key = `${toHex(request.incarnation)}/${request.range.first + i}`;
            expect(held.has(key)).toBe(false);
            held.set(key, toHex(request.identity));
          }
        }
      }),
    );
  });

  it("knows the exact same statement again", () => {
    const lane = new MemoryLane();
    const sent = statement({ first: 0, count: 4 });
    expect(lane.execute(sent)).toEqual({ outcome: "accept" });
    expect(lane.execute(sent)).toEqual({
      outcome: "duplicate",
      place: { lane: 1, leafIndex: 1n },
    });
  });

  it.each([
    ["the same range with other content", { first: 4, count: 4, content: 1 }],
    ["a part of a range", { first: 5, count: 1 }],
    ["the beginning of a range", { first: 4, count: 2 }],
    ["an overlap from the left", { first: 2, count: 3 }],
    ["an overlap from the right", { first: 7, count: 3 }],
    ["a range around it", { first: 0, count: 20 }],
  ])("finds %s in conflict", (_, second) => {
    const lane = new MemoryLane();
    lane.execute(statement({ first: 4, count: 4 }));
    const conflict = statement(second);
    expect(lane.execute(conflict)).toEqual({ outcome: "reject", code: "SEQUENCE_CONFLICT" });
    expect(lane.execute(conflict)).toEqual({
      outcome: "duplicate",
      place: { lane: 1, leafIndex: 2n },
      code: "SEQUENCE_CONFLICT",
    });
  });

  it("takes ranges in any order", () => {
    const lane = new MemoryLane();
    for (const first of [8, 0, 4, 12])
      expect(lane.execute(statement({ first, count: 4 })).outcome).toBe("accept");
  });

  it("binds an incarnation to its stream", () => {
    const lane = new MemoryLane();
    lane.execute(statement({ first: 0, count: 1 }));
    expect(lane.execute(statement({ first: 1, count: 1, stream: "other" }))).toEqual({
      outcome: "reject",
      code: "INCARNATION_OTHER_STREAM",
    });
  });

  it("refuses a range apart from all others at the intervals' limit, and stays with that", () => {
    const lane = new MemoryLane(2);
    lane.execute(statement({ first: 0, count: 1 }));
    lane.execute(statement({ first: 2, count: 1 }));
    const third = statement({ first: 4, count: 1 });
    expect(lane.execute(third)).toEqual({ outcome: "reject", code: "SEQUENCE_INTERVALS_FULL" });
    expect(lane.execute(statement({ first: 1, count: 1 })).outcome).toBe("accept");
    expect(lane.execute(third).outcome).toBe("duplicate");
  });

  it("lets a good statement in after a copy with a broken signature was refused", () => {
    const lane = new MemoryLane();
    const good = statement({ first: 0, count: 1 });
    const broken: Request = {
      kind: "refused",
      device,
      digest: good.identity,
      code: "SIGNATURE_WRONG",
      position: good,
    };
    expect(lane.execute(broken)).toEqual({ outcome: "reject", code: "SIGNATURE_WRONG" });
    expect(lane.execute(broken).outcome).toBe("duplicate");
    expect(lane.execute(good)).toEqual({ outcome: "accept" });
    // From here on the identity is taken, and nothing says that it is refused.
    expect(lane.execute(broken)).toEqual({
      outcome: "duplicate",
      place: { lane: 1, leafIndex: 2n },
    });
  });
});
