/** The lane in its file: what it takes and refuses, what it answers, and how it opens. */

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { rootFromInclusion } from "@tamga/ledger-core/log/inclusion-proof";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootFromMultiproof } from "@tamga/ledger-core/log/multiproof";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { verifyRootSignature } from "@tamga/ledger-core/wire/log-signature";
import { parseStatement, verifyStatement } from "@tamga/ledger-core/wire/statement";
import { parseStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  admissionsPerBatchMax,
  devicesCachedMax,
  incarnationsCachedMax,
  intervalsPerIncarnationMax,
  laneRowsPerPageMax,
  quarantineBytesPerDeviceMax,
} from "../limits.ts";
import {
  admission,
  clock,
  emptyList,
  identifier,
  laneIdentity,
  meter,
  openLane,
  orderNow,
  refusal,
  signer,
} from "./lane-fixture.ts";
import { laneMigrations } from "./lane-schema.ts";
import { restoredMarker, SqliteLane } from "./sqlite-lane.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
let directory: string;
let path: string;
const opened: SqliteLane[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-lane-"));
  path = join(directory, "lane.db");
});
afterEach(() => {
  for (const lane of opened.splice(0)) lane.close();
  rmSync(directory, { recursive: true });
});

function open(...args: Parameters<typeof openLane> extends [string, ...infer R] ? R : never) {
  const lane = openLane(path, ...args);
  opened.push(lane);
  return lane;
}

function close(lane: SqliteLane): void {
  opened.splice(opened.indexOf(lane), 1);
  lane.close();
}

/** The claims of a statement that the gateway signed. */
function gatewayClaims<K extends "lane-open" | "lane-head" | "rejection">(
  kind: K,
  bytes: Uint8Array | undefined,
) {
  const parsed = parseStatement(present(bytes, "statement"));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  expect(parsed.value.header).toMatchObject({
    type: kind,
    channel: laneIdentity.channel,
    issuer: laneIdentity.gateway,
    subject: "lane",
  });
  expect(verifyStatement(nodeCrypto, parsed.value, signer.publicKey).ok).toBe(true);
  const claims = parseGatewayClaims(kind, parsed.value.claims);
  if (!claims.ok) throw new Error(claims.fault.code);
  return claims.value;
}

describe("a new lane", () => {
  it("begins with its signed genesis", () => {
    const lane = open();
    expect(lane.size()).toBe(1n);
    const claims = gatewayClaims("lane-open", lane.laneOpenStatement());
    expect(claims).toEqual({
      kind: "lane-open",
      incarnation: lane.incarnation,
      channelId: laneIdentity.channelId,
    });
    expect(lane.entry(0n)).toEqual(lane.laneOpenStatement());
    expect(lane.status()).toMatchObject({ openedBecause: "first", needsAll: false, size: 1n });
  });

  it("can be looked at beside its daemon, and not changed", () => {
    const lane = open();
    lane.admit([admission({ first: 0 })]);
    const options = { path, clock, crypto: nodeCrypto, signer, identity: laneIdentity };
    const view = SqliteLane.view(options);
    opened.push(view);
    expect(view.origin).toBe(lane.origin);
    expect(view.at({ lane: 1, leafIndex: 1n })).toEqual(lane.at({ lane: 1, leafIndex: 1n }));
    expect(() => view.admit([admission({ first: 1 })])).toThrow(
      expect.objectContaining({ code: "DATABASE_UNAVAILABLE" }),
    );
    expect(lane.admit([admission({ first: 1 })])[0]?.outcome).toBe("accepted");
  });

  it("has nothing to look at before its daemon ran", () => {
    openDatabase(path, { migrations: laneMigrations }).close();
    const options = { path, clock, crypto: nodeCrypto, signer, identity: laneIdentity };
    expect(() => SqliteLane.view(options)).toThrow(expect.objectContaining({ code: "LANE_EMPTY" }));
  });

  it("is nobody else's", () => {
    close(open());
    const other = { ...laneIdentity, gateway: identifier("gate-2") };
    expect(() => open(undefined, { identity: other })).toThrow(
      expect.objectContaining({ code: "LANE_OTHER_OWNER" }),
    );
  });
});

