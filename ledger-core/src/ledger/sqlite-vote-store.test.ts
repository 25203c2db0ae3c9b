/** The stored votes against a model, against decay, and against writes that no honest validator makes. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  blockVote,
  blockWrite,
  digestOf,
  sampleBlock,
  sampleCertificate,
  signatureOf,
} from "../../../test/support/consensus-samples.ts";
import { InvariantError } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import type { VoteFloor, VoteRow } from "../consensus/replica-io.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { SqliteVoteStore } from "./sqlite-vote-store.ts";
import { compareViews } from "./vote-rules.ts";
import type { StoredVotes, VoteStoreWrite } from "./vote-store.ts";

const channel = digestOf("channel");
let directory: string;
let path: string;
let store: SqliteVoteStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-votes-"));
  path = join(directory, "votes.db");
  store = SqliteVoteStore.open(path, nodeCrypto);
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

const write = (...writes: readonly VoteStoreWrite[]) => store.write([{ channel, writes }]);
const vote = (view: number, parts: Omit<VoteRow, "epoch" | "view">, epoch = 0): VoteStoreWrite => ({
  type: "vote",
  row: { epoch, view, ...parts },
});
const floor = (view: number, epoch = 0): VoteStoreWrite => ({
  type: "floor",
  floor: { epoch, view },
});
const nullified = { signature: signatureOf("nullify") };
const corrupt = expect.objectContaining({ code: "VOTES_CORRUPT" });

/** Runs SQL in the file as somebody else, and opens it again. */
function meddle(sql: string): void {
  store.close();
  const db = openDatabase(path);
  db.exec(sql);
  db.close();
  store = SqliteVoteStore.open(path, nodeCrypto);
}

describe("stored votes", () => {
  it("are what was written, for each channel apart, also after opening again", () => {
    const other = digestOf("other");
    store.begin(channel, { amnesia: false });
    store.begin(other, { amnesia: true });
    const block = sampleBlock({ view: 3 }, [new Uint8Array(900)]);
    const notarization = sampleCertificate({
      kind: "notarize",
      view: 3,
      parentView: 2,
      digest: block.digest,
    });
    const row = { epoch: 0, view: 3, notarized: blockVote("a", 3), nullified };
    write(
      { type: "vote", row },
      blockWrite(block),
      { type: "certificate", certificate: notarization },
      floor(2),
    );
    const reopen = () => {
      store.close();
      store = SqliteVoteStore.open(path, nodeCrypto);
    };
    for (const again of [() => {}, reopen]) {
      again();
      const { digest: _, ...stored } = block;
      expect(store.load(channel)).toEqual({
        floor: { epoch: 0, view: 2 },
        amnesia: false,
        rows: [row],
        blocks: [stored],
        certificates: [notarization],
      });
      expect(store.load(other)).toMatchObject({ amnesia: true, rows: [] });
      expect(store.has(digestOf("third"))).toBe(false);
    }
  });

  it("commit whole or not at all, over all channels of a batch", () => {
    const other = digestOf("other");
    store.begin(channel, { amnesia: false });
    store.begin(other, { amnesia: false });
    const good = { channel, writes: [vote(1, { nullified })] };
    const bad = { channel: other, writes: [floor(4), vote(3, { nullified })] };
    expect(() => store.write([good, bad])).toThrow(InvariantError);
    expect(store.load(channel).rows).toEqual([]);
    expect(store.load(other).floor).toEqual({ epoch: 0, view: 0 });
  });

  it("keep the floor, and forget only what is final", () => {
    store.begin(channel, { amnesia: false });
    const blocks = [3, 4].map((view) => sampleBlock({ view }));
    write(...[2, 3, 4].map((view) => vote(view, { nullified })), ...blocks.map(blockWrite));
    write({ type: "final", floor: { epoch: 0, view: 3 } });
    const { rows, blocks: left, floor: at } = store.load(channel);
    expect(rows.map(({ view }) => view)).toEqual([4]);
    expect(left.map(({ header }) => header.view)).toEqual([4]);
    expect(at).toEqual({ epoch: 0, view: 3 });
    write(floor(9));
    write({ type: "final", floor: { epoch: 0, view: 4 } });
    expect(store.load(channel)).toMatchObject({ rows: [], floor: { epoch: 0, view: 9 } });
  });

  const notarized = blockVote("a", 5);
  const refused: readonly (readonly [string, readonly VoteStoreWrite[]])[] = [
    ["a second NOTARIZE", [vote(5, { notarized: blockVote("b", 5) })]],
    ["a NOTARIZE taken back", [vote(5, { nullified })]],
    ["FINALIZE beside NULLIFY", [vote(5, { notarized, nullified, finalized: notarized })]],
    ["FINALIZE after NULLIFY", [vote(6, { finalized: notarized })]],
    ["NULLIFY after FINALIZE", [vote(7, { nullified })]],
    ["a vote at the floor", [vote(2, { nullified })]],
    ["a vote of an earlier epoch", [floor(1, 1), vote(99, { nullified })]],
    ["a floor that falls", [floor(1)]],
    ["a floor of an earlier epoch", [floor(0, 1), floor(99)]],
    [
      "a block under another's digest",
      [{ ...blockWrite(sampleBlock({ view: 8 })), ...wrongDigest() }],
    ],
  ];
  it.each(refused)("refuse %s", (_, writes) => {
    store.begin(channel, { amnesia: false });
    write(
      floor(2),
      vote(5, { notarized }),
      vote(6, { nullified }),
      vote(7, { finalized: blockVote("c", 7) }),
    );
    const before = store.load(channel);
    expect(() => write(...writes)).toThrow(InvariantError);
    expect(store.load(channel)).toEqual(before);
  });
});

