/** Nodes with their disks: crashes between two commits, lost votes, catching up, many channels in one. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import type { TestGateway } from "../../../test/support/ledger-site.ts";
import { LedgerSite } from "../../../test/support/ledger-site.ts";
import { soon } from "../../../test/support/soon.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { present } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { SystemClock } from "../daemon/system-clock.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import type { Ledger } from "./ledger.ts";
import { LedgerNode } from "./ledger-node.ts";
import { statementIdentity } from "./sqlite-channel.ts";
import { loadOrCreateValidatorKey } from "./validator-key.ts";

const { signal } = new AbortController();
const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-node-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

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

/** Runs SQL in a database as somebody else. */
function meddle(path: string, sql: string): void {
  const db = new SqliteDatabase(path);
  db.exec(sql);
  db.close();
}

/** What the engine knows a transaction by. */
function identityIn({ statement }: Transaction): string {
  return toHex(statementIdentity(nodeCrypto, unwrap(parseStatement(statement))));
}

const codeOf = (code: string) => expect.objectContaining({ code });

describe("four nodes", () => {
  let consortium: LedgerConsortium;
  beforeEach(() => {
    consortium = new LedgerConsortium(directory, 4);
  });
  afterEach(() => consortium.closeAll());

  const openAll = async () => {
    for (const index of consortium.members.keys()) await consortium.open(index);
    await allSealed(consortium.ledgerOf(0));
  };
  const isLevel = (index: number, size: number) =>
    vi.waitFor(() => {
      expect(consortium.ledgerOf(index).status()).toMatchObject({ size, sealedSize: size });
    }, soon);
  /** Whoever waits for votes has asked for them again and again. */
  const saidAgain = () => {
    const { frames } = consortium.network;
    return vi.waitFor(() => expect(consortium.network.frames).toBeGreaterThan(frames + 60), soon);
  };
  const pathOf = (index: number, file: string) =>
    join(present(consortium.members[index], "member").directory, file);

  it("agree on every leaf, wherever it was submitted", async () => {
    await openAll();
    const gateways = ["a", "b", "c", "d"].map((text) => consortium.site.gateway(text));
    await Promise.all(
      gateways.map(async (gateway, index) => {
        const ledger = consortium.ledgerOf(index);
        await order(ledger, gateway.open(ledger.channel.id));
        for (let i = 0; i < 4; i++) await order(ledger, nextHead(ledger, gateway));
      }),
    );
    for (const index of consortium.members.keys()) await isLevel(index, 21);
    const leaves = (ledger: Ledger) =>
      Array.from({ length: 21 }, (_, i) => ledger.entry(BigInt(i)));
    for (const index of [1, 2, 3])
      expect(leaves(consortium.ledgerOf(index))).toEqual(leaves(consortium.ledgerOf(0)));
  });

  it("order with one of them away, which catches up by certificates and blocks", async () => {
    await openAll();
    const ledger = consortium.ledgerOf(0);
    const gateway = consortium.site.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await consortium.close(3);
    for (let i = 0; i < 5; i++) await order(ledger, nextHead(ledger, gateway));
    await consortium.open(3);
    await isLevel(3, 7);
    const back = consortium.ledgerOf(3);
    expect(back.lane(gateway.name)?.head).toEqual(gateway.lane.head());
    await order(back, nextHead(back, gateway));
    await isLevel(0, 8);
  });

  it("freeze a lane at every one of them, whoever refused the head, by one proof in the log", async () => {
    await openAll();
    const ledger = consortium.ledgerOf(0);
    const revocations = ledger.revocations().head;
    const other = (gateway: TestGateway) => {
      const { size } = gateway.lane.head();
      const head = { size, root: nodeCrypto.sha256(gateway.kid) };
      return gateway.sayHead({ head, revocations });
    };
    const [a, b] = [consortium.site.gateway("a"), consortium.site.gateway("b")];
    for (const gateway of [a, b]) await order(ledger, gateway.open(ledger.channel.id));
    await order(ledger, nextHead(ledger, a));
    // Of a, a head beside the last head; of b, one beside its lane-open, which a hostile node spreads.
    const refused = await consortium.ledgerOf(1).submit(other(a), { signal });
    expect(refused).toMatchObject({ ok: false, fault: { code: "LANE_HEAD_INCONSISTENT" } });
    const hostile = other(b);
    const bytes = encodeTransaction(hostile);
    consortium.ledgerOf(2).shell.submit([{ id: identityIn(hostile), bytes }]);
    for (const index of consortium.members.keys())
      await vi.waitFor(() => {
        const each = consortium.ledgerOf(index);
        expect([a, b].map(({ name }) => each.lane(name)?.frozen)).toEqual([true, true]);
        expect(each.status()).toMatchObject({ size: 6, sealedSize: 6, frozenLanes: 2 });
      }, soon);
  });

  it("order nothing with two of them away, and go on when one is back", async () => {
    await openAll();
    await consortium.close(2);
    await consortium.close(3);
    const ledger = consortium.ledgerOf(0);
    const gateway = consortium.site.gateway("a");
    const submitted = order(ledger, gateway.open(ledger.channel.id));
    await saidAgain();
    expect(ledger.status()).toMatchObject({ size: 1, pendingTransactions: 1 });
    await consortium.open(2);
    expect(await submitted).toBe(1n);
  });

  it("sign nothing without their votes until all others have said what these were", async () => {
    await openAll();
    const ledger = consortium.ledgerOf(0);
    const gateway = consortium.site.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await isLevel(3, 2);
    await consortium.close(3);
    await consortium.close(2);
    for (const suffix of ["", "-wal", "-shm"])
      rmSync(pathOf(3, "votes.db") + suffix, { force: true });
    await consortium.open(3);
    const submitted = order(ledger, nextHead(ledger, gateway));
    await saidAgain();
    // Two of four vote: one is away, and one abstains for as long as that one does not answer.
    expect(ledger.status()).toMatchObject({ size: 2, pendingTransactions: 1 });
    expect(consortium.ledgerOf(3).consensus()).toMatchObject({ abstaining: true });
    await consortium.open(2);
    expect(await submitted).toBe(2n);
    await vi.waitFor(() => {
      expect(consortium.ledgerOf(3).consensus()).toMatchObject({ abstaining: false });
    }, soon);
    await isLevel(3, 3);
    // It abstains in the views in which it may have voted before: the others leave those without it.
    const { view } = present(ledger.consensus(), "engine");
    while (present(ledger.consensus(), "engine").finalView <= view + 1)
      await order(ledger, nextHead(ledger, gateway));
    // Its vote is needed again.
    await consortium.close(1);
    await order(ledger, nextHead(ledger, gateway));
  });

  it("take up their blocks, floors and seals wherever a crash came between two commits", async () => {
    await openAll();
    const ledger = consortium.ledgerOf(0);
    const gateway = consortium.site.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    for (let i = 0; i < 3; i++) await order(ledger, nextHead(ledger, gateway));
    for (const index of consortium.members.keys()) await isLevel(index, 5);
    const before = present(ledger.sealed(), "seal");
    await consortium.closeAll();
    // The seal was not stored any more, nor the floor raised.
    for (const index of [0, 1]) {
      meddle(pathOf(index, "ledger.db"), "DELETE FROM channel_sealed");
    }
    await openAll();
    await isLevel(0, 5);
    await isLevel(1, 5);
    const again = consortium.ledgerOf(0);
    const after = present(again.sealed(), "seal");
    expect(after.root).toEqual(before.root);
    await order(again, nextHead(again, gateway));
    const last = present(again.sealed(), "seal");
    const path = again.consistency(before.size, last.size);
    const claim = { size1: before.size, size2: last.size, root1: before.root, root2: last.root };
    expect(verifyConsistency(hasher, { ...claim, path }).ok).toBe(true);
  });

  it("say which database is damaged, and do not start on a guess", async () => {
    await openAll();
    const ledger = consortium.ledgerOf(0);
    const gateway = consortium.site.gateway("a");
    await order(ledger, gateway.open(ledger.channel.id));
    await consortium.closeAll();
    meddle(pathOf(1, "votes.db"), "UPDATE vote_channel SET floor_view = floor_view + 1");
    await expect(consortium.open(1)).rejects.toThrow(codeOf("VOTES_CORRUPT"));
    meddle(pathOf(2, "ledger.db"), "UPDATE channel_lane SET size = size + 1");
    await expect(consortium.open(2)).rejects.toThrow(codeOf("DATABASE_CORRUPT"));
  });
});

