/** The stored log against the naive tree, over rollbacks, reopening and damage. */

import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import { verifyInclusion } from "../log/inclusion-proof.ts";
import { entryBytesMax } from "../log/limits.ts";
import { rootFromMultiproof } from "../log/multiproof.ts";
import { naiveRoot } from "../log/naive-tree.ts";
import { buildMultiproof } from "../log/proof-builder.ts";
import { entriesCheckedAtOpenMax, entriesPerAppendMax } from "./limits.ts";
import { SqliteLog } from "./sqlite-log.ts";

const { sha256 } = nodeCrypto;
let db: Database.Database;

beforeEach(() => {
  db = new Database(":memory:");
});
afterEach(() => {
  db.close();
});

function open(prefix = "channel"): SqliteLog {
  return SqliteLog.open(db, { prefix, sha256 });
}

function texts(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => utf8(`entry ${from + i}`));
}

function grow(log: SqliteLog, count: number): number {
  return db.transaction(() => log.append(texts(log.size, count)))();
}

function naive(log: SqliteLog, size: number) {
  return naiveRoot(texts(0, size).map((entry) => log.hasher.leaf(entry)));
}

describe("a log in SQLite", () => {
  it("has the root of the naive tree at every size, over batches of any length", () => {
    const log = open();
    for (const count of [1, 2, 253, 1, 255, 300]) grow(log, count);
    expect(log.size).toBe(812);
    for (const size of [0, 1, 2, 255, 256, 257, 512, 811, 812])
      expect(log.root(size)).toEqual(naive(log, size));
    expect(log.root()).toEqual(naive(log, 812));
  });

  it("proves every entry in any size, and any two sizes", () => {
    const log = open();
    for (const count of [200, 200, 200]) grow(log, count);
    for (const size of [1, 77, 256, 257, 600]) {
      for (const index of [0, 76, 255, 256, 599].filter((i) => i < size)) {
        const proof = verifyInclusion(log.hasher, {
          leafIndex: BigInt(index),
          treeSize: BigInt(size),
          leafHash: log.leafHash(index),
          path: log.inclusion(index, size),
          root: log.root(size),
        });
        expect(proof.ok).toBe(true);
      }
      for (const size1 of [0, 1, 76, 256].filter((smaller) => smaller <= size)) {
        const proof = verifyConsistency(log.hasher, {
          size1: BigInt(size1),
          size2: BigInt(size),
          root1: log.root(size1),
          root2: log.root(size),
          path: log.consistency(size1, size),
        });
        expect(proof.ok).toBe(true);
      }
    }
  });

  it("gives nodes for multiproofs", () => {
    const log = open();
    grow(log, 700);
    const indices = [3, 4, 5, 511, 699];
    const hashes = buildMultiproof(log.hasher, log.nodeReader(), { indices, size: 700 });
    expect(hashes.ok).toBe(true);
    if (!hashes.ok) return;
    const leafHashes = indices.map((index) => log.leafHash(index));
    const root = rootFromMultiproof(log.hasher, {
      indices,
      size: 700,
      leafHashes,
      hashes: hashes.value,
    });
    expect(root).toEqual({ ok: true, value: log.root() });
  });

  it("gives back exact entries, and none beyond its end", () => {
    const log = open();
    grow(log, 3);
    expect(log.entry(2)).toEqual(utf8("entry 2"));
    expect(log.entry(3)).toBeUndefined();
    expect(log.entry(-1)).toBeUndefined();
  });

  it("keeps two logs of one database apart", () => {
    const [one, two] = [open("lane"), open("channel")];
    grow(one, 5);
    grow(two, 2);
    expect([one.size, two.size]).toEqual([5, 2]);
    expect(two.root()).toEqual(naive(two, 2));
  });
});

