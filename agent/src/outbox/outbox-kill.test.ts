/** kill -9 at random instants: what was promised is there, and no sequence is used twice. */

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, expect, test } from "vitest";
import { assertOutboxCovers } from "./coverage.ts";
import type { WhenFull } from "./outbox.ts";
import { missingOf } from "./outbox-space.ts";
import { OutboxTestBed, readingsOf } from "./outbox-test-bed.ts";

const child = fileURLToPath(new URL("outbox-kill-child.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "tamga-kill-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a child until it has written `lines` lines, then kills it. All whole lines it wrote. */
async function killedAfter(lines: number, place: string, policy: WhenFull, quota: number) {
  const worker = spawn(process.execPath, [child, place, policy, String(quota)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
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
  return said.filter((line) => /^[JS] [0-9a-f]{32} \d+ [0-9a-f]{16}$/.test(line));
}

test.each([
  { policy: "stop", quota: 64 * 1_024 * 1_024, rounds: 5 },
  { policy: "shed-oldest", quota: 1_048_576, rounds: 4 },
  { policy: "thin", quota: 1_048_576, rounds: 3 },
] as const)("survives kill -9 with when_full = $policy", { timeout: 300_000 }, async (part) => {
  const { policy, quota, rounds } = part;
  const place = mkdtempSync(join(directory, "outbox-"));
  const promised = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    const lines = await killedAfter(randomInt(20, 4_000), place, policy, quota);
    for (const line of lines) {
      const [kind = "", incarnation = "", sequence = "", digest = ""] = line.split(" ");
      const key = `${kind} ${incarnation} ${sequence}`;
      // A sequence that was given away never means anything else.
      expect(promised.get(key) ?? digest).toBe(digest);
      promised.set(key, digest);
    }
    const bed = await OutboxTestBed.create(
      { quota, whenFull: policy, maxCount: 16 },
      { directory: place },
    );
    try {
      assertOutboxCovers(bed.database);
      expect(bed.countedBytes({ maxCount: 16 })).toBe(bed.outbox.status().usedBytes);
      const stored = bed.database.prepare<[], number>("SELECT used FROM meta").pluck().get();
      expect(stored).toBe(bed.outbox.status().usedBytes);
      expectPromises(bed, promised);
      if (policy === "stop") expectNoneLost(bed, promised);
    } finally {
      bed.outbox.close();
      bed.database.close();
    }
  }
  expect(promised.size).toBeGreaterThan(20);
});

/** With space left, no reading that was promised is ever listed as missing. */
function expectNoneLost(bed: OutboxTestBed, promised: ReadonlyMap<string, string>): void {
  const lost: { readonly incarnation: string; readonly from: number; readonly to: number }[] = [];
  const waiting = bed.database
    .prepare<[], { incarnation: Uint8Array; from: number; to: number }>(
      `SELECT incarnation, first AS "from", first + count AS "to" FROM gap
       JOIN run ON run.id = gap.run`,
    )
    .all();
  for (const row of waiting) lost.push({ ...row, incarnation: toHex(row.incarnation) });
  const stated = bed.database
    .prepare<[], { incarnation: Uint8Array; kind: number; bytes: Uint8Array }>(
      `SELECT incarnation, kind, bytes FROM statement JOIN run ON run.id = statement.run
       WHERE kind = 1`,
    )
    .all();
  for (const row of stated) {
    for (const { interval } of missingOf(row)) {
      lost.push({ ...interval, incarnation: toHex(row.incarnation) });
    }
  }
  for (const key of promised.keys()) {
    const [kind, incarnation, sequence] = key.split(" ");
    if (kind !== "J") continue;
    const at = Number(sequence);
    const missing = lost.find(
      (gap) => gap.incarnation === incarnation && gap.from <= at && at < gap.to,
    );
    expect(missing).toBeUndefined();
  }
}

/** What is still here has the content that was promised; what is not has been given up on record. */
function expectPromises(bed: OutboxTestBed, promised: ReadonlyMap<string, string>): void {
  const held = new Map<string, string>();
  const digest = (bytes: Uint8Array) => toHex(nodeCrypto.sha256(bytes)).slice(0, 16);
  const next = new Map<string, number>();
  const runs = bed.database
    .prepare<[], { id: number; incarnation: Uint8Array; next: number }>("SELECT * FROM run")
    .all();
  for (const run of runs) {
    const incarnation = toHex(run.incarnation);
    next.set(incarnation, run.next);
    const journal = bed.database
      .prepare<[number], { sequence: number; bytes: Uint8Array }>(
        "SELECT sequence, bytes FROM journal WHERE run = ?",
      )
      .all(run.id);
    for (const { sequence, bytes } of journal)
      held.set(`J ${incarnation} ${sequence}`, digest(bytes));
  }
  for (const statement of bed.outbox.nextToSend({ room: 1_000_000 })) {
    const incarnation = toHex(statement.incarnation);
    held.set(`S ${incarnation} ${statement.range.first}`, digest(statement.bytes));
    for (const [i, bytes] of readingsOf(statement.message.body).entries()) {
      held.set(`J ${incarnation} ${Number(statement.range.first) + i}`, digest(bytes));
    }
  }
  let compared = 0;
  for (const [key, value] of promised) {
    const [, incarnation = "", sequence = ""] = key.split(" ");
    const end = next.get(incarnation);
    // A run of which all is final is forgotten; of any other every sequence is covered.
    if (end !== undefined) expect(Number(sequence)).toBeLessThan(end);
    const here = held.get(key);
    if (here === undefined) continue;
    expect(here).toBe(value);
    compared++;
  }
  expect(compared).toBeGreaterThan(0);
  expect(present(runs.at(-1), "run").next).toBeGreaterThan(0);
}
