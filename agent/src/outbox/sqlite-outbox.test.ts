/** The outbox on a real database with a real signer. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseStatement, verifyStatement } from "@tamga/ledger-core/wire/statement";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bundleRoot } from "../bundle/bundle-root.ts";
import { openFileSigner } from "../signer/file-signer.ts";
import type { Signer } from "../signer/signer.ts";
import { assertOutboxCovers } from "./coverage.ts";
import type { OutboxConfig } from "./outbox.ts";
import { claimsOf, identifier, OutboxTestBed, readingsOf } from "./outbox-test-bed.ts";
import type { StatementToSend } from "./sending.ts";

const keys = mkdtempSync(join(tmpdir(), "tamga-key-"));
afterAll(() => rmSync(keys, { recursive: true }));

let bed: OutboxTestBed;
const open = async (config: Partial<OutboxConfig> = {}, signer?: Signer) => {
  bed = await OutboxTestBed.create(config, signer === undefined ? {} : { signer });
  return bed;
};
afterEach(() => bed.remove());

const sendAll = () => bed.outbox.nextToSend({ room: 1_000_000 });
const shape = (list: readonly StatementToSend[]) =>
  list.map(({ kind, range }) => `${kind} ${range.first}+${range.count}`);
const head = (size: bigint) => ({ size, root: nodeCrypto.sha256(new Uint8Array([1])) });
const small = (n: number) => Array.from({ length: n }, (_, i) => Uint8Array.of(i, n));

describe("the way of a reading", () => {
  it("journals, signs a chain that verifies, and hands it out with its bodies", async () => {
    const signer = await openFileSigner({ path: join(keys, "signing.key"), create: true });
    await open({}, signer);
    const run = await bed.start();
    const contents = small(11);
    const { range, durable } = bed.journal(contents);
    expect(range).toEqual({ first: 1n, count: 11 });
    expect(await durable).toBe(11);
    expect(assertOutboxCovers(bed.database)).toMatchObject({ inJournal: 11, inStatements: 1 });
    await bed.outbox.closeBundle(run, 12n);
    await bed.outbox.heartbeat(run, { clock: "ntp" });
    const sent = sendAll();
    expect(shape(sent).toSorted()).toEqual([
      "bundle 1+8",
      "bundle 9+3",
      "heartbeat 12+1",
      "start 0+1",
    ]);
    const inOrder = sent.toSorted((a, b) => Number(a.range.first - b.range.first));
    let previous: string | undefined;
    for (const statement of inOrder) {
      const parsed = parseStatement(statement.bytes);
      assert(parsed.ok, "statement");
      expect(verifyStatement(nodeCrypto, parsed.value, signer.publicKey()).ok).toBe(true);
      const { position } = claimsOf(statement);
      expect(position.previous && toHex(position.previous)).toBe(previous);
      expect(position.range).toEqual(statement.range);
      previous = toHex(statement.identity);
    }
    expect(inOrder.flatMap(({ message }) => readingsOf(message.body)).map(toHex)).toEqual(
      contents.map(toHex),
    );
    expect(assertOutboxCovers(bed.database)).toMatchObject({ inJournal: 0, inStatements: 13 });
  });

  it("makes a root that the body proves", async () => {
    await open();
    await bed.start();
    await bed.bundle(5);
    const bundle = present(
      sendAll().find(({ kind }) => kind === "bundle"),
      "bundle",
    );
    const { body } = bundle.message;
    assert(body?.encoding === "identity", "random bytes do not compress");
    const claims = claimsOf(bundle);
    assert(claims.kind === "bundle", "bundle");
    // [seed, readings…]: array head of one byte, head of 32 bytes, the seed.
    const seed = body.bytes.slice(3, 35);
    const root = bundleRoot(nodeCrypto.sha256, { seed, readings: readingsOf(body) });
    expect(toHex(root)).toBe(toHex(claims.root));
    expect(claims.time).toEqual({ from: 1_750_000_000_000, to: 1_750_000_000_000 });
  });

  it("keeps streams apart", async () => {
    await open();
    const a = await bed.start("a");
    const b = await bed.start("b");
    await Promise.all([bed.bundle(3, 10, a), bed.bundle(4, 10, b)]);
    expect(shape(sendAll()).toSorted()).toEqual([
      "bundle 1+3",
      "bundle 1+4",
      "start 0+1",
      "start 0+1",
    ]);
    expect(assertOutboxCovers(bed.database).runs).toBe(2);
  });
});

describe("a new run", () => {
  it("closes what the old one left, then names it", async () => {
    await open();
    const old = await bed.start();
    await bed.bundle(2);
    await bed.journal(small(10)).durable;
    bed.crash();
    expect(assertOutboxCovers(bed.database)).toMatchObject({ inJournal: 10 });
    await bed.start();
    const sent = sendAll();
    const left = sent.filter(({ incarnation }) => toHex(incarnation) === toHex(old.incarnation));
    expect(shape(left).toSorted()).toEqual([
      "bundle 1+2",
      "bundle 11+2",
      "bundle 3+8",
      "start 0+1",
    ]);
    const start = sent
      .map(claimsOf)
      .find((claims) => claims.kind === "start" && claims.predecessor !== undefined);
    assert(start?.kind === "start", "start");
    const last = present(
      left.find(({ range }) => range.first === 11n),
      "last",
    );
    expect(start.predecessor).toMatchObject({ next: 13n });
    expect(toHex(present(start.predecessor?.last, "last"))).toBe(toHex(last.identity));
    expect(start.emulated).toBe(true);
  });

  it("states as damaged what was promised a sequence and never signed", async () => {
    const never: Signer = {
      ...(await signerThat(() => true)),
      sign: () => Promise.reject(new OperationalError("SIGN_TIMEOUT", "the token is away")),
    };
    await open({}, never);
    const { run } = await bed.outbox.openRun({
      stream: identifier("main"),
      protocol: "dsmr-p1",
      emulated: false,
      incarnation: randomBytes(16),
      bootId: randomBytes(16),
      agentVersion: "0.1.0",
    });
    expect(await bed.journal(small(3), run).durable).toBe(3);
    expect(assertOutboxCovers(bed.database)).toMatchObject({ inJournal: 3, waitingForGap: 1 });
    const { directory } = bed;
    bed.database.close();
    bed = await OutboxTestBed.create({}, { directory });
    await bed.start();
    const damaged = sendAll()
      .map(claimsOf)
      .find((claims) => claims.kind === "gap");
    expect(damaged).toMatchObject({ reason: "damaged", missing: [{ first: 0n, count: 1 }] });
    expect(assertOutboxCovers(bed.database)).toMatchObject({ inJournal: 0, waitingForGap: 0 });
  });

  it("refuses an incarnation that was used", async () => {
    await open();
    const { incarnation, stream } = await bed.start();
    const again = bed.outbox.openRun({
      stream,
      protocol: "dsmr-p1",
      emulated: true,
      incarnation,
      bootId: incarnation,
      agentVersion: "",
    });
    await expect(again).rejects.toMatchObject({ code: "OUTBOX_INCARNATION_KNOWN" });
  });
});

async function signerThat(fails: () => boolean): Promise<Signer> {
  const real = await openFileSigner({ path: join(keys, "signing.key"), create: true });
  return {
    algorithm: real.algorithm,
    keyKind: real.keyKind,
    publicKey: () => real.publicKey(),
    state: () => "ready",
    close: () => real.close(),
    sign: (message, options) =>
      fails()
        ? Promise.reject(new OperationalError("SIGN_FAILED", "the token is away"))
        : real.sign(message, options),
  };
}

describe("a token that goes away", () => {
  it("delays signatures and loses nothing; what waited goes into full bundles", async () => {
    let failures = 0;
    await open({}, await signerThat(() => failures-- > 0));
    const run = await bed.start();
    failures = 2;
    const closed: Promise<void>[] = [];
    for (let i = 0; i < 16; i++) {
      const { range } = bed.journal(small(1));
      closed.push(bed.outbox.closeBundle(run, range.first + 1n));
    }
    await bed.outbox.closeBundle(run, 2n);
    await Promise.all(closed);
    expect(bed.outbox.status().signing).toBeUndefined();
    expect(assertOutboxCovers(bed.database).inStatements).toBe(17);
  });
});

describe("sending", () => {
  it("alternates live and backlog, and sends what was in flight again", async () => {
    await open({ maxCount: 1 });
    await bed.start();
    await bed.bundle(100);
    bed.crash({ maxCount: 1 });
    await bed.start();
    await bed.bundle(3);
    const first = bed.outbox.nextToSend({ room: 6 });
    const isNew = (s: StatementToSend) => toHex(s.incarnation) === toHex(bed.current.incarnation);
    expect(first.map(isNew)).toEqual([true, false, true, false, true, false]);
    expect(bed.outbox.status().inFlight).toBe(6);
    for (const { id } of first.slice(0, 2)) bed.outbox.acknowledged(id);
    bed.outbox.disconnected();
    const again = sendAll();
    const ids = new Set(again.map(({ id }) => id));
    expect(again.length).toBe(105 - 2);
    expect(ids.size).toBe(again.length);
    expect(first.map(({ id }) => ids.has(id))).toEqual([false, false, true, true, true, true]);
    expect(sendAll()).toEqual([]);
  });

  it("after an exchange sends only what is wanted, final or not, with the same bytes", async () => {
    await open({ maxCount: 1 });
    const run = await bed.start();
    await bed.bundle(9);
    const sent = sendAll();
    await bed.outbox.markProvisional(sent.slice(0, 4).map(({ id }) => id));
    await bed.outbox.markFinal(
      sent.slice(0, 3).map(({ id }) => id),
      head(7n),
    );
    expect(bed.outbox.checkpoint()).toEqual(head(7n));
    const pages = [...bed.outbox.pendingRanges()].flat();
    expect(pages.flatMap(({ ranges }) => ranges).reduce((n, { count }) => n + count, 0)).toBe(7);
    const kept = [...bed.outbox.keptRanges()].flat();
    expect(kept.flatMap(({ ranges }) => ranges).reduce((n, { count }) => n + count, 0)).toBe(3);
    bed.outbox.disconnected();
    const { stream, incarnation } = run;
    const wanted = [
      {
        stream,
        incarnation,
        ranges: [
          { first: 0n, count: 2 },
          { first: 8n, count: 99 },
        ],
      },
    ];
    await bed.outbox.reconcile(bed.outbox.mark(), wanted);
    const again = sendAll();
    expect(shape(again)).toEqual(["start 0+1", "bundle 1+1", "bundle 8+1", "bundle 9+1"]);
    for (const { id, bytes, message } of again) {
      const before = present(
        sent.find((statement) => statement.id === id),
        "sent before",
      );
      expect(toHex(bytes)).toBe(toHex(before.bytes));
      expect(message).toEqual(before.message);
    }
  });

  it("finds the statement of a proof and never takes a state back", async () => {
    await open();
    const { incarnation } = await bed.start();
    await bed.bundle(4);
    const found = present(bed.outbox.find(incarnation, 1n), "bundle");
    expect(found).toMatchObject({
      kind: "bundle",
      state: "pending",
      range: { first: 1n, count: 4 },
    });
    expect(bed.outbox.find(incarnation, 2n)).toBeUndefined();
    expect(bed.outbox.find(randomBytes(16), 1n)).toBeUndefined();
    await bed.outbox.markFinal([found.id], head(3n));
    await bed.outbox.markProvisional([found.id]);
    await bed.outbox.markRejected([{ id: found.id, rejection: Uint8Array.of(1) }]);
    await bed.outbox.rememberCheckpoint(head(2n));
    expect(bed.outbox.find(incarnation, 1n)?.state).toBe("final");
    expect(bed.outbox.checkpoint()?.size).toBe(3n);
    await bed.bundle(1);
    expect(claimsOf(present(bed.outbox.find(incarnation, 5n), "next")).position.checkpoint).toEqual(
      head(3n),
    );
  });
});