describe("one node", () => {
  const clock = new SystemClock();
  const open = () =>
    LedgerNode.open({ votesPath: join(directory, "votes.db"), crypto: nodeCrypto, clock });
  const validatorKey = () => loadOrCreateValidatorKey(join(directory, "validator.key"));

  it("hosts many channels, each with its own members, log and file", async () => {
    const node = open();
    const sites = ["a", "b", "c"].map(() => new LedgerSite());
    const openLedger = (site: LedgerSite, index: number) =>
      node.openLedger({
        path: join(directory, `ledger-${index}.db`),
        validatorKey: validatorKey(),
        openChannel: () => site.openChannel(validatorKey().publicKey),
      });
    const ledgers = await Promise.all(sites.map(openLedger));
    await Promise.all(
      ledgers.map(async (ledger, index) => {
        const gateway = present(sites[index], "site").gateway("a");
        await order(ledger, gateway.open(ledger.channel.id));
        for (let i = 0; i < index; i++) await order(ledger, nextHead(ledger, gateway));
      }),
    );
    expect(ledgers.map((ledger) => ledger.status().size)).toEqual([2, 3, 4]);
    const [first, second] = ledgers;
    await present(first, "ledger").close();
    const gateway = present(sites[1], "site").gateway("b");
    expect(await order(present(second, "ledger"), gateway.open(second?.channel.id ?? absent))).toBe(
      3n,
    );
    await node.close();
  });

  it("refuses a channel that it cannot have the votes of, and nobody else either", async () => {
    const site = new LedgerSite();
    const openLedger = (node: LedgerNode) =>
      node.openLedger({
        path: join(directory, "ledger.db"),
        validatorKey: validatorKey(),
        openChannel: () => site.openChannel(validatorKey().publicKey),
      });
    let node = open();
    const ledger = await openLedger(node);
    await order(ledger, site.gateway("a").open(ledger.channel.id));
    await node.close();
    for (const suffix of ["", "-wal", "-shm"])
      rmSync(join(directory, "votes.db") + suffix, { force: true });
    node = open();
    await expect(openLedger(node)).rejects.toThrow(codeOf("VOTES_LOST"));
    await node.close();
  });
});

const absent = nodeCrypto.sha256(new Uint8Array());
