import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { OperationalError } from "../base/operational-error.ts";
import { GroupCommit } from "./group-commit.ts";
import { ManualClock } from "./manual-clock.ts";
import { openDatabase } from "./sqlite.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-commit-"));
afterAll(() => rmSync(directory, { recursive: true }));
const migrations = ["CREATE TABLE item (id INTEGER PRIMARY KEY) STRICT"];
let files = 0;

function setUp(limits: { readonly itemsMax?: number; readonly bytesMax?: number } = {}) {
  const database = openDatabase(join(directory, `${files++}.db`), { migrations });
  const clock = new ManualClock();
  const seen = { applied: [] as number[], rollbacks: 0 };
  const insert = database.prepare("INSERT INTO item VALUES (?)");
  const commits = new GroupCommit<number, string>({
    database,
    clock,
    apply: (id) => {
      seen.applied.push(id);
      insert.run(id);
      return `row ${id}`;
    },
    rolledBack: () => {
      seen.rollbacks++;
    },
    waitMs: 5,
    itemsMax: limits.itemsMax ?? 100,
    bytesMax: limits.bytesMax ?? 1_000,
  });
  const stored = () => database.prepare("SELECT id FROM item ORDER BY id").pluck().all();
  return { database, clock, commits, seen, stored };
}

describe("GroupCommit", () => {
  it("commits all that came within the wait, in order, and answers after it", async () => {
    const { clock, commits, seen, stored } = setUp();
    const both = Promise.all([commits.add(1, 10), commits.add(2, 10)]);
    await clock.advance(4);
    expect(seen.applied).toEqual([]);
    await clock.advance(1);
    expect(await both).toEqual(["row 1", "row 2"]);
    expect(stored()).toEqual([1, 2]);
    expect(clock.sleeperCount).toBe(0);
    const third = commits.add(3, 10);
    await clock.advance(5);
    expect(await third).toBe("row 3");
  });

  it("does not wait past its maximum of items or of bytes", async () => {
    const { clock, commits, stored } = setUp({ itemsMax: 3, bytesMax: 50 });
    const three = [commits.add(1, 1), commits.add(2, 1), commits.add(3, 1)];
    expect(stored()).toEqual([1, 2, 3]);
    const one = commits.add(4, 49);
    expect(stored()).toEqual([1, 2, 3]);
    const two = commits.add(5, 1);
    expect(stored()).toEqual([1, 2, 3, 4, 5]);
    await Promise.all([...three, one, two, commits.add(6, 1_000_000)]);
    expect(clock.sleeperCount).toBe(0);
  });

  it("rejects a poison item alone, and its neighbours share one commit", async () => {
    const { database, clock, commits, seen, stored } = setUp();
    database.exec("INSERT INTO item VALUES (2)");
    const all = Promise.allSettled([1, 2, 3].map((id) => commits.add(id, 1)));
    await clock.advance(5);
    const [first, second, third] = await all;
    expect(first).toEqual({ status: "fulfilled", value: "row 1" });
    expect(second).toMatchObject({ status: "rejected", reason: { code: /CONSTRAINT/ } });
    expect(third).toEqual({ status: "fulfilled", value: "row 3" });
    expect(stored()).toEqual([1, 2, 3]);
    expect(seen).toEqual({ applied: [1, 2, 1, 2, 3], rollbacks: 2 });
  });

  it("rejects the whole batch once where the disk is full, and recovers", async () => {
    const { database, clock, commits, seen, stored } = setUp();
    const pages = Number(database.pragma("page_count", { simple: true }));
    database.pragma(`max_page_count = ${pages}`);
    const ids = Array.from({ length: 99 }, (_, i) => 1_000_000_000_000 + i * 7);
    const settled = Promise.allSettled(
      Array.from({ length: 1500 }, (_, i) => commits.add(i * 1_000_003, 0)),
    );
    await clock.advance(5);
    const outcomes = await settled;
    const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(rejected.length).toBeGreaterThan(0);
    expect(rejected[0]).toMatchObject({ reason: { code: "DISK_FULL" } });
    const fulfilled = outcomes.length - rejected.length;
    expect(stored()).toHaveLength(fulfilled);
    expect(seen.rollbacks).toBe(rejected.length / 100);
    database.pragma("max_page_count = 1000000");
    const after = Promise.all(ids.map((id) => commits.add(id, 0)));
    await clock.advance(5);
    expect(await after).toHaveLength(99);
  });

  it("rejects the whole batch where another process holds the lock", async () => {
    const { database, clock, commits, stored } = setUp();
    database.pragma("busy_timeout = 1");
    const other = openDatabase(database.name);
    other.exec("BEGIN IMMEDIATE");
    const both = Promise.allSettled([commits.add(1, 1), commits.add(2, 1)]);
    await clock.advance(5);
    for (const outcome of await both)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "DATABASE_BUSY" } });
    other.close();
    expect(stored()).toEqual([]);
  });

  it("commits what waits when it closes, and takes nothing more", async () => {
    const { clock, commits, stored } = setUp();
    const last = commits.add(1, 1);
    commits.close();
    expect(await last).toBe("row 1");
    expect(stored()).toEqual([1]);
    await expect(commits.add(2, 1)).rejects.toMatchObject({ code: "DATABASE_CLOSED" });
    await expect(commits.add(2, 1)).rejects.toBeInstanceOf(OperationalError);
    expect(clock.sleeperCount).toBe(0);
  });

  it("refuses a database that is not durable", () => {
    const { database, clock } = setUp();
    database.pragma("synchronous = OFF");
    const limits = { waitMs: 0, itemsMax: 1, bytesMax: 1 };
    expect(() => new GroupCommit({ database, clock, apply: () => undefined, ...limits })).toThrow(
      expect.objectContaining({ code: "DATABASE_NOT_DURABLE" }),
    );
  });
});

describe("kill -9", () => {
  const here = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));
  const program = (file: string) => `
    import { GroupCommit } from ${here("group-commit.ts")};
    import { openDatabase } from ${here("sqlite.ts")};
    import { SystemClock } from ${here("system-clock.ts")};
    import { writeSync } from "node:fs";
    const database = openDatabase(${JSON.stringify(file)}, { migrations: ${JSON.stringify(migrations)} });
    const insert = database.prepare("INSERT INTO item VALUES (?)");
    const commits = new GroupCommit({ database, clock: new SystemClock(), apply: (id) => insert.run(id),
      waitMs: 1, itemsMax: 64, bytesMax: 1e6 });
    let next = Number(database.prepare("SELECT coalesce(max(id), 0) FROM item").pluck().get());
    for (;;) await Promise.all(Array.from({ length: 100 }, async () => {
      const id = ++next; await commits.add(id, 8); writeSync(1, id + "\\n"); }));`;

  it("loses nothing that was acknowledged, ten times over", { timeout: 300_000 }, async () => {
    const file = join(directory, "crash.db");
    const acknowledged: number[] = [];
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program(file)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      let chunks = 0;
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (++chunks === 1 + 7 * round) child.kill("SIGKILL");
      });
      await once(child, "close");
      const lines = text.split("\n");
      // The last line may be cut off: only a whole one is an acknowledgement.
      const ids = lines.slice(0, -1).map(Number);
      expect(ids.length).toBeGreaterThan(0);
      acknowledged.push(...ids);
      const database = openDatabase(file, { migrations });
      const stored = new Set(database.prepare("SELECT id FROM item").pluck().all());
      database.close();
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    }
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
  });
});
