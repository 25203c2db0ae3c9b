/** What is the one-validator ledger's own: its crash points, its own disk, and a channel opened anew. */

import { copyFileSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import type { TestGateway } from "../../../test/support/ledger-site.ts";
import { LedgerSite, signStatement, site } from "../../../test/support/ledger-site.ts";
import { soon } from "../../../test/support/soon.ts";
import { present } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import { blockTransactionsMax } from "../consensus/limits.ts";
import { ManualClock } from "../daemon/manual-clock.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import type { Clock } from "../daemon/system-clock.ts";
import { SystemClock } from "../daemon/system-clock.ts";
import { sealsOf } from "../receipt/seal-evidence.ts";
import { verifySeal } from "../receipt/verify-seal.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { Ledger, SealedCheckpoint } from "./ledger.ts";
import { blockWaitMs } from "./limits.ts";
import type { SoloLedger } from "./open-solo-ledger.ts";
import { openSoloLedger } from "./open-solo-ledger.ts";
import { reopenChannel } from "./reopen-channel.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import type { ValidatorKey } from "./validator-key.ts";
import { loadOrCreateValidatorKey } from "./validator-key.ts";

const { signal } = new AbortController();
const owner = new LedgerSite();
let directory: string;
let path: string;
let validatorKey: ValidatorKey;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-solo-"));
  path = join(directory, "ledger.db");
  validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const code = (value: string) => expect.objectContaining({ code: value });

const votesPath = () => join(directory, "votes.db");

function open(clock: Clock = new SystemClock()): Promise<SoloLedger> {
  const openChannel = () => owner.openChannel(validatorKey.publicKey);
  const parts = { crypto: nodeCrypto, clock, validatorKey, openChannel };
  return openSoloLedger({ path, votesPath: votesPath(), ...parts });
}

async function order(ledger: Ledger, transaction: Transaction): Promise<bigint> {
  const submitted = await ledger.submit(transaction, { signal });
  if (!submitted.ok) throw new Error(submitted.fault.code);
  return submitted.value.index;
}

function nextHead(ledger: Ledger, gateway: TestGateway): Transaction {
  gateway.grow();
  const last = present(ledger.lane(gateway.name), "open lane").head;
  return gateway.head(ledger.revocations().head, last);
}

/** Runs SQL in the ledger's file as somebody else. */
function meddle(sql: string): void {
  const db = new SqliteDatabase(path);
  db.exec(sql);
  db.close();
}

describe("crash points of the one-validator ledger", () => {
  it("seals at open what was committed and not yet sealed, with the very same bytes", async () => {
    let ledger = await open();
    await order(ledger, owner.gateway("a").open(ledger.channel.id));
    const sealed = ledger.sealed();
    await ledger.close();
    meddle("DELETE FROM channel_sealed");
    ledger = await open();
    expect(ledger.sealed()).toEqual(sealed);
    await ledger.close();
  });

  it("opens the channel once, whatever happened before its first leaf was durable", async () => {
    openDatabase(path).close();
    let ledger = await open();
    const { id } = ledger.channel;
    await ledger.close();
    ledger = await open();
    expect(equal(ledger.channel.id, id)).toBe(true);
    await ledger.close();
  });

  it("has nothing in memory that its disk did not take, and goes on once it is opened again", async () => {
    const ledger = await open();
    const gateway = owner.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    meddle(`CREATE TRIGGER refuse BEFORE INSERT ON channel_block
      BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    const transaction = nextHead(ledger, gateway);
    await expect(ledger.submit(transaction, { signal })).rejects.toThrow("refused");
    expect(ledger.lane(gateway.name)?.head.size).toBe(1n);
    expect(ledger.status()).toMatchObject({ size: 2, pendingTransactions: 0 });
    meddle("DROP TRIGGER refuse");
    await expect(ledger.submit(transaction, { signal })).rejects.toThrow("refused");
    await ledger.close();
    const again = await open();
    expect(await order(again, transaction)).toBe(2n);
    expect(again.lane(gateway.name)?.head.size).toBe(2n);
    await again.close();
  });

  it("orders nothing more once its tables are not what it knew", async () => {
    const ledger = await open();
    const gateway = owner.gateway("a");
    const transaction = gateway.open(ledger.channel.id);
    meddle("ALTER TABLE channel_lane RENAME TO channel_lost");
    await expect(ledger.submit(transaction, { signal })).rejects.toThrow("channel_lane");
    meddle("ALTER TABLE channel_lost RENAME TO channel_lane");
    await expect(ledger.submit(transaction, { signal })).rejects.toThrow("channel_lane");
    await ledger.close();
    const again = await open();
    expect(await order(again, transaction)).toBe(1n);
    await again.close();
  });

  it("orders again what it had voted for when the power went before the block was stored", async () => {
    let ledger = await open();
    const gateway = owner.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await ledger.close();
    copyFileSync(path, `${path}.before`);
    ledger = await open();
    const transaction = nextHead(ledger, gateway);
    const index = await order(ledger, transaction);
    const sealed = ledger.sealed();
    const votes = new SqliteDatabase(votesPath(), { readonly: true });
    await votes.backup(`${votesPath()}.cut`);
    votes.close();
    await ledger.close();
    renameSync(`${path}.before`, path);
    renameSync(`${votesPath()}.cut`, votesPath());
    ledger = await open();
    expect(await order(ledger, transaction)).toBe(index);
    expect(ledger.sealed()).toMatchObject({ size: sealed?.size, root: sealed?.root });
    await ledger.close();
  });

  it("refuses a ledger database that its votes have left behind, and one without votes", async () => {
    let ledger = await open();
    const gateway = owner.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await ledger.close();
    copyFileSync(path, `${path}.old`);
    ledger = await open();
    for (let i = 0; i < 3; i++) await order(ledger, nextHead(ledger, gateway));
    await ledger.close();
    renameSync(`${path}.old`, path);
    await expect(open()).rejects.toThrow(code("LEDGER_ROLLED_BACK"));
    rmSync(votesPath());
    await expect(open()).rejects.toThrow(code("VOTES_LOST"));
  });

  it("answers what is not valid at once, and makes no block of it", async () => {
    const clock = new ManualClock(1_750_000_000_000);
    const ledger = await open(clock);
    const opened = order(ledger, owner.gateway("a").open(ledger.channel.id));
    await clock.advance(blockWaitMs);
    await opened;
    const { finalHeight } = ledger.sight();
    const stranger = owner.gateway("stranger");
    const head = { size: 1n, root: nodeCrypto.sha256(Uint8Array.of(1)) };
    const revocations = ledger.revocations().head;
    const refused = ledger.submit(stranger.sayHead({ head, revocations }), { signal });
    await clock.advance(blockWaitMs);
    expect(await refused).toMatchObject({ fault: { code: "LANE_UNKNOWN" } });
    expect(ledger.sight().finalHeight).toBe(finalHeight);
    await ledger.close();
  });

  it("says that it is unavailable while another process holds its file", async () => {
    const ledger = await open();
    const transaction = owner.gateway("a").open(ledger.channel.id);
    const other = new SqliteDatabase(path);
    other.exec("BEGIN IMMEDIATE");
    expect(await ledger.submit(transaction, { signal })).toEqual({
      ok: false,
      fault: { code: "LEDGER_UNAVAILABLE", cause: "DATABASE_BUSY" },
    });
    other.exec("ROLLBACK");
    other.close();
    const index = await vi.waitFor(() => order(ledger, transaction), soon);
    expect(index).toBe(1n);
    await ledger.close();
  });
});

describe("seals of the one validator", () => {
  it("never go back in time, and say whose they are", async () => {
    const clock = new ManualClock(1_750_000_000_000);
    const ledger = await open(clock);
    expect(ledger.status()).toMatchObject({ trust: "1 of 1 organisations", quorum: 1 });
    const gateway = owner.gateway("a");
    for (const now of [1_750_000_100_000, 1_000, 1_750_000_050_000]) {
      clock.stepTo(now);
      const submitted = gateway.lane.size === 0 ? gateway.open(ledger.channel.id) : undefined;
      const done = order(ledger, submitted ?? nextHead(ledger, gateway));
      await clock.advance(10);
      await done;
      expect(ledger.status().sealedAt).toBe(1_750_000_100_000);
      const seal = present(ledger.sealed(), "seal");
      const seals = sealsOf(nodeCrypto, ledger.trustPolicy, seal);
      const verified = verifySeal(nodeCrypto, ledger.trustPolicy, { ...seal, seals });
      expect(verified.ok && verified.value.organisations).toEqual([site.organisation]);
    }
    await ledger.close();
  });

  it("are refused over a log that is no continuation of what was promised", async () => {
    const ledger = await open();
    await order(ledger, owner.gateway("a").open(ledger.channel.id));
    await ledger.close();
    meddle("UPDATE channel_promise SET size = 3 WHERE size = 2");
    await expect(open()).rejects.toThrow(code("SEAL_INCONSISTENT"));
    meddle("UPDATE channel_promise SET size = 2, root = zeroblob(32) WHERE size = 3");
    meddle("DELETE FROM channel_sealed");
    await expect(open()).rejects.toThrow(code("SEAL_INCONSISTENT"));
  });

  it("need the key that the channel was opened with, and a channel of one validator", async () => {
    const ledger = await open();
    await ledger.close();
    validatorKey = loadOrCreateValidatorKey(join(directory, "other.key"));
    await expect(open()).rejects.toThrow(code("VALIDATOR_KEY_MISMATCH"));
    const { publicKey } = validatorKey;
    const openChannel = () => owner.openChannel(publicKey, createKey("EdDSA").spki.subarray(-32));
    const parts = { crypto: nodeCrypto, clock: new SystemClock(), validatorKey, openChannel };
    const options = { ...parts, path: `${path}.2`, votesPath: votesPath() };
    await expect(openSoloLedger(options)).rejects.toThrow(code("LEDGER_NOT_SOLO"));
  });
});

describe("a channel of the release whose one validator ran no consensus", () => {
  /** Leaves what that release left: its tables, one row that promised a seal, and no votes. */
  async function leave(): Promise<Pick<SealedCheckpoint, "size" | "note">> {
    const ledger = await open();
    const gateway = owner.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await order(ledger, nextHead(ledger, gateway));
    const sealed = present(ledger.sealed(), "seal");
    await ledger.close();
    meddle(`
      CREATE TABLE channel_seal (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL,
        root BLOB NOT NULL, time_seconds INTEGER NOT NULL, note TEXT) STRICT;
      INSERT INTO channel_seal SELECT 1, size, root, time_seconds, 'note' FROM channel_promise
        ORDER BY size DESC LIMIT 1;
      DROP TABLE channel_promise; DROP TABLE channel_sealed; DROP TABLE chain_block;
      DROP TABLE chain_boundary; DROP TABLE chain_pruned;`);
    rmSync(votesPath());
    return sealed;
  }

  it("goes on with its log and gives the very same seal", async () => {
    const sealed = await leave();
    let ledger = await open();
    expect(ledger.sealed()).toEqual(sealed);
    const revoked = owner.revoke(nodeCrypto.sha256(Uint8Array.of(1)));
    expect(await order(ledger, revoked)).toBe(sealed.size);
    await ledger.close();
    ledger = await open();
    expect(ledger.status()).toMatchObject({ size: 4, sealedSize: 4, lanes: 1, revokedKeys: 1 });
    await ledger.close();
  });

  it("takes the last block's time for its own where the clock has gone back", async () => {
    const { size } = await leave();
    meddle("UPDATE channel_block SET time = 1800000000000 WHERE first = 2");
    const clock = new ManualClock(1_000);
    const ledger = await open(clock);
    const ordered = order(ledger, owner.revoke(nodeCrypto.sha256(Uint8Array.of(1))));
    await clock.advance(blockWaitMs);
    expect(await ordered).toBe(size);
    await ledger.close();
  });

  it("is held to what that release had promised", async () => {
    await leave();
    meddle("UPDATE channel_seal SET size = 9");
    await expect(open()).rejects.toThrow(code("SEAL_INCONSISTENT"));
  });
});

describe("the stored channel", () => {
  it("holds at most so many transactions in a block, and replays to the state that it stores", async () => {
    const ledger = await open();
    const count = blockTransactionsMax + 20;
    const kids = Array.from({ length: count }, (_, i) =>
      nodeCrypto.sha256(Uint8Array.of(i, i >> 8)),
    );
    await Promise.all(kids.map((kid) => order(ledger, owner.revoke(kid))));
    const gateway = owner.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await order(ledger, nextHead(ledger, gateway));
    await ledger.close();
    const db = openDatabase(path);
    const channel = SqliteChannel.open(db, nodeCrypto);
    expect(Math.max(...channel.rows.blocks().map((block) => block.count))).toBe(
      blockTransactionsMax,
    );
    channel.verifyAll();
    db.exec("UPDATE channel_lane SET size = size + 1");
    expect(() => channel.verifyAll()).toThrow(code("DATABASE_CORRUPT"));
    db.exec("UPDATE channel_lane SET size = size - 1");
    db.exec("UPDATE channel_statement SET idx = 9 WHERE idx = 5");
    expect(() => channel.verifyAll()).toThrow(code("DATABASE_CORRUPT"));
    db.close();
  });

  it("is refused when its blocks and its log do not end together", async () => {
    const ledger = await open();
    await ledger.close();
    meddle("DELETE FROM channel_block");
    await expect(open()).rejects.toThrow(code("DATABASE_CORRUPT"));
  });
});

describe("the one validator's node", () => {
  it("takes no other validators, whom it could not reach", async () => {
    const ledger = await open();
    const signer = { issuer: owner.organisation, key: owner.caKey };
    const statement = signStatement(signer, "validators", new Map());
    const transaction = { statement, consistency: [], certificates: [] };
    expect(await ledger.submit(transaction, { signal })).toEqual({
      ok: false,
      fault: { code: "TRANSACTION_TYPE_REFUSED", type: "validators" },
    });
    await ledger.close();
  });
});

describe("a channel opened anew", () => {
  const reopen = (knownHead?: { size: bigint; root: ReturnType<typeof nodeCrypto.sha256> }) =>
    reopenChannel({
      path,
      crypto: nodeCrypto,
      clock: new SystemClock(),
      validatorKey,
      organisation: site.organisation,
      signer: owner.signer,
      ...(knownHead === undefined ? {} : { knownHead }),
    });

  it("names the old one and its last head, under another origin, and keeps the old file", async () => {
    const before = await open();
    await order(before, owner.gateway("a").open(before.channel.id));
    const last = present(before.sealed(), "seal");
    await before.close();
    const { id, keptAside } = await reopen();
    const after = await open();
    expect(after.channel.id).toEqual(id);
    expect(after.channel.origin).not.toBe(before.channel.origin);
    expect(after.status()).toMatchObject({ reopened: true, size: 1, lanes: 0 });
    // The new channel cannot know what the old one ordered last of a lane, so it takes either word.
    await order(after, owner.gateway("a").open(after.channel.id));
    const predecessor = { incarnation: new Uint8Array(16), head: last };
    await order(after, owner.gateway("b").open(after.channel.id, predecessor));
    await after.close();

    const kept = openDatabase(keptAside);
    const old = SqliteChannel.open(kept, nodeCrypto);
    expect(old.log.root()).toEqual(last.root);
    kept.close();
    const now = openDatabase(path);
    expect(SqliteChannel.open(now, nodeCrypto).genesis().claims.predecessor).toEqual({
      channelId: before.channel.id,
      head: { size: last.size, root: last.root },
    });
    now.close();
  });

  it("names a later head where one is known, and can be done again and again", async () => {
    await (await open()).close();
    copyFileSync(path, `${path}.new`);
    const knownHead = { size: 70n, root: nodeCrypto.sha256(Uint8Array.of(7)) };
    const first = await reopen(knownHead);
    const db = openDatabase(path);
    const { claims } = SqliteChannel.open(db, nodeCrypto).genesis();
    db.close();
    expect(claims.predecessor?.head).toEqual(knownHead);
    const second = await reopen();
    expect(second.keptAside).not.toBe(first.keptAside);
    expect(existsSync(first.keptAside)).toBe(true);
    expect(readdirSync(directory).filter((file) => file.endsWith("-wal"))).toEqual([]);
  });

  it("is refused where there is nothing to continue, or while it is open", async () => {
    await expect(reopen()).rejects.toThrow(code("LEDGER_MISSING"));
    const ledger = await open();
    await expect(reopen()).rejects.toThrow(code("DATABASE_BUSY"));
    await ledger.close();
  });
});