describe("admission", () => {
  it("appends exact bytes and answers in order, duplicates with their first place", () => {
    const lane = open();
    const [a, b] = [admission({ first: 0, count: 4 }), admission({ first: 4 })];
    expect(lane.admit([a, b, a])).toEqual([
      { outcome: "accepted", lane: 1, leafIndex: 1n },
      { outcome: "accepted", lane: 1, leafIndex: 2n },
      { outcome: "duplicate", lane: 1, leafIndex: 1n },
    ]);
    expect(lane.admit([b])).toEqual([{ outcome: "duplicate", lane: 1, leafIndex: 2n }]);
    expect(lane.size()).toBe(3n);
    expect(lane.entry(1n)).toEqual(a.bytes);
    expect(lane.held(meter, a.incarnation)).toEqual([{ first: 0n, count: 5 }]);
  });

  it("answers a conflict with a signed rejection and keeps the message", () => {
    const lane = open();
    const second = admission({ first: 2, count: 4, content: 1 });
    lane.admit([admission({ first: 0, count: 4 })]);
    const answer = { lane: 1, leafIndex: 2n, code: "SEQUENCE_CONFLICT" };
    expect(lane.admit([second])).toEqual([{ outcome: "rejected", ...answer }]);
    expect(lane.admit([second])).toEqual([{ outcome: "duplicate", ...answer }]);
    expect(lane.size()).toBe(3n);
    const { stream, incarnation, range } = second;
    expect(gatewayClaims("rejection", lane.entry(2n))).toMatchObject({
      device: meter,
      refused: second.identity,
      code: "SEQUENCE_CONFLICT",
      position: { stream, incarnation, range },
    });
    const [item] = lane.quarantine({ device: meter });
    const bytes = present(lane.quarantineBytes(present(item, "item").id), "bytes");
    expect(parseStatementMessage(bytes)).toEqual({
      ok: true,
      value: { statement: second.bytes, body: second.body },
    });
    expect(lane.status()).toMatchObject({ conflicts: 1, refused: 0 });
    expect(lane.held(meter, incarnation)).toEqual([{ first: 0n, count: 4 }]);
  });

  it("answers what was refused before it, once a digest", () => {
    const lane = open();
    const one = refusal(utf8("garbage"), { code: "CBOR_MALFORMED" });
    const answer = { lane: 1, leafIndex: 1n, code: "CBOR_MALFORMED" };
    expect(lane.admit([one, one])).toEqual([
      { outcome: "rejected", ...answer },
      { outcome: "duplicate", ...answer },
    ]);
    const other = { ...one, device: identifier("meter-2") };
    expect(lane.admit([other])[0]).toMatchObject({ outcome: "rejected", leafIndex: 2n });
    expect(lane.status()).toMatchObject({ conflicts: 0, refused: 2, devices: 2 });
  });

  it("takes a good statement after a broken copy of it, and shows both", () => {
    const lane = open();
    const good = admission({ first: 0, count: 2 });
    const { stream, incarnation, range, identity } = good;
    const position = { stream, incarnation, range };
    const broken = refusal(utf8("broken"), { digest: identity, position });
    expect(lane.admit([broken, good, broken]).map((a) => a.outcome)).toEqual([
      "rejected",
      "accepted",
      "duplicate",
    ]);
    const answers = lane.answers(meter, { incarnation, range: { first: 1n, count: 100 } });
    expect(answers.map((row) => [row.kind, row.leafIndex])).toEqual([
      ["bundle", 2n],
      ["rejection", 1n],
    ]);
  });

  it("does nothing of a batch that fails, and goes on afterwards", () => {
    const lane = open();
    lane.admit([admission({ first: 0 })]);
    const bad = { ...admission({ first: 2 }), bytes: new Uint8Array(0) };
    const batch = [admission({ first: 1 }), refusal(utf8("x")), bad];
    const before = [lane.size(), lane.root(), lane.status()];
    expect(() => lane.admit(batch)).toThrow("16 bits");
    expect([lane.size(), lane.root(), lane.status()]).toEqual(before);
    expect(lane.held(meter, bad.incarnation)).toEqual([{ first: 0n, count: 1 }]);
    expect(lane.admit(batch.slice(0, 2)).map((a) => a.leafIndex)).toEqual([2n, 3n]);
  });

  it("takes batches up to the limit", () => {
    const lane = open();
    const batch = Array.from({ length: admissionsPerBatchMax + 1 }, (_, i) =>
      admission({ first: i }),
    );
    expect(() => lane.admit(batch)).toThrow("within the limit");
    expect(lane.admit(batch.slice(1)).length).toBe(admissionsPerBatchMax);
    expect(lane.rows(meter, { fromIndex: 0n, toIndex: lane.size() }).length).toBe(
      laneRowsPerPageMax,
    );
  });

  it("knows devices and incarnations that its caches have forgotten", () => {
    const lane = open();
    const more = Math.max(devicesCachedMax, incarnationsCachedMax) + 8;
    const of = (i: number) => admission({ first: 0, device: identifier(`device-${i}`) });
    for (let i = 0; i < more; i += 1_000)
      lane.admit(Array.from({ length: Math.min(1_000, more - i) }, (_, k) => of(i + k)));
    expect(lane.status()).toMatchObject({ devices: more, size: BigInt(more) + 1n });
    const again = Array.from({ length: 8 }, (_, i) => of(i));
    expect(lane.admit(again).every(({ outcome }) => outcome === "duplicate")).toBe(true);
    const next = again.map(({ device }) => admission({ first: 1, device }));
    expect(lane.admit(next).every(({ outcome }) => outcome === "accepted")).toBe(true);
  });

  it("refuses a range apart from all others at the intervals' limit", () => {
    const lane = open();
    for (let i = 0; i < intervalsPerIncarnationMax; i += 1_024)
      lane.admit(Array.from({ length: 1_024 }, (_, k) => admission({ first: 2 * (i + k) })));
    const past = admission({ first: 2 * intervalsPerIncarnationMax });
    expect(lane.admit([past])[0]).toMatchObject({
      outcome: "rejected",
      code: "SEQUENCE_INTERVALS_FULL",
    });
    close(lane);
    const again = open();
    expect(again.held(meter, past.incarnation).length).toBe(intervalsPerIncarnationMax);
    expect(again.admit([past, admission({ first: 1 })]).map((a) => a.outcome)).toEqual([
      "duplicate",
      "accepted",
    ]);
  });

  it("keeps refused bytes up to the device's quota, then digest and count", () => {
    const lane = open();
    const half = quarantineBytesPerDeviceMax / 2;
    const big = (fill: number, length: number) =>
      refusal(new Uint8Array(length).fill(fill), { code: "CBOR_MALFORMED" });
    lane.admit([big(1, half), big(2, half)]);
    expect(lane.status()).toMatchObject({ quarantineDropped: 0, quarantineBytes: 2 * half });
    const last = lane.admit([big(3, 1)]);
    expect(last[0]?.outcome).toBe("rejected");
    expect(lane.admit([big(3, 1)])[0]?.outcome).toBe("duplicate");
    expect(lane.admit([{ ...big(4, 9), device: identifier("meter-2") }])[0]?.outcome).toBe(
      "rejected",
    );
    expect(lane.status()).toMatchObject({ quarantineDropped: 1, refused: 4 });
    expect(lane.quarantine({}).map(({ kept, length }) => [kept, length])).toEqual([
      [true, half],
      [true, half],
      [false, 1],
      [true, 9],
    ]);
    expect(lane.quarantine({ device: meter, afterId: 2 }).map(({ id }) => id)).toEqual([3]);
    expect(lane.quarantineBytes(3)).toBeUndefined();
    expect(lane.quarantineBytes(99)).toBeUndefined();
  });
});

