/** kill -9 in the middle of admissions: all that was promised is there, and the log is whole. */

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { afterEach, beforeEach, expect, it } from "vitest";
import { admission, meter, openLane } from "./lane-fixture.ts";

const child = fileURLToPath(new URL("lane-child-fixture.ts", import.meta.url));
const kills = 8;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-lane-kill-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Runs the child until it has promised `lines` times, kills it, and returns its last promise. */
async function runAndKill(path: string, from: number, lines: number): Promise<number> {
  const running = spawn(process.execPath, [child, path, String(from)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(running, "close");
  let said = "";
  running.stdout.setEncoding("utf8");
  running.stdout.on("data", (text: string) => {
    said += text;
    if (said.split("\n").length > lines) running.kill("SIGKILL");
  });
  const [, signal] = await ended;
  expect(signal).toBe("SIGKILL");
  // A line cut by the kill was a promise too, if it was there at all.
  return Number(
    said
      .split("\n")
      .filter((line) => line !== "")
      .at(-1),
  );
}

it(`keeps every promise over ${kills} kills`, async () => {
  const path = join(directory, "lane.db");
  let promised = 0;
  for (let kill = 0; kill < kills; kill++) {
    const now = await runAndKill(path, promised, randomInt(1, 40));
    expect(now).toBeGreaterThan(promised);
    promised = now;
    const lane = openLane(path);
    const { incarnation } = admission({ first: 0 });
    expect(lane.missing(meter, incarnation, { first: 0n, count: promised })).toEqual([]);
    for (let sequence = 0n; sequence < BigInt(promised); sequence++) {
      const row = lane.find({ device: meter, incarnation, sequence });
      expect(row && lane.entry(row.leafIndex)).toEqual(
        admission({ first: Number(sequence) }).bytes,
      );
    }
    expect(lane.current.ordinal).toBe(1);
    lane.close();
    const db = openDatabase(path);
    SqliteLog.open(db, { prefix: "lane1", sha256: nodeCrypto.sha256 }).verifyAll();
    db.close();
  }
  expect(promised).toBeGreaterThan(kills * 8);
}, 60_000);
