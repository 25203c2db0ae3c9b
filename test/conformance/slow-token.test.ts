/** A token that takes half a second for a signature makes bundles larger, and nothing else. */

import { randomBytes } from "node:crypto";
import { closesAheadMax } from "@tamga/agent/limits-daemon";
import type { ByteLink } from "@tamga/agent/link/byte-link";
import { assertOutboxCovers } from "@tamga/agent/outbox/coverage";
import { identifier, OutboxTestBed } from "@tamga/agent/outbox/outbox-test-bed";
import { openSigner } from "@tamga/agent/signer/open-signer";
import { StreamSource } from "@tamga/agent/stream-source";
import { EmulatedP1Meter } from "@tamga/firmware-stubs/p1-meter";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseStatement, verifyStatement } from "@tamga/ledger-core/wire/statement";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { requirePart } from "../real-parts.ts";
import { EmulatedSlowToken } from "../support/emulated-slow-token.ts";
import type { SoftHsm } from "../support/softhsm.ts";
import { createSoftHsm } from "../support/softhsm.ts";
import { soon } from "../support/soon.ts";
import { unwrap } from "../support/unwrap.ts";

const stepMs = 50;
const maxAgeMs = 100;

/** A line on which the test speaks. */
class SpokenLink implements ByteLink {
  readonly name = "spoken";
  #waiting = Promise.withResolvers<void>();
  #said: Uint8Array[] = [];

  say(bytes: Uint8Array): void {
    this.#said.push(bytes);
    this.#waiting.resolve();
  }

  async *open({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    signal.addEventListener("abort", () => this.#waiting.resolve(), { once: true });
    yield new Uint8Array();
    for (;;) {
      await this.#waiting.promise;
      signal.throwIfAborted();
      this.#waiting = Promise.withResolvers();
      for (const bytes of this.#said.splice(0)) yield bytes;
    }
  }
}

describe.runIf(requirePart("softhsm2"))("an agent's stream on a slow token", () => {
  let hsm: SoftHsm;
  const beds: OutboxTestBed[] = [];
  beforeAll(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
  });
  afterEach(() => {
    for (const bed of beds.splice(0)) bed.remove();
  });
  afterAll(() => hsm.remove());

  /** A meter that says two telegrams a step, 40 a second, for `seconds` by the clock of all parts. */
  async function speak(part: {
    readonly signatureMs: number;
    readonly seconds: number;
    readonly maxCount: number;
  }) {
    const { signatureMs, seconds, maxCount } = part;
    const clock = new ManualClock();
    const uri = hsm.keyUri("site", "device");
    const real = await openSigner({ uri, profile: "production", create: true });
    const token = new EmulatedSlowToken(real, { ms: signatureMs, clock });
    const bed = await OutboxTestBed.create({ maxCount }, { signer: token, clock });
    beds.push(bed);
    const link = new SpokenLink();
    const source = new StreamSource({
      stream: identifier("main"),
      protocol: "dsmr-p1",
      emulated: true,
      link,
      limits: { maxCount, maxBytes: 65_536, maxAgeMs },
      outbox: bed.outbox,
      bootId: new Uint8Array(16),
      agentVersion: "0.1.0",
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
      clock,
      clockQuality: () => "ntp",
      events: undefined,
      logger: silentLogger,
    });
    const end = new AbortController();
    await source.open();
    const runs = source.run({ signal: end.signal }).catch(() => undefined);
    const meter = new EmulatedP1Meter({ telegram: "small", seed: 1, firstSequence: 0 });
    /** A step of the clock, and what the real token and the threads that compress make of it. */
    const step = async () => {
      await clock.advance(stepMs);
      await vi.waitUntil(() => !token.isSigning, soon);
      await new Promise((resolve) => setImmediate(resolve));
    };
    let said = 0;
    let backlog = 0;
    for (let at = 0; at < seconds * 1_000; at += stepMs) {
      for (let telegram = 0; telegram < 2; telegram++, said++)
        link.say(meter.next(clock.now()).bytes);
      await step();
      backlog = Math.max(backlog, assertOutboxCovers(bed.database).inJournal);
    }
    const signedWhileSpoken = token.signatures;
    const drained = async () => {
      await step();
      return assertOutboxCovers(bed.database).inStatements;
    };
    // The start statement, and every telegram a reading.
    await vi.waitUntil(async () => (await drained()) === said + 1, soon);
    end.abort(new Error("end"));
    await runs;
    await real.close();
    return { bed, token, said, backlog, signedWhileSpoken };
  }

  /** Counts of the bundles, oldest first; every statement's signature is checked. */
  function bundlesOf({ bed, token }: { bed: OutboxTestBed; token: EmulatedSlowToken }) {
    const statements = bed.outbox.nextToSend({ room: 1_000_000 });
    for (const { bytes } of statements)
      unwrap(verifyStatement(nodeCrypto, unwrap(parseStatement(bytes)), token.publicKey()));
    return statements
      .filter(({ kind }) => kind === "bundle")
      .toSorted((a, b) => Number(a.range.first - b.range.first))
      .map(({ range }) => range.count);
  }
  const median = (counts: readonly number[]) =>
    counts.toSorted((a, b) => a - b)[Math.floor(counts.length / 2)] ?? 0;
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

  test("bundles grow to what comes within a signature, and all readings are signed", async () => {
    const quick = await speak({ signatureMs: 0, seconds: 10, maxCount: 1_000 });
    const quickCounts = bundlesOf(quick);
    expect(sum(quickCounts)).toBe(quick.said);
    const slow = await speak({ signatureMs: 500, seconds: 10, maxCount: 1_000 });
    const counts = bundlesOf(slow);
    expect(sum(counts)).toBe(400);
    expect(slow.said).toBe(400);
    const { statedMissing, waitingForGap, inJournal } = assertOutboxCovers(slow.bed.database);
    expect([statedMissing, waitingForGap, inJournal]).toEqual([0, 0, 0]);
    // Not more than its pace, and a few readings at max_age's: 20 come within a signature.
    expect(slow.signedWhileSpoken).toBeLessThanOrEqual(20);
    // A starved thread may hold one bundle open for longer: most say what the stream does.
    expect(median(quickCounts)).toBeLessThan(10);
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(20);
    expect(counts.length).toBeLessThan(quickCounts.length / 3);
    // One request at a time, and on disk what comes within two signatures: it does not pile up.
    expect(slow.token.mostWaiting).toBe(1);
    expect(slow.backlog).toBeLessThanOrEqual(60);
    expect(slow.bed.failure).toBeUndefined();
  });

  test("past its pace readings wait on disk, not in memory, and are signed once the meter is silent", async () => {
    // At most 16 readings a second are signed, 40 come; more closes are asked for than are kept in mind.
    const over = await speak({ signatureMs: 500, seconds: 20, maxCount: 8 });
    const counts = bundlesOf(over);
    expect(over.said).toBe(800);
    expect(over.said / 4).toBeGreaterThan(closesAheadMax);
    expect(sum(counts)).toBe(800);
    expect(Math.max(...counts)).toBe(8);
    expect(over.token.mostWaiting).toBe(1);
    expect(over.backlog).toBeGreaterThan(300);
    const { statedMissing, waitingForGap, inJournal } = assertOutboxCovers(over.bed.database);
    expect([statedMissing, waitingForGap, inJournal]).toEqual([0, 0, 0]);
    expect(over.bed.failure).toBeUndefined();
  });
});
