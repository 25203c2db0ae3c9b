/** Blocks that travel in a file: taken as from a peer, and refused where an honest peer's would be. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../../test/support/consensus-samples.ts";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { present } from "../base/assert.ts";
import { OperationalError } from "../base/operational-error.ts";
import { messageBytesMax } from "../consensus/limits.ts";
import type { FinalBlocks } from "../consensus/message.ts";
import { encodeMessage, parseMessage } from "../consensus/message-codec.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import type { ExportItem } from "./export-file.ts";
import { exportItemBytesMax, readExport, writeExport } from "./export-file.ts";
import { exportLedger, importLedger, openingOf } from "./export-ledger.ts";
import type { AnswerLimits } from "./sqlite-chain.ts";
import { SqliteChannel } from "./sqlite-channel.ts";

const { signal } = new AbortController();
const codeOf = (code: string) => expect.objectContaining({ code });
let directory: string;
let stick: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-export-"));
  stick = join(directory, "stick");
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("an export", () => {
  let consortium: LedgerConsortium;

  beforeEach(async () => {
    consortium = new LedgerConsortium(directory, 4);
    for (const index of consortium.members.keys()) await consortium.open(index);
    await allSealed(consortium.ledgerOf(3));
  });
  afterEach(() => consortium.closeAll());

  const order = async (count: number) => {
    const ledger = consortium.ledgerOf(0);
    for (let i = 0; i < count; i++) {
      const gateway = consortium.site.gateway(`gateway-${ledger.status().size}`);
      const submitted = await ledger.submit(gateway.open(ledger.channel.id), { signal });
      expect(submitted.ok).toBe(true);
    }
  };
  const exportOf = (index: number, from: number, limits?: AnswerLimits) => {
    const member = present(consortium.members[index], "member");
    const db = openDatabase(join(member.directory, "ledger.db"));
    try {
      return exportLedger(SqliteChannel.open(db, nodeCrypto), stick, {
        from,
        ...(limits === undefined ? {} : { limits }),
      });
    } finally {
      db.close();
    }
  };
  const wipe = (index: number) => {
    const member = present(consortium.members[index], "member");
    for (const file of ["ledger.db", "votes.db"])
      for (const suffix of ["", "-wal", "-shm"])
        rmSync(join(member.directory, file + suffix), { force: true });
  };
  /** Opens a member alone, without a network. */
  const openApart = async (index: number) => {
    consortium.network.isLost = () => true;
    return consortium.open(index);
  };

  it("brings a node that was away to the height of those who went on, with their seal", async () => {
    await order(1);
    await consortium.close(3);
    await order(4);
    const ahead = consortium.ledgerOf(0);
    const { to } = exportOf(0, 1);
    expect(to).toBe(ahead.height);
    const back = await openApart(3);
    expect(back.height).toBeLessThan(to);
    expect(await importLedger(back, stick)).toBe(to);
    expect(back.status()).toMatchObject({ size: 6, sealedSize: 6 });
    expect(back.sealed()?.root).toEqual(ahead.sealed()?.root);
    expect(await importLedger(back, stick)).toBe(to);
  });

  it("begins a node that has nothing yet, from the opening in it", async () => {
    await order(2);
    exportOf(0, 1);
    const opening = await consortium.opening();
    expect(openingOf(stick)).toEqual(encodeTransaction(opening));
    await consortium.close(3);
    wipe(3);
    const back = await openApart(3);
    expect(back.entry(0n)).toEqual(opening.statement);
    await importLedger(back, stick);
    expect(back.status()).toMatchObject({ size: 3, sealedSize: 3 });
  });

  it("brings what no message holds in parts, the end of it first", async () => {
    await consortium.close(3);
    await order(5);
    const { height } = consortium.ledgerOf(0);
    expect(height).toBeGreaterThanOrEqual(5);
    await consortium.closeAll();
    const database = join(present(consortium.members[0], "member").directory, "ledger.db");
    const db = openDatabase(database);
    // As if one certificate had finalized all of it.
    db.exec(`UPDATE chain_block SET certificate = NULL WHERE height < ${height}`);
    db.close();
    const few = { blocksMax: 2, bytesMax: 1_000_000, messageMax: 1_000_000 };
    expect(exportOf(0, 1, few)).toEqual({ from: 1, to: height });
    const kinds = [...readExport(stick)].map((item) => {
      const message = item.type === "message" ? parseMessage(item.payload) : undefined;
      return message?.ok === true ? message.value.type : item.type;
    });
    expect(kinds.slice(0, 5)).toEqual(["header", "opening", "final-blocks", "blocks", "blocks"]);
    const back = await openApart(3);
    expect(await importLedger(back, stick)).toBe(height);
    const cut = [...readExport(stick)].filter((_, at) => at !== 3);
    await consortium.close(3);
    wipe(3);
    writeExport(stick, cut);
    const refusing = await openApart(3);
    await expect(importLedger(refusing, stick)).rejects.toThrow(codeOf("EXPORT_REFUSED"));
    expect(refusing.height).toBe(0);
  });

  it("is refused where blocks are missing, where they were changed, and for another channel", async () => {
    await order(4);
    await consortium.close(3);
    exportOf(0, 1);
    const items = [...readExport(stick)];
    wipe(3);
    const back = await openApart(3);
    const { height } = back;
    expect(height).toBe(0);
    const changed = (change: (message: FinalBlocks) => FinalBlocks) =>
      items.map((item): ExportItem => {
        const message = item.type === "message" ? parseMessage(item.payload) : undefined;
        if (message?.ok !== true || message.value.type !== "final-blocks") return item;
        return { type: "message", payload: encodeMessage(change(message.value)) };
      });
    const forged: readonly ((message: FinalBlocks) => FinalBlocks)[] = [
      (message) => {
        const { certificate } = message;
        const signatures = certificate.signatures.map(() => new Uint8Array(64));
        return { ...message, certificate: { ...certificate, signatures } };
      },
      (message) => ({
        ...message,
        blocks: message.blocks.map((block) => ({ ...block, transactions: [] })),
      }),
      (message) => ({
        ...message,
        blocks: message.blocks.map(({ header, ...block }) => ({
          ...block,
          header: { ...header, stateRoot: digestOf("other") },
        })),
      }),
    ];
    for (const forge of forged) {
      writeExport(stick, changed(forge));
      await expect(importLedger(back, stick)).rejects.toThrow(OperationalError);
      expect(back.height).toBe(height);
    }
    exportOf(0, 2);
    await expect(importLedger(back, stick)).rejects.toThrow(codeOf("EXPORT_REFUSED"));
    const other: ExportItem = { type: "header", channel: digestOf("other"), from: 1 };
    writeExport(stick, [other, ...items.slice(1)]);
    await expect(importLedger(back, stick)).rejects.toThrow(codeOf("EXPORT_OTHER_CHANNEL"));
    writeExport(stick, items);
    await importLedger(back, stick);
    expect(back.status()).toMatchObject({ size: 5 });
  });

  it("says which blocks were pruned", async () => {
    await order(3);
    const ledger = consortium.ledgerOf(0);
    ledger.prune(ledger.height);
    expect(() => exportOf(0, 1)).toThrow(codeOf("EXPORT_PRUNED"));
    expect(exportOf(0, ledger.height)).toEqual({ from: ledger.height, to: ledger.height });
  });
});

