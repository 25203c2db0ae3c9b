/** kill -9 at random instants: every vote that was committed is there, or below a floor that stands. */

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { digestOf } from "../../../test/support/consensus-samples.ts";
import { toHex } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { SqliteVoteStore } from "./sqlite-vote-store.ts";

const child = fileURLToPath(new URL("../../../test/support/vote-kill-child.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "tamga-vote-kill-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the child until it has written so many lines, then kills it. All whole lines that it wrote. */
async function killedAfter(lines: number): Promise<readonly string[]> {
  const worker = spawn(process.execPath, [child, directory], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  worker.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: worker.stdout })) {
    said.push(line);
    if (said.length === lines) worker.kill("SIGKILL");
  }
  expect(errors).toBe("");
  return said.filter((line) => /^(V [0-9a-f]{64} \d+ [0-9a-f]{64}|F [0-9a-f]{64} \d+)$/.test(line));
}

test("committed votes survive kill -9", { timeout: 120_000 }, async () => {
  const votes = new Map<string, string>();
  const floors = new Map<string, number>();
  let compared = 0;
  for (let round = 0; round < 6; round++) {
    for (const line of await killedAfter(randomInt(10, 600))) {
      const [kind, channel = "", view = "", digest = ""] = line.split(" ");
      if (kind === "V") votes.set(`${channel} ${view}`, digest);
      else floors.set(channel, Number(view));
    }
    const store = SqliteVoteStore.open(join(directory, "votes.db"), nodeCrypto);
    for (const channel of ["a", "b", "c"].map(digestOf)) {
      const name = toHex(channel);
      const { rows, blocks, floor } = store.load(channel);
      expect(floor.view).toBeGreaterThanOrEqual(floors.get(name) ?? 0);
      const held = new Map(rows.map((row) => [row.view, row.notarized?.digest]));
      const bodies = new Set(blocks.map(({ header }) => header.view));
      for (const [vote, digest] of votes) {
        const [of = "", view = ""] = vote.split(" ");
        if (of !== name || Number(view) <= floor.view) continue;
        expect(toHex(held.get(Number(view)) ?? new Uint8Array())).toBe(digest);
        expect(bodies.has(Number(view))).toBe(true);
        compared++;
      }
    }
    store.close();
  }
  expect(compared).toBeGreaterThan(0);
});
