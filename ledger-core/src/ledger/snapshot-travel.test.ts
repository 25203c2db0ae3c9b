/** Snapshots on their way between nodes: who lacks what all others have pruned begins from one, and votes. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import type { TestGateway } from "../../../test/support/ledger-site.ts";
import { soon } from "../../../test/support/soon.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { present } from "../base/assert.ts";
import { encodeMessage, parseMessage } from "../consensus/message-codec.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ExportItem } from "./export-file.ts";
import { readExport, writeExport } from "./export-file.ts";
import { exportLedger, importLedger } from "./export-ledger.ts";
import type { Ledger } from "./ledger.ts";
import { snapshotsKeptMax } from "./limits.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { SqliteSnapshots, verifyDatabase } from "./sqlite-snapshots.ts";

const { signal } = new AbortController();
const codeOf = (code: string) => expect.objectContaining({ code });
let directory: string;
let consortium: LedgerConsortium;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-travel-"));
  consortium = new LedgerConsortium(directory, 4);
  for (const index of consortium.members.keys()) await consortium.open(index);
  await allSealed(consortium.ledgerOf(0));
});
afterEach(async () => {
  await consortium.closeAll();
  rmSync(directory, { recursive: true });
});

async function order(ledger: Ledger, transaction: Transaction): Promise<bigint> {
  const submitted = await ledger.submit(transaction, { signal });
  if (!submitted.ok) throw new Error(submitted.fault.code);
  return submitted.value.index;
}
async function openLanes(ledger: Ledger, ...labels: readonly string[]): Promise<TestGateway[]> {
  const gateways = labels.map((label) => consortium.site.gateway(label));
  for (const gateway of gateways) await order(ledger, gateway.open(ledger.channel.id));
  return gateways;
}
function nextHead(ledger: Ledger, gateway: TestGateway): Transaction {
  gateway.grow();
  const last = present(ledger.lane(gateway.name), "open lane").head;
  return gateway.head(ledger.revocations().head, last);
}
const isLevel = (index: number, size: number) =>
  vi.waitFor(() => {
    expect(consortium.ledgerOf(index).status()).toMatchObject({ size, sealedSize: size });
  }, soon);
const prune = (...indices: readonly number[]) => {
  for (const index of indices) {
    const ledger = consortium.ledgerOf(index);
    ledger.prune(ledger.height);
  }
};
const pathOf = (index: number, file: string) =>
  join(present(consortium.members[index], "member").directory, file);
const wipe = (index: number) => {
  for (const file of ["ledger.db", "votes.db"])
    for (const suffix of ["", "-wal", "-shm"])
      rmSync(pathOf(index, file) + suffix, { force: true });
};
/** The whole database of a member that is closed holds. */
const check = (index: number) => {
  const db = openDatabase(pathOf(index, "ledger.db"));
  try {
    verifyDatabase(SqliteChannel.open(db, nodeCrypto), nodeCrypto);
  } finally {
    db.close();
  }
};
const leavesOf = (ledger: Ledger) =>
  Array.from({ length: ledger.status().size }, (_, at) => ledger.entry(BigInt(at)));

describe("a file of a node that pruned", () => {
  const stick = () => join(directory, "stick");
  const exportOf = (index: number, from?: number) => {
    const db = openDatabase(pathOf(index, "ledger.db"));
    try {
      const options = from === undefined ? {} : { from };
      return exportLedger(SqliteChannel.open(db, nodeCrypto), stick(), options);
    } finally {
      db.close();
    }
  };
  const openApart = async (index: number) => {
    consortium.network.isLost = () => true;
    return consortium.open(index);
  };

  it("brings a node that has nothing to its height, and one that has the blocks between no snapshot", async () => {
    const ledger = consortium.ledgerOf(0);
    await openLanes(ledger, "a", "b");
    await consortium.close(3);
    prune(0);
    await openLanes(ledger, "c", "d");
    const { height } = ledger;
    expect(exportOf(0)).toEqual({ from: ledger.prunedBelow, to: height });
    wipe(3);
    const back = await openApart(3);
    expect(await importLedger(back, stick())).toBe(height);
    expect(back.status()).toMatchObject({ size: 5, sealedSize: 5 });
    expect(back.prunedBelow).toBeGreaterThan(1);
    expect(leavesOf(back)).toEqual(leavesOf(ledger));
    expect(back.consensus()).toMatchObject({ abstaining: true });
    expect(await importLedger(back, stick())).toBe(height);
    await consortium.close(3);
    check(3);
    const whole = await importLedger(consortium.ledgerOf(1), stick());
    expect(whole).toBe(consortium.ledgerOf(1).height);
    expect(consortium.ledgerOf(1).prunedBelow).toBe(1);
  });

  it("is refused where a part of the snapshot is missing or was changed, and changes nothing", async () => {
    const ledger = consortium.ledgerOf(0);
    await openLanes(ledger, "a", "b");
    await consortium.close(3);
    prune(0);
    await openLanes(ledger, "c");
    exportOf(0);
    const items = [...readExport(stick())];
    wipe(3);
    const back = await openApart(3);
    const typeOf = (item: ExportItem) =>
      item.type === "message" ? unwrap(parseMessage(item.payload)).type : item.type;
    expect(items.map(typeOf).slice(0, 5)).toEqual([
      ...["header", "opening", "snapshot", "snapshot-content", "snapshot-entries"],
    ]);
    for (const missing of ["snapshot", "snapshot-content", "snapshot-entries"]) {
      writeExport(
        stick(),
        items.filter((item) => typeOf(item) !== missing),
      );
      await expect(importLedger(back, stick())).rejects.toThrow(codeOf("EXPORT_REFUSED"));
    }
    const forged = items.map((item): ExportItem => {
      const message = item.type === "message" ? unwrap(parseMessage(item.payload)) : undefined;
      if (message?.type !== "snapshot-content") return item;
      const bytes = message.bytes.slice();
      bytes[bytes.length - 1] = 0xff;
      return { type: "message", payload: encodeMessage({ ...message, bytes }) };
    });
    writeExport(stick(), forged);
    await expect(importLedger(back, stick())).rejects.toThrow(/SNAPSHOT_CONTENT_WRONG/);
    expect(back.height).toBe(0);
    expect(back.status()).toMatchObject({ size: 1 });
  });
});