describe("an export's file", () => {
  const header: ExportItem = { type: "header", channel: digestOf("channel"), from: 7 };
  const item = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((payload): ExportItem => ({ type: "message", payload })),
    fc
      .uint8Array({ maxLength: 9 })
      .map((transaction): ExportItem => ({ type: "opening", transaction })),
  );

  it("gives back what was written", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 8 }), (items) => {
        writeExport(stick, [header, ...items]);
        expect([...readExport(stick)]).toEqual([header, ...items]);
      }),
      { numRuns: 50 },
    );
    const large: ExportItem = { type: "message", payload: new Uint8Array(messageBytesMax) };
    writeExport(stick, [header, large]);
    expect([...readExport(stick)]).toEqual([header, large]);
  });

  it("is refused whole where it was cut off or decayed anywhere", () => {
    writeExport(stick, [
      header,
      { type: "message", payload: new Uint8Array(70) },
      { type: "message", payload: new Uint8Array(300) },
    ]);
    const whole = readFileSync(stick);
    const first = () => readExport(stick).next();
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(stick, whole.subarray(0, length));
      expect(first).toThrow(codeOf("EXPORT_MALFORMED"));
    }
    for (let at = 0; at < whole.length; at++) {
      const flipped = new Uint8Array(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      writeFileSync(stick, flipped);
      expect(first).toThrow(OperationalError);
    }
    const flipped = new Uint8Array(whole);
    flipped[whole.length - 100] = 1;
    writeFileSync(stick, flipped);
    // The last message with its head and its check, and the end after it.
    expect(first).toThrow(`begins at byte ${whole.length - (3 + 305 + 9) - (2 + 36)}.`);
    writeFileSync(stick, Buffer.concat([whole, Buffer.of(0)]));
    expect(first).toThrow(codeOf("EXPORT_MALFORMED"));
  });

  it("is refused where an item is longer than a message, or the file is none or of another version", () => {
    writeExport(stick, [header, { type: "message", payload: new Uint8Array(exportItemBytesMax) }]);
    expect(() => [...readExport(stick)]).toThrow(codeOf("EXPORT_MALFORMED"));
    expect(() => [...readExport(`${stick}.none`)]).toThrow(codeOf("FILE_UNREADABLE"));
    expect(() => writeExport(join(stick, "below"), [header])).toThrow(codeOf("FILE_UNWRITABLE"));
    writeExport(stick, [header]);
    const text = readFileSync(stick, "latin1");
    const at = text.indexOf("tamga-ledger-export") + "tamga-ledger-export".length;
    writeFileSync(stick, `${text.slice(0, at)}\u0002${text.slice(at + 1)}`, "latin1");
    expect(() => [...readExport(stick)]).toThrow(codeOf("EXPORT_OTHER_VERSION"));
  });
});
