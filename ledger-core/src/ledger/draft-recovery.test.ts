/** A recovery is drafted from what a member holds of the lost channel, and compared with it: each way to differ is refused. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { at } from "../../../test/support/consortium.ts";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { site } from "../../../test/support/ledger-site.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { digestOf } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { readRecovery } from "../receipt/recovery.ts";
import type { RecoveryClaims } from "../wire/recovery-claims.ts";
import { recoveryBasis, signRecovery, stateForRecovery } from "./draft-recovery.ts";
import { SqliteChannel } from "./sqlite-channel.ts";

const { signal } = new AbortController();
const codeOf = (code: string) => expect.objectContaining({ code });
let directory: string;
let consortium: LedgerConsortium;
let db: Database.Database;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-draft-recovery-"));
  consortium = new LedgerConsortium(directory, 1);
  await consortium.open(0);
  const ledger = consortium.ledgerOf(0);
  for (const gateway of ["g1", "g2", "g3"]) {
    const transaction = consortium.site.gateway(gateway).open(ledger.channel.id);
    expect((await ledger.submit(transaction, { signal })).ok).toBe(true);
  }
  await allSealed(ledger);
});
afterEach(async () => {
  db.close();
  await consortium.closeAll();
  rmSync(directory, { recursive: true });
});

/** The member's database once it is stopped for good. */
async function lost(): Promise<SqliteChannel> {
  await consortium.close(0);
  db = openDatabase(join(present(consortium.members[0], "member").directory, "ledger.db"));
  return SqliteChannel.open(db, nodeCrypto);
}

async function claimsOf(channel: SqliteChannel): Promise<RecoveryClaims> {
  const basis = recoveryBasis(channel);
  const { organisation } = site;
  const proof = await signRecovery({ crypto: nodeCrypto, signer: consortium.site.signer }, basis, {
    organisation,
    incarnation: new Uint8Array(16).fill(7),
    organisations: [{ name: organisation, ca: consortium.site.ca }],
    validators: basis.genesis.policy.validators,
    at,
  });
  return unwrap(readRecovery(proof)).claims;
}

describe("a draft", () => {
  test("agrees with the history that it was made from, and leads to the same state", async () => {
    const channel = await lost();
    const claims = await claimsOf(channel);
    const state = stateForRecovery(channel, { claims });
    expect(state.root()).toEqual(claims.block.stateRoot);
    expect(claims.head.size).toBe(BigInt(channel.log.size));
  });

  test("is made and compared from a snapshot where blocks were pruned", async () => {
    const ledger = consortium.ledgerOf(0);
    ledger.prune(ledger.height);
    const channel = await lost();
    const claims = await claimsOf(channel);
    expect(stateForRecovery(channel, { claims }).root()).toEqual(claims.block.stateRoot);
    const block = { ...claims.block, height: 1 };
    expect(() => stateForRecovery(channel, { claims: { ...claims, block } })).toThrow(
      codeOf("RECOVERY_STATE_GONE"),
    );
    db.exec("UPDATE channel_snapshot SET height = height + 1000");
    expect(() => recoveryBasis(channel)).toThrow(codeOf("RECOVERY_STATE_GONE"));
  });

  test.each([
    ["RECOVERY_NOT_SEALED", "DELETE FROM channel_sealed"],
    ["RECOVERY_BLOCK_GONE", "UPDATE chain_block SET certificate = NULL"],
    ["RECOVERY_BLOCK_GONE", "DELETE FROM chain_block"],
  ])("is refused where its proof is not here: %s, %s", async (code, sql) => {
    const channel = await lost();
    db.exec(sql);
    expect(() => recoveryBasis(channel)).toThrow(codeOf(code));
  });

  const twists: readonly [string, (claims: RecoveryClaims) => Partial<RecoveryClaims>][] = [
    ["RECOVERY_OTHER_CHANNEL", () => ({ lost: digestOf("another channel") })],
    [
      "RECOVERY_SEALED_LATER",
      ({ head }) => ({ head: { size: head.size - 1n, root: digestOf("a smaller log") } }),
    ],
    ["RECOVERY_STATE_BEHIND", ({ block }) => ({ block: { ...block, height: 1_000_000 } })],
    ["RECOVERY_STATE_DIFFERS", ({ block }) => ({ block: { ...block, digest: digestOf("block") } })],
    ["RECOVERY_STATE_DIFFERS", ({ head }) => ({ head: { ...head, root: digestOf("log") } })],
  ];
  test.each(twists)("of another history is refused: %s", async (code, twist) => {
    const channel = await lost();
    const claims = await claimsOf(channel);
    expect(() => stateForRecovery(channel, { claims: { ...claims, ...twist(claims) } })).toThrow(
      codeOf(code),
    );
  });

  test("is refused where the block here has decayed", async () => {
    const channel = await lost();
    const claims = await claimsOf(channel);
    db.exec("UPDATE chain_block SET frame = zeroblob(length(frame))");
    expect(() => stateForRecovery(channel, { claims })).toThrow(codeOf("DATABASE_CORRUPT"));
  });
});
