import { expect, test } from "vitest";
import { judgeCommits, judgeDurability } from "./bench-site.ts";

test("a gateway that does not sync its commits is not measured", () => {
  const of = (journal: string, synchronous: number) =>
    judgeDurability({ journal, synchronous, commits: 0 });
  expect(of("wal", 2)).toBeUndefined();
  expect(of("wal", 3)).toBeUndefined();
  expect(of("wal", 1)).toContain("synchronous 1");
  expect(of("wal", 0)).toContain("synchronous 0");
  expect(of("memory", 2)).toContain("journal memory");
});

test("commits that came faster than the disk syncs are not believed", () => {
  const sync = { medianMs: 2, minMs: 1 };
  expect(judgeCommits(100, { ms: 100, sync })).toBeUndefined();
  expect(judgeCommits(101, { ms: 100, sync })).toBe(
    "101 commits in 100 ms, where this disk needs 101 ms at the least",
  );
  expect(judgeCommits(0, { ms: 0, sync })).toBeUndefined();
});