it("a snapshot is taken by itself every so many blocks, and the newest two are kept", async () => {
  await consortium.closeAll();
  consortium.snapshotEvery = 2;
  for (const index of consortium.members.keys()) await consortium.open(index);
  const ledger = consortium.ledgerOf(0);
  for (let count = 0; ledger.height < 9; count++) await openLanes(ledger, `gateway-${count}`);
  await consortium.closeAll();
  const db = openDatabase(pathOf(0, "ledger.db"));
  try {
    const channel = SqliteChannel.open(db, nodeCrypto);
    const chain = new SqliteChain(channel, { crypto: nodeCrypto, genesis: channel.genesis() });
    const kept = new SqliteSnapshots(db).kept().map(({ height }) => height);
    expect(kept).toHaveLength(snapshotsKeptMax);
    const [newest = 0, older = 0] = kept;
    expect(chain.height - newest).toBeLessThan(3);
    expect(newest - older).toBeGreaterThanOrEqual(2);
    for (const height of kept) expect(chain.certificate(height)).toBeDefined();
    expect(chain.prunedBelow).toBe(1);
  } finally {
    db.close();
  }
});

describe("a node that lacks what the others have pruned", () => {
  it("begins from a snapshot after its disk was replaced, and then the others need its votes", async () => {
    const ledger = consortium.ledgerOf(0);
    const [gateway] = await openLanes(ledger, "a", "b", "c");
    for (const index of [0, 1, 2, 3]) await isLevel(index, 4);
    await consortium.close(3);
    wipe(3);
    prune(0, 1, 2);
    const back = await consortium.open(3);
    await isLevel(3, 4);
    expect(leavesOf(back)).toEqual(leavesOf(ledger));
    expect(back.inclusion(1n, 4n)).toEqual(ledger.inclusion(1n, 4n));
    await vi.waitFor(() => expect(back.consensus()).toMatchObject({ abstaining: false }), soon);
    // It abstains in the views in which it may have voted before: the others leave those without it.
    const head = () => order(ledger, nextHead(ledger, present(gateway, "gateway")));
    const { view } = present(ledger.consensus(), "engine");
    while (present(ledger.consensus(), "engine").finalView <= view + 1) await head();
    const { size } = ledger.status();
    await isLevel(3, size);
    await consortium.close(2);
    await head();
    await isLevel(3, size + 1);
    await consortium.close(3);
    check(3);
    const again = await consortium.open(3);
    expect(again.status()).toMatchObject({ size: size + 1 });
    await order(again, nextHead(again, present(gateway, "gateway")));
  });

  it("jumps with its own votes and log after it was away, and settles who waited at it", async () => {
    const ledger = consortium.ledgerOf(0);
    const [gateway] = await openLanes(ledger, "a");
    await isLevel(3, 2);
    const mine = present(consortium.ledgerOf(3).entry(1n), "entry");
    await consortium.close(3);
    await order(ledger, nextHead(ledger, present(gateway, "gateway")));
    await openLanes(ledger, "b", "c");
    for (const index of [1, 2]) await isLevel(index, 5);
    prune(0, 1, 2);
    const back = await consortium.open(3);
    const late = order(back, consortium.site.gateway("d").open(back.channel.id));
    await isLevel(3, 6);
    expect(await late).toBe(5n);
    expect(back.entry(1n)).toEqual(mine);
    expect(leavesOf(back)).toEqual(leavesOf(ledger));
    expect(back.consensus()).toMatchObject({ abstaining: false });
    await consortium.close(3);
    check(3);
  });
});