describe("what a lane answers", () => {
  it("finds statements by sequence, device and place", () => {
    const lane = open();
    const cow = identifier("reader-1");
    lane.admit([
      admission({ first: 0, count: 10 }),
      admission({ first: 0, count: 3, device: cow }),
      admission({ first: 20, count: 10 }),
    ]);
    const { incarnation, stream } = admission({ first: 0 });
    const find = (sequence: bigint, device = meter) => lane.find({ device, incarnation, sequence });
    expect(find(0n)?.leafIndex).toBe(1n);
    expect(find(9n)?.leafIndex).toBe(1n);
    expect(find(10n)).toBeUndefined();
    expect(find(29n)?.leafIndex).toBe(3n);
    expect(find(30n)).toBeUndefined();
    expect(find(2n, cow)?.leafIndex).toBe(2n);
    expect(find(3n, cow)).toBeUndefined();
    expect(find(0n, identifier("nobody"))).toBeUndefined();
    const row = present(find(25n), "row");
    expect(row).toMatchObject({
      kind: "bundle",
      device: meter,
      position: { stream, incarnation, range: { first: 20n, count: 10 } },
    });
    expect(lane.at(row)).toEqual(row);
    expect(lane.body(row)).toEqual(admission({ first: 20, count: 10 }).body);
    expect(lane.rows(meter, { fromIndex: 2n, toIndex: 4n })).toEqual([row]);
    expect(lane.rows(meter, { fromIndex: 0n, toIndex: 4n, limit: 1 })[0]?.leafIndex).toBe(1n);
    expect(lane.devices(2n, 3n)).toEqual([cow]);
    expect(new Set(lane.devices(0n, 4n))).toEqual(new Set([meter, cow]));
    expect(lane.missing(meter, incarnation, { first: 5n, count: 20 })).toEqual([
      { first: 10n, count: 10 },
    ]);
    expect(lane.missing(cow, new Uint8Array(16).fill(9), { first: 5n, count: 2 })).toEqual([
      { first: 5n, count: 2 },
    ]);
    const range = { first: 9n, count: 12 };
    expect(lane.answers(meter, { incarnation, range }).map((a) => a.leafIndex)).toEqual([1n, 3n]);
    const far = { first: 2n ** 64n - 2n, count: 1 };
    expect(lane.answers(meter, { incarnation, range: far })).toEqual([]);
  });

  it("proves its leaves one by one and together, under its own signature", () => {
    const lane = open();
    const batch = Array.from({ length: 300 }, (_, i) => admission({ first: i }));
    lane.admit(batch);
    const [size, root] = [lane.size(), lane.root()];
    for (const index of [0n, 1n, 255n, 256n, 300n]) {
      const leafHash = hasher.leaf(present(lane.entry(index), "entry"));
      const path = lane.inclusion(index, size);
      const claim = { leafIndex: index, treeSize: size, leafHash, path };
      expect(rootFromInclusion(hasher, claim)).toEqual({ ok: true, value: root });
    }
    const indices = [3n, 4n, 299n];
    const proof = {
      indices: indices.map(Number),
      size: Number(size),
      leafHashes: indices.map((index) => hasher.leaf(present(lane.entry(index), "entry"))),
      hashes: lane.multiproof(indices, size).hashes,
    };
    expect(rootFromMultiproof(hasher, proof)).toEqual({ ok: true, value: root });
    const expected = { origin: lane.origin, size, root, key: signer.publicKey };
    const signature = lane.logSignature();
    expect(verifyRootSignature(nodeCrypto, signature, expected).ok).toBe(true);
    expect(lane.logSignature()).toBe(signature);
    lane.admit([admission({ first: 300 })]);
    expect(lane.logSignature()).not.toBe(signature);
  });

  it("states its head, and remembers what was ordered of it over a restart", () => {
    const lane = open();
    lane.admit([admission({ first: 0 })]);
    const { statement, head } = lane.laneHeadStatement(emptyList);
    expect(gatewayClaims("lane-head", statement)).toEqual({
      kind: "lane-head",
      incarnation: lane.incarnation,
      head: { size: 2n, root: lane.root() },
      revocations: emptyList,
    });
    expect(lane.isFinal({ lane: 1, leafIndex: 1n })).toBe(false);
    const ordered = orderNow(lane);
    expect(ordered.head).toEqual(head);
    lane.admit([admission({ first: 1 })]);
    close(lane);
    const again = open(ordered);
    expect(again.incarnation).toEqual(ordered.incarnation);
    expect(again.isFinal({ lane: 1, leafIndex: 1n })).toBe(true);
    expect(again.isFinal({ lane: 1, leafIndex: 2n })).toBe(false);
    const kept = present(again.current.ordered, "ordered head");
    expect(kept).toMatchObject({ head, evidence: { index: 1n, size: 2n }, revocations: [] });
    const expected = { origin: again.origin, ...head, key: signer.publicKey };
    expect(verifyRootSignature(nodeCrypto, kept.signature, expected).ok).toBe(true);
    expect(again.status()).toMatchObject({ size: 3n, orderedSize: 2n });
  });
});

