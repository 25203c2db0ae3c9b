/** Evidence into a real outbox: at once and at intervals, with its log, and what happens where none can be made. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { evidenceLog } from "../../test/support/evidence-statement-samples.ts";
import { unwrap } from "../../test/support/unwrap.ts";
import type { AttesterState } from "./attestation/attester.ts";
import { EvidenceSource } from "./evidence-source.ts";
import { outboxQuotaMin } from "./limits.ts";
import { evidenceRetryMs } from "./limits-daemon.ts";
import { OutboxTestBed } from "./outbox/outbox-test-bed.ts";

const device = unwrap(parseIdentifier("box-1"));
const everyMs = 3_600_000;
let bed: OutboxTestBed;
let clock: ManualClock;
let asked: AttesterState[];
let end: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  bed = await OutboxTestBed.create();
  clock = new ManualClock();
  asked = [];
  end = new AbortController();
});
afterEach(async () => {
  end.abort();
  await running;
  bed.remove();
});

/** A stand-in for the TPM: its evidence is bytes that no appraiser would take. */
async function start(make: () => Uint8Array, log = evidenceLog) {
  const source = new EvidenceSource({
    maker: {
      make: async (state) => {
        asked.push(state);
        return { evidence: make(), log };
      },
    },
    outbox: bed.outbox,
    device,
    isEmulated: true,
    everyMs,
    bootId: new Uint8Array(16).fill(9),
    agentVersion: "0.1.0",
    randomBytes: (length) => new Uint8Array(length).fill(7),
    clock,
    logger: silentLogger,
  });
  await source.open();
  running = source.run({ signal: end.signal });
  return source;
}

const rows = () =>
  bed.database
    .prepare<[], { first: number; length: number | null }>(
      `SELECT s.first, b.length FROM statement s LEFT JOIN body b ON b.ordinal = s.ordinal
       WHERE s.kind = 4 ORDER BY s.first`,
    )
    .all();

test("is stated at once and at intervals, its log beside it, bound to what is on disk", async () => {
  const main = await bed.start();
  await bed.bundle(3);
  bed.journal([new Uint8Array(5)], main);
  const source = await start(() => Uint8Array.of(1));
  await vi.waitFor(() => expect(rows()).toHaveLength(1), { timeout: 60_000 });
  expect(rows()[0]).toEqual({ first: 1, length: evidenceLog.length });
  // The open bundle is not in a statement yet: the next one begins with its first reading.
  const head = asked[0]?.streams.find(({ stream }) => stream === "main");
  expect(head).toMatchObject({ incarnation: main.incarnation, next: 4n });
  expect(head?.last).toHaveLength(32);
  await vi.waitFor(() => expect(source.status().statedAt).toBe(clock.now()), { timeout: 60_000 });
  await clock.advance(everyMs);
  await vi.waitFor(() => expect(rows()).toHaveLength(2), { timeout: 60_000 });
});

test("a TPM that is away is tried again after a minute, and said in the status", async () => {
  let isAway = true;
  const source = await start(() => {
    if (isAway) throw new OperationalError("TPM_UNAVAILABLE", "no TPM answers");
    return Uint8Array.of(1);
  });
  const trouble = (code: string | undefined) =>
    vi.waitFor(() => expect(source.status().trouble).toBe(code), { timeout: 60_000 });
  await trouble("TPM_UNAVAILABLE");
  expect(rows()).toEqual([]);
  isAway = false;
  await clock.advance(evidenceRetryMs);
  await vi.waitFor(() => expect(rows()).toHaveLength(1), { timeout: 60_000 });
  await trouble(undefined);
});

test("an outbox without the space takes no evidence, and that is said", async () => {
  bed.remove();
  bed = await OutboxTestBed.create({ quota: outboxQuotaMin });
  const source = await start(() => Uint8Array.of(1), new Uint8Array(outboxQuotaMin));
  await vi.waitFor(() => expect(source.status().trouble).toBe("OUTBOX_FULL"), { timeout: 60_000 });
  expect(rows()).toEqual([]);
});
