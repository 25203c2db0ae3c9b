/** The outbox at its bounds: quota, disk and every named limit. */

import { randomBytes } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { rangesPerGapMax } from "@tamga/ledger-core/wire/limits";
import { afterEach, describe, expect, it } from "vitest";
import { journalQueueBytesMax, outboxQuotaMin, outboxRunsMax, signedAheadMax } from "../limits.ts";
import { assertOutboxCovers } from "./coverage.ts";
import type { OutboxConfig } from "./outbox.ts";
import { OutboxStore } from "./outbox-store.ts";
import { claimsOf, identifier, OutboxTestBed, testConfig } from "./outbox-test-bed.ts";

let bed: OutboxTestBed;
const open = async (config: Partial<OutboxConfig> = {}) => {
  bed = await OutboxTestBed.create(config);
};
afterEach(() => bed.remove());

const sendAll = () => bed.outbox.nextToSend({ room: 1_000_000 });
const head = (size: bigint) => ({ size, root: nodeCrypto.sha256(new Uint8Array([1])) });
const small = (n: number) => Array.from({ length: n }, (_, i) => Uint8Array.of(i, n));

describe("a full outbox", () => {
  const fill = async (times: number) => {
    for (let i = 0; i < times; i++) await bed.bundle(8, 4_000);
  };
  const quota = outboxQuotaMin;

  it("stop: keeps what it has, counts what it drops, and states it", async () => {
    await open({ quota, whenFull: "stop" });
    const run = await bed.start();
    await fill(40);
    expect(bed.outbox.status().intake).toBe("stopped");
    const before = assertOutboxCovers(bed.database);
    expect(before.waitingForGap).toBeGreaterThan(0);
    await bed.outbox.heartbeat(run, { clock: "rtc" });
    const after = assertOutboxCovers(bed.database);
    expect(after.statedMissing).toBe(before.waitingForGap);
    expect(after.waitingForGap).toBe(0);
    expect(bed.outbox.status().usedBytes).toBeLessThanOrEqual(quota);
    expect(bed.countedBytes()).toBe(bed.outbox.status().usedBytes);
    const first = present(bed.outbox.find(run.incarnation, 1n), "the oldest is still here");
    await bed.outbox.markFinal([first.id], head(1n));
    expect(await bed.journal(small(1)).durable).toBe(1);
    expect(bed.outbox.status().intake).toBe("open");
    expect(bed.outbox.find(run.incarnation, 1n)).toBeUndefined();
    expect(assertOutboxCovers(bed.database).settled).toBe(8);
  });

  it("stop: a month of gap statements does not outgrow the quota", async () => {
    await open({ quota, whenFull: "stop" });
    const run = await bed.start();
    await fill(32);
    for (let i = 0; i < 600; i++) {
      await bed.bundle(1, 8_000);
      await bed.outbox.heartbeat(run, { clock: "rtc" });
    }
    expect(bed.outbox.status().usedBytes).toBeLessThanOrEqual(quota);
    expect(bed.countedBytes()).toBe(bed.outbox.status().usedBytes);
    assertOutboxCovers(bed.database);
  });

  it("shed-oldest: the newest stay, the oldest become one range", async () => {
    await open({ quota, whenFull: "shed-oldest" });
    const run = await bed.start();
    await fill(80);
    await bed.outbox.heartbeat(run, { clock: "rtc" });
    const gaps = sendAll()
      .map(claimsOf)
      .filter((claims) => claims.kind === "gap");
    expect(gaps.at(-1)).toMatchObject({ reason: "shed-oldest", missing: [{ first: 1n }] });
    expect(bed.outbox.find(run.incarnation, 1n)).toBeUndefined();
    expect(bed.outbox.find(run.incarnation, 633n)).toMatchObject({ kind: "bundle" });
    expect(bed.outbox.status().usedBytes).toBeLessThanOrEqual(quota);
    expect(bed.countedBytes()).toBe(bed.outbox.status().usedBytes);
    assertOutboxCovers(bed.database);
  });

  it("thin: what stays covers the whole time", async () => {
    await open({ quota, whenFull: "thin" });
    const run = await bed.start();
    await fill(100);
    await bed.outbox.heartbeat(run, { clock: "rtc" });
    const bundles = sendAll().filter(({ kind }) => kind === "bundle");
    const firsts = bundles.map(({ range }) => Number(range.first)).toSorted((a, b) => a - b);
    expect(firsts.length).toBeGreaterThan(15);
    const steps = [0, ...firsts, 801].map((at, i, all) => at - (all[i - 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(8 * 16 + 8);
    const reasons = new Set(
      sendAll()
        .concat(bundles)
        .map(claimsOf)
        .flatMap((claims) => (claims.kind === "gap" ? [claims.reason] : [])),
    );
    expect([...reasons].every((reason) => reason === "thinned")).toBe(true);
    expect(bed.outbox.status().thinLevel).toBeGreaterThan(1);
    assertOutboxCovers(bed.database);
  });

  it("gives up bodies of provisional bundles before any pending one, and says so when wanted", async () => {
    await open({ quota, whenFull: "shed-oldest" });
    const run = await bed.start();
    await fill(10);
    const sent = sendAll();
    await bed.outbox.markProvisional(sent.map(({ id }) => id));
    await fill(20);
    const oldest = present(bed.outbox.find(run.incarnation, 1n), "its statement stays");
    expect(oldest.state).toBe("provisional");
    expect(assertOutboxCovers(bed.database).waitingForGap).toBe(0);
    const { stream, incarnation } = run;
    await bed.outbox.requeue([{ stream, incarnation, ranges: [{ first: 1n, count: 8 }] }]);
    expect(bed.outbox.find(run.incarnation, 1n)).toBeUndefined();
    expect(assertOutboxCovers(bed.database).waitingForGap).toBe(8);
  });

  it("a disk that is full before the quota is treats the readings as the policy says", async () => {
    await open({ whenFull: "shed-oldest" });
    await bed.start();
    await fill(10);
    const pages = Number(bed.database.pragma("page_count", { simple: true }));
    bed.database.pragma(`max_page_count = ${pages + 20}`);
    await fill(20);
    expect(bed.failure).toBeUndefined();
    expect(bed.outbox.status().diskFull).toBe(false);
    assertOutboxCovers(bed.database);
    expect(bed.outbox.find(bed.current.incarnation, 233n)).toMatchObject({ kind: "bundle" });
    bed.crash();
    expect(bed.countedBytes()).toBe(bed.outbox.status().usedBytes);
  });

  it("under stop a full disk keeps all that was durable and goes on when there is space", async () => {
    await open({ whenFull: "stop" });
    const run = await bed.start();
    await fill(10);
    const before = assertOutboxCovers(bed.database).inStatements;
    const pages = Number(bed.database.pragma("page_count", { simple: true }));
    bed.database.pragma(`max_page_count = ${pages}`);
    const outcomes = [];
    for (let i = 0; i < 10; i++) outcomes.push(await bed.journal([randomBytes(8_000)]).durable);
    expect(outcomes.at(-1)).toBe(0);
    expect(assertOutboxCovers(bed.database).inStatements).toBe(before);
    bed.database.pragma("max_page_count = 1000000");
    await bed.outbox.heartbeat(run, { clock: "rtc" });
    await expect.poll(() => bed.outbox.status().diskFull).toBe(false);
    bed.outbox.flush();
    assertOutboxCovers(bed.database);
    expect(bed.failure).toBeUndefined();
  });
});

describe("limits", () => {
  it("commits signed statements at the latest when so many wait", async () => {
    const clock = new ManualClock();
    bed = await OutboxTestBed.create({ maxCount: 1 }, { clock });
    const inStatements = () => assertOutboxCovers(bed.database).inStatements;
    const starting = bed.start();
    const advanced = async () => {
      await clock.advance(100);
      return inStatements();
    };
    await expect.poll(advanced).toBe(1);
    const run = await starting;
    bed.journal(small(3 * signedAheadMax + 5));
    const closed = bed.outbox.closeBundle(run, 1_000n);
    await expect.poll(inStatements).toBe(1 + 3 * signedAheadMax);
    await expect.poll(advanced).toBe(1 + 3 * signedAheadMax + 5);
    await closed;
  });

  it("commits the journal at once when so many bytes wait", async () => {
    await open({ journalAfterMs: 60_000 });
    await bed.start();
    const size = journalQueueBytesMax / 1_024;
    bed.journal(Array.from({ length: 1_023 }, () => new Uint8Array(size)));
    expect(assertOutboxCovers(bed.database).inJournal).toBe(0);
    bed.journal([new Uint8Array(size)]);
    expect(assertOutboxCovers(bed.database).inJournal).toBe(1_024);
  });

  it("starts no more runs than it can keep apart", async () => {
    await open();
    const store = new OutboxStore(bed.database, testConfig);
    const stream = identifier("main");
    store.transaction(() => {
      for (let i = 0; i < outboxRunsMax; i++) {
        const incarnation = randomBytes(16);
        const bootId = incarnation;
        store.insertRun({ stream, incarnation, bootId, next: 0, bundles: 0, last: undefined });
      }
    });
    bed.crash();
    await expect(bed.start()).rejects.toMatchObject({ code: "OUTBOX_RUNS_FULL" });
  });

  it("states what was lost, unasked, once one statement could hold no more ranges", async () => {
    await open({ quota: outboxQuotaMin, whenFull: "thin", maxCount: 1 });
    await bed.start();
    let most = 0;
    for (let i = 0; i < 20; i++) {
      await bed.bundle(50, 600);
      most = Math.max(most, bed.outbox.status().gapRanges);
    }
    expect(most).toBeGreaterThan(50);
    expect(most).toBeLessThan(rangesPerGapMax + 64);
    const lists = sendAll()
      .map(claimsOf)
      .flatMap((claims) => (claims.kind === "gap" ? [claims.missing.length] : []));
    expect(Math.max(...lists)).toBe(rangesPerGapMax);
    assertOutboxCovers(bed.database);
  });
});
