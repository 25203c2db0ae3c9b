/** A channel whose old blocks are gone: checked whole from a snapshot, and what decayed is found. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { present } from "../base/assert.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { snapshotsKeptMax } from "./limits.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { verifyDatabase } from "./sqlite-snapshots.ts";

const { signal } = new AbortController();
const corrupt = expect.objectContaining({ code: "DATABASE_CORRUPT" });
let directory: string;
let consortium: LedgerConsortium;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-snapshot-"));
  consortium = new LedgerConsortium(directory, 4);
  for (const index of consortium.members.keys()) await consortium.open(index);
  await allSealed(consortium.ledgerOf(0));
});
afterEach(async () => {
  await consortium.closeAll();
  rmSync(directory, { recursive: true });
});

async function order(count: number): Promise<void> {
  const ledger = consortium.ledgerOf(0);
  for (let i = 0; i < count; i++) {
    const gateway = consortium.site.gateway(`gateway-${ledger.status().size}`);
    const submitted = await ledger.submit(gateway.open(ledger.channel.id), { signal });
    expect(submitted.ok).toBe(true);
  }
}

/** Checks the first member's database after some SQL of somebody else. */
function verify(sql?: string): void {
  const path = join(present(consortium.members[0], "member").directory, "ledger.db");
  const db = openDatabase(path);
  try {
    db.transaction(() => {
      if (sql !== undefined) db.exec(sql);
      verifyDatabase(SqliteChannel.open(db, nodeCrypto), nodeCrypto);
      throw new Error("undone");
    })();
  } catch (error) {
    if (!(error instanceof Error) || error.message !== "undone") throw error;
  } finally {
    db.close();
  }
}

function snapshotCount(): unknown {
  const path = join(present(consortium.members[0], "member").directory, "ledger.db");
  const db = openDatabase(path);
  try {
    return db.prepare("SELECT count(*) FROM channel_snapshot").pluck().get();
  } finally {
    db.close();
  }
}

it("verifies a channel whole, pruned or not, over a change of validators, and finds what decayed", async () => {
  await order(2);
  verify();
  const ledger = consortium.ledgerOf(0);
  const changed = await ledger.submit(consortium.change([3, 2, 1, 0], 1), { signal });
  expect(changed.ok).toBe(true);
  await order(1);
  const first = present(ledger.entry(1n), "leaf 1");
  for (let i = 0; i <= snapshotsKeptMax; i++) {
    await order(1);
    ledger.snapshot();
  }
  const below = ledger.height;
  expect(snapshotCount()).toBe(snapshotsKeptMax);
  await order(2);
  ledger.prune(below);
  verify();
  // Nothing that a receipt needs is gone.
  expect(ledger.entry(1n)).toEqual(first);
  expect(ledger.inclusion(1n, present(ledger.sealed(), "seal").size).length).toBeGreaterThan(0);
  for (const sql of [
    "DELETE FROM channel_snapshot",
    "UPDATE channel_snapshot SET content = zeroblob(9)",
    "UPDATE channel_statement SET idx = idx + 1 WHERE idx = 1",
    "UPDATE channel_lane SET size = size + 1",
    `DELETE FROM chain_block WHERE height = ${below + 1}`,
    `UPDATE chain_block SET frame = (SELECT frame FROM chain_block WHERE height = ${below})`,
    "DELETE FROM channel_evidence WHERE idx = (SELECT max(idx) FROM channel_evidence)",
  ])
    expect(() => verify(sql), sql).toThrow(corrupt);
  await order(1);
  verify();
  // Pruned up to a block that no snapshot was taken after: one is taken.
  ledger.prune(ledger.height);
  await order(1);
  verify();
});