describe("transactions around an append", () => {
  it("forgets what was rolled back and goes on as if it had not been", () => {
    const log = open();
    grow(log, 300);
    for (const attempt of [1, 40, 300]) {
      const failing = db.transaction(() => {
        log.append(texts(9_000, attempt));
        expect(log.size).toBe(300 + attempt);
        throw new Error("no");
      });
      expect(failing).toThrow("no");
      expect(log.size).toBe(300);
      expect(log.root()).toEqual(naive(log, 300));
    }
    expect(grow(log, 7)).toBe(300);
    expect(log.root()).toEqual(naive(log, 307));
    log.verifyAll();
  });

  it("sees a roll-back also when the next thing is an append of as many entries", () => {
    const log = open();
    grow(log, 10);
    const failing = db.transaction(() => {
      log.append(texts(9_000, 5));
      throw new Error("no");
    });
    expect(failing).toThrow("no");
    db.transaction(() => log.append(texts(10, 5)))();
    expect(log.root()).toEqual(naive(log, 15));
    log.verifyAll();
  });

  it("forgets the first append ever, too", () => {
    const log = open();
    const failing = db.transaction(() => {
      log.append(texts(0, 3));
      throw new Error("no");
    });
    expect(failing).toThrow("no");
    expect(log.size).toBe(0);
    expect(log.root()).toEqual(naive(log, 0));
  });

  it("follows a savepoint that alone is rolled back", () => {
    const log = open();
    db.transaction(() => {
      log.append(texts(0, 3));
      const inner = db.transaction(() => {
        log.append(texts(9_000, 3));
        throw new Error("no");
      });
      expect(inner).toThrow("no");
      expect(log.size).toBe(3);
      log.append(texts(3, 1));
    })();
    expect(log.root()).toEqual(naive(log, 4));
  });

  it("appends several times in one transaction, and nothing where there is nothing", () => {
    const log = open();
    db.transaction(() => {
      expect(log.append(texts(0, 2))).toBe(0);
      expect(log.append([])).toBe(2);
      expect(log.append(texts(2, 300))).toBe(2);
    })();
    expect(log.root()).toEqual(naive(log, 302));
  });

  it("refuses an append outside of a transaction", () => {
    const log = open();
    expect(() => log.append(texts(0, 1))).toThrow("inside its caller's transaction");
  });

  it("takes entries and batches up to their limits, and not beyond", () => {
    const log = open();
    const append = db.transaction((entries: Uint8Array[]) => log.append(entries));
    expect(append([new Uint8Array(entryBytesMax)])).toBe(0);
    expect(() => append([new Uint8Array(entryBytesMax + 1)])).toThrow("16 bits");
    expect(() => append([new Uint8Array(0)])).toThrow("16 bits");
    expect(append(texts(0, entriesPerAppendMax))).toBe(1);
    expect(() => append(texts(0, entriesPerAppendMax + 1))).toThrow("within the limit");
    expect(log.size).toBe(1 + entriesPerAppendMax);
  });
});

describe("opening again", () => {
  it("finds the same size and root, and goes on", () => {
    for (const count of [256, 1, 300]) {
      const log = open();
      grow(log, count);
      const again = open();
      expect([again.size, again.root()]).toEqual([log.size, log.root()]);
    }
    expect(open().root()).toEqual(naive(open(), 557));
  });

  const damages = [
    ["a tile", "UPDATE channel_tile SET hashes = zeroblob(length(hashes)) WHERE place = 1"],
    ["a cut tile", "UPDATE channel_tile SET hashes = substr(hashes, 1, 32) WHERE place = 1"],
    ["a cut full tile", "UPDATE channel_tile SET hashes = substr(hashes, 1, 32) WHERE place = 0"],
    ["a lost tile", "DELETE FROM channel_tile WHERE place = 1"],
    ["an entry", "UPDATE channel_entry SET bytes = x'00' WHERE idx = 299"],
    ["a lost entry", "DELETE FROM channel_entry WHERE idx = 299"],
    ["an entry too many", "INSERT INTO channel_entry VALUES (300, x'00')"],
    ["another root", "UPDATE channel_head SET root = zeroblob(32)"],
    ["another size", "UPDATE channel_head SET size = 299"],
  ] as const;
  it.each(damages)("refuses a log with %s changed", (_, sql) => {
    grow(open(), 300);
    db.exec(sql);
    expect(open).toThrow(expect.objectContaining({ code: "DATABASE_CORRUPT" }));
  });

  it("looks at the last entries only, and at all of them when asked", () => {
    grow(open(), entriesCheckedAtOpenMax + 1);
    db.exec("UPDATE channel_entry SET bytes = x'00' WHERE idx = 0");
    const log = open();
    expect(() => log.entry(0)).toThrow(expect.objectContaining({ code: "DATABASE_CORRUPT" }));
    expect(() => log.verifyAll()).toThrow(expect.objectContaining({ code: "DATABASE_CORRUPT" }));
    db.exec("UPDATE channel_entry SET bytes = x'00' WHERE idx = 1");
    expect(open).toThrow(expect.objectContaining({ code: "DATABASE_CORRUPT" }));
  });
});