function wrongDigest(): { readonly digest: ReturnType<typeof digestOf> } {
  return { digest: digestOf("another") };
}

describe("stored votes that decayed", () => {
  beforeEach(() => {
    store.begin(channel, { amnesia: false });
    for (let view = 1; view <= 6; view++) {
      const block = sampleBlock({ view }, [new Uint8Array(700)]);
      write(vote(view, { notarized: blockVote("a", view) }), blockWrite(block));
    }
    write(floor(1));
  });

  it.each([
    ["a vote is gone", "DELETE FROM vote WHERE view = 4"],
    ["a block is gone", "DELETE FROM vote_block WHERE view = 4"],
    ["a vote moved", "UPDATE vote SET view = 14 WHERE view = 4"],
    ["a vote became a certificate", "UPDATE vote SET kind = 2 WHERE view = 4"],
    ["the floor fell", "UPDATE vote_channel SET floor_view = 0"],
    ["the flag was taken away or set", "UPDATE vote_channel SET amnesia = 1"],
    [
      "a vote is another's",
      "UPDATE vote SET content = (SELECT content FROM vote WHERE view = 3) WHERE view = 4",
    ],
  ])("are refused where %s", (_, sql) => {
    meddle(sql);
    expect(() => store.load(channel)).toThrow(corrupt);
  });

  it("are refused where they are older than the channel's row", () => {
    const whole = `${path}.old`;
    meddle("PRAGMA wal_checkpoint(TRUNCATE)");
    copyFileSync(path, whole);
    write(vote(7, { nullified }));
    meddle(`ATTACH '${whole}' AS old; DELETE FROM vote; INSERT INTO vote SELECT * FROM old.vote;
      DETACH old`);
    expect(() => store.load(channel)).toThrow(corrupt);
  });

  it("are refused or unharmed whichever byte of the file is flipped", () => {
    meddle("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = store.load(channel);
    store.close();
    const whole = readFileSync(path);
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const flipped = new Uint8Array(whole);
        flipped[at] = (flipped[at] ?? 0) ^ mask;
        for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
        writeFileSync(path, flipped);
        let found: StoredVotes | undefined;
        try {
          const damaged = SqliteVoteStore.open(path, nodeCrypto);
          try {
            if (damaged.has(channel)) found = damaged.load(channel);
          } finally {
            damaged.close();
          }
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(Error);
          return;
        }
        // A channel that is not found is one whose votes are lost: the node then signs nothing either.
        if (found !== undefined) expect(found).toEqual(before);
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(50);
    writeFileSync(path, whole);
    store = SqliteVoteStore.open(path, nodeCrypto);
  });
});

describe("stored votes and their model", () => {
  type Model = {
    floor: VoteFloor;
    readonly rows: Map<string, VoteRow>;
    readonly blocks: Set<string>;
  };
  const key = ({ epoch, view }: VoteFloor) => `${epoch}.${view}`;
  const step = fc.record({
    type: fc.constantFrom("notarize", "nullify", "finalize", "block", "floor", "final", "reopen"),
    epoch: fc.nat(1),
    view: fc.integer({ min: 1, max: 6 }),
    text: fc.constantFrom("a", "b"),
  });

  it("agree, whatever is written in whatever order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        store.close();
        for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
        store = SqliteVoteStore.open(path, nodeCrypto);
        store.begin(channel, { amnesia: false });
        const model: Model = { floor: { epoch: 0, view: 0 }, rows: new Map(), blocks: new Set() };
        for (const one of steps) play(model, one);
        const found = store.load(channel);
        expect(found.floor).toEqual(model.floor);
        expect(new Map(found.rows.map((row) => [key(row), row]))).toEqual(model.rows);
        const blocks = found.blocks.map(({ header }) => key(header) + toHex(header.logRoot));
        expect(new Set(blocks)).toEqual(model.blocks);
      }),
      { numRuns: 60 },
    );
  });

  /** Writes as a validator that keeps the rules, and sees what would break them refused. */
  function play(
    model: Model,
    { type, epoch, view, text }: typeof step extends fc.Arbitrary<infer S> ? S : never,
  ): void {
    const at = { epoch, view };
    const stored = model.rows.get(key(at));
    const signed = blockVote(text, view);
    const put = (parts: Omit<VoteRow, "epoch" | "view">, legal: boolean) => {
      const row = { ...(stored ?? at), ...parts };
      if (legal && compareViews(at, model.floor) > 0) {
        write({ type: "vote", row });
        model.rows.set(key(at), row);
      } else expect(() => write({ type: "vote", row })).toThrow(InvariantError);
    };
    const same = (vote: VoteRow["notarized"]) =>
      vote === undefined || toHex(vote.digest) === toHex(signed.digest);
    if (type === "notarize") put({ notarized: signed }, same(stored?.notarized));
    else if (type === "nullify") put({ nullified }, stored?.finalized === undefined);
    else if (type === "finalize")
      put({ finalized: signed }, same(stored?.finalized) && stored?.nullified === undefined);
    else if (type === "block") {
      const logRoot = digestOf(text);
      write(blockWrite(sampleBlock({ epoch, view, logRoot })));
      model.blocks.add(key(at) + toHex(logRoot));
    } else if (type === "floor") {
      if (compareViews(at, model.floor) < 0)
        expect(() => write({ type: "floor", floor: at })).toThrow(InvariantError);
      else write({ type: "floor", floor: at });
      if (compareViews(at, model.floor) > 0) model.floor = at;
    } else if (type === "final") {
      write({ type: "final", floor: at });
      if (compareViews(at, model.floor) > 0) model.floor = at;
      for (const row of model.rows.values())
        if (compareViews(row, at) <= 0) model.rows.delete(key(row));
      for (const block of model.blocks) {
        const [e = 0, v = 0] = block.slice(0, 3).split(".").map(Number);
        if (compareViews({ epoch: e, view: v }, at) <= 0) model.blocks.delete(block);
      }
    } else {
      store.close();
      store = SqliteVoteStore.open(path, nodeCrypto);
    }
  }
});
