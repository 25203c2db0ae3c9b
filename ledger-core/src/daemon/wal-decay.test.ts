/** What SQLite itself writes, cut and changed at any byte: no commit but the newest vanishes unnoticed. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "./sqlite.ts";
import { walDecayOf } from "./wal-decay.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-wal-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Written = { readonly file: Uint8Array; readonly log: Uint8Array; readonly rows: number };

/** A database whose process is gone: so many commits since its log began anew, over an older, longer round. */
function written(name: string, commits: number): Written {
  const path = join(directory, `${name}.db`);
  const db = openDatabase(path);
  db.exec("CREATE TABLE row (at INTEGER PRIMARY KEY, content BLOB)");
  const insert = db.prepare("INSERT INTO row (content) VALUES (randomblob(?))");
  for (let at = 0; at < 12; at++) insert.run(9_000);
  db.pragma("wal_checkpoint(RESTART)");
  for (let at = 0; at < commits; at++) insert.run(1_500 * (1 + (at % 3)));
  const copy = join(directory, `${name}.copy`);
  copyFileSync(path, copy);
  const file = new Uint8Array(readFileSync(copy));
  const log = new Uint8Array(readFileSync(`${path}-wal`));
  db.close();
  return { file, log, rows: 12 + commits };
}

/** Its decay, and how many rows SQLite finds where none was seen. */
function judged({ file }: Written, log: Uint8Array): { decay: boolean; rows: number } {
  const path = join(directory, "judged.db");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, log);
  if (walDecayOf(`${path}-wal`) !== undefined) return { decay: true, rows: 0 };
  const db = openDatabase(path, { judgesLog: true });
  try {
    const rows = Number(db.prepare("SELECT count(*) FROM row").pluck().get());
    // Emptied, so that no later cut leaves two ends behind.
    expect(readFileSync(`${path}-wal`)).toHaveLength(0);
    return { decay: false, rows };
  } finally {
    db.close();
  }
}

describe("walDecayOf", () => {
  test("finds nothing in a log as it was written, over what an earlier round left", () => {
    for (const commits of [0, 1, 2, 6]) {
      const made = written(`whole-${commits}`, commits);
      expect(judged(made, made.log)).toEqual({ decay: false, rows: made.rows });
    }
  });

  test("finds nothing where there is no log, or none yet", () => {
    expect(walDecayOf(join(directory, "none-wal"))).toBeUndefined();
    const path = join(directory, "begun-wal");
    for (const bytes of [0, 31, 32]) {
      writeFileSync(path, new Uint8Array(bytes));
      expect(walDecayOf(path)).toBeUndefined();
    }
  });

  test("finds a head that is not whole before frames, whatever is wrong in it", () => {
    const made = written("head", 3);
    for (let at = 0; at < 32; at++) {
      const bytes = new Uint8Array(made.log);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(judged(made, bytes).decay).toBe(true);
    }
  });

  test("lets the newest commit be cut off anywhere: that had not been acknowledged", () => {
    const made = written("cut", 6);
    const end = endOf(made.log);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_400 }), (bytes) => {
        // Behind it stands what the earlier round had there.
        const torn = made.log.map((byte, at) =>
          at >= end - bytes && at < end ? byte ^ 255 : byte,
        );
        expect(judged(made, torn)).toEqual({ decay: false, rows: made.rows - 1 });
      }),
      { numRuns: 20 },
    );
  });

  test("finds any byte that decayed before the newest commit, or none of it is lost", () => {
    const made = written("decay", 6);
    const end = endOf(made.log);
    let found = 0;
    fc.assert(
      fc.property(fc.nat(end - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const bytes = new Uint8Array(made.log);
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        const { decay, rows } = judged(made, bytes);
        if (decay) found++;
        else expect(rows).toBeGreaterThanOrEqual(made.rows - 1);
      }),
      {
        numRuns: 120,
        examples: [
          [24, 1],
          [40, 1],
          [4_000, 1],
        ],
      },
    );
    expect(found).toBeGreaterThan(60);
  });
});

/** Where this round's frames end: the earlier round's have other salts. */
function endOf(log: Uint8Array): number {
  const view = new DataView(log.buffer, log.byteOffset);
  const size = 24 + view.getUint32(8);
  let at = 32;
  while (at + size <= log.length && view.getUint32(at + 8) === view.getUint32(16)) at += size;
  return at;
}
