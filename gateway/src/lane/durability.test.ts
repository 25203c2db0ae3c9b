import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { admission, openLane } from "./lane-fixture.ts";

test("a lane says how its own connection commits, and counts its commits", () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-durability-"));
  try {
    const lane = openLane(join(directory, "lane.db"));
    expect(lane.durability()).toEqual({ journal: "wal", synchronous: 2, commits: 0 });
    lane.admit([admission({ first: 0 }), admission({ first: 1 })]);
    lane.admit([]);
    expect(lane.durability().commits).toBe(1);
    lane.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