describe("a file that is not what the ledger saw", () => {
  /** Leaves 1 and 2 ordered; 3 a statement and 4 a rejection, acknowledged only. */
  function grown() {
    const lane = open();
    lane.admit([admission({ first: 0 }), admission({ first: 1 })]);
    const ordered = orderNow(lane);
    lane.admit([admission({ first: 2 }), refusal(utf8("garbage"))]);
    return { lane, ordered };
  }

  it("is never appended to: what was acknowledged moves to the next incarnation, once", () => {
    const { lane, ordered } = grown();
    close(lane);
    const ahead = { ...ordered, head: { size: 9n, root: ordered.head.root } };
    const next = open(ahead);
    expect(next.incarnation).not.toEqual(ordered.incarnation);
    expect(gatewayClaims("lane-open", next.laneOpenStatement())).toMatchObject({
      predecessor: ahead,
    });
    expect(next.status()).toMatchObject({ incarnations: 2, openedBecause: "behind-ledger" });
    const [moved, rejection] = next.rows(meter, { fromIndex: 0n, toIndex: 9n });
    expect(moved).toMatchObject({
      lane: 2,
      leafIndex: 1n,
      identity: admission({ first: 2 }).identity,
    });
    expect(rejection).toMatchObject({ lane: 2, leafIndex: 2n, code: "SIGNATURE_WRONG" });
    expect(next.entry(1n)).toEqual(admission({ first: 2 }).bytes);
    expect(next.body(present(moved, "row"))).toEqual(admission({ first: 2 }).body);
    // What is final stays where it is proven.
    const { incarnation } = admission({ first: 0 });
    const final = present(next.find({ device: meter, incarnation, sequence: 1n }), "row");
    expect(final).toMatchObject({ lane: 1, leafIndex: 2n });
    expect(next.isFinal(final)).toBe(true);
    expect(next.log(1).entry(2n)).toEqual(admission({ first: 1 }).bytes);
    expect(next.held(meter, incarnation)).toEqual([{ first: 0n, count: 3 }]);
    expect(
      next.admit([
        admission({ first: 1 }),
        admission({ first: 2 }),
        refusal(utf8("garbage")),
        admission({ first: 3 }),
      ]),
    ).toMatchObject([
      { outcome: "duplicate", lane: 1, leafIndex: 2n },
      { outcome: "duplicate", lane: 2, leafIndex: 1n },
      { outcome: "duplicate", lane: 2, leafIndex: 2n },
      { outcome: "accepted", lane: 2, leafIndex: 3n },
    ]);
  });

  it("asks every device for all it holds, until it has answered", () => {
    const { lane, ordered } = grown();
    close(lane);
    const next = open({ ...ordered, head: { ...ordered.head, size: 9n } });
    expect([next.needsAll, next.needsAllOf(meter)]).toEqual([true, true]);
    expect(next.needsAllOf(identifier("forgotten"))).toBe(true);
    next.answeredAll(meter);
    expect(next.needsAllOf(meter)).toBe(false);
    close(next);
    const again = open({ ...ordered, head: { ...ordered.head, size: 9n } });
    // The ledger has not seen the new lane yet, so this is it.
    expect(again.incarnation).toEqual(next.incarnation);
    expect([again.needsAllOf(meter), again.needsAllOf(identifier("other"))]).toEqual([false, true]);
  });

  it("moves on from where it stands when it is marked as restored", () => {
    const { lane, ordered } = grown();
    close(lane);
    writeFileSync(restoredMarker(path), "");
    const next = open(ordered);
    expect(next.status()).toMatchObject({ openedBecause: "restored", needsAll: true });
    expect(existsSync(restoredMarker(path))).toBe(false);
    close(next);
    expect(open(ordered).incarnation).toEqual(next.incarnation);
  });

  it("starts anew when the file is gone", () => {
    const { lane, ordered } = grown();
    close(lane);
    rmSync(path);
    const next = open(ordered);
    expect(next.status()).toMatchObject({ openedBecause: "file-lost", needsAll: true, size: 1n });
  });

  it("keeps moving what was never ordered through many incarnations, past a page", () => {
    const lane = open();
    const count = laneRowsPerPageMax + 10;
    for (let i = 0; i < count; i += 500)
      lane.admit(
        Array.from({ length: Math.min(500, count - i) }, (_, k) => admission({ first: i + k })),
      );
    close(lane);
    for (const ordinal of [2, 3]) {
      writeFileSync(restoredMarker(path), "");
      const next = open();
      expect(next.current.ordinal).toBe(ordinal);
      expect(next.size()).toBe(BigInt(count) + 1n);
      expect(next.entry(BigInt(count))).toEqual(admission({ first: count - 1 }).bytes);
      close(next);
    }
  });

  it("takes what it lost again from its devices after a roll-back to an older copy", () => {
    const lane = open();
    lane.admit([admission({ first: 0 })]);
    const before = orderNow(lane);
    close(lane);
    copyFileSync(path, `${path}.old`);
    const later = open(before);
    later.admit([admission({ first: 1 })]);
    const ordered = orderNow(later);
    close(later);
    copyFileSync(`${path}.old`, path);
    const next = open(ordered);
    expect(next.admit([admission({ first: 0 }), admission({ first: 1 })])).toMatchObject([
      { outcome: "duplicate", lane: 1, leafIndex: 1n },
      { outcome: "accepted", lane: 2, leafIndex: 1n },
    ]);
  });
});
