/** Order, failure and overload at the door of the lane; the broker and the threads are stood in for. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { expect, it } from "vitest";
import { identifier, meter } from "../lane/lane-fixture.ts";
import { commitLookMs, commitMsMax, rejectionBurstMax, rejectionsPerSecondMax } from "../limits.ts";
import { Ingest } from "./ingest.ts";
import type { Verdict } from "./verify-batch.ts";

const access = { channel: identifier("energy"), device: meter, rights: "full" } as const;

function rig() {
  const clock = new ManualClock();
  const verdicts: PromiseWithResolvers<Verdict>[] = [];
  const admitted: number[] = [];
  const questions: number[] = [];
  const ingest = new Ingest({
    pool: {
      verify: () => {
        const verdict = Promise.withResolvers<Verdict>();
        verdicts.push(verdict);
        return verdict.promise;
      },
    },
    order: () => undefined,
    admit: async (admission) => {
      admitted.push("bytes" in admission ? (admission.bytes[0] ?? 0) : 0);
      return { outcome: "rejected" };
    },
    keysOf: () => [],
    have: async () => {
      questions.push(clock.monotonic());
      await clock.sleep(10, { signal: new AbortController().signal });
    },
    renew: async () => undefined,
    clock,
  });
  const deliver = (byte: number) => ingest.deliver(access, "statement", Uint8Array.of(byte));
  const judge = (at: number) => {
    const bytes = Uint8Array.of(at);
    verdicts[at]?.resolve({
      ok: false,
      fault: { code: "CBOR_MALFORMED", digest: nodeCrypto.sha256(bytes) },
    });
  };
  return { clock, verdicts, admitted, questions, ingest, deliver, judge };
}

it("outlives a message that cannot be checked while an earlier one still is", async () => {
  const { verdicts, admitted, deliver, judge } = rig();
  const first = deliver(0);
  const second = deliver(1);
  const refused = new OperationalError("VERIFY_QUEUE_FULL", "Too many.");
  verdicts[1]?.reject(refused);
  // A turn of the loop, in which a rejection that nobody handles would end the process.
  await new Promise((resolve) => setImmediate(resolve));
  judge(0);
  await first;
  await expect(second).rejects.toBe(refused);
  expect(admitted).toEqual([0]);
});

it("ends where nothing is acknowledged any more, and not where much is", async () => {
  const { clock, ingest, deliver, judge } = rig();
  const stop = new AbortController();
  const watched = ingest.watch({ signal: stop.signal });
  watched.catch(() => undefined);
  const oldest = deliver(0);
  for (let waited = 0; waited < 3 * commitMsMax; waited += commitMsMax / 2) {
    const next = 1 + (2 * waited) / commitMsMax;
    const other = ingest.deliver(
      { ...access, device: identifier("meter-2") },
      "statement",
      Uint8Array.of(next),
    );
    judge(next);
    await other;
    await clock.advance(commitMsMax / 2);
  }
  await clock.advance(commitMsMax + commitLookMs);
  await expect(watched).rejects.toMatchObject({ code: "COMMIT_OVERDUE" });
  judge(0);
  await oldest;
});

it("answers a device's questions one after the other, with rests between them", async () => {
  const { clock, questions, ingest } = rig();
  const ask = () => ingest.deliver(access, "have", Uint8Array.of());
  const asked = [ask(), ask(), ask()];
  while (questions.length < 3) await clock.advance(1);
  const [first = 0, second = 0, third = 0] = questions;
  expect(second - first).toBeGreaterThanOrEqual(40);
  expect(third - second).toBeGreaterThanOrEqual(40);
  await clock.advance(100);
  await Promise.all(asked);
});

it("slows a device down that has had its burst of rejections, and ends its wait at the close", async () => {
  const { clock, admitted, ingest, deliver, judge } = rig();
  for (let i = 0; i < rejectionBurstMax; i++) {
    const delivered = deliver(i);
    judge(i);
    await delivered;
  }
  expect(admitted).toHaveLength(rejectionBurstMax);
  const late = deliver(rejectionBurstMax);
  judge(rejectionBurstMax);
  await clock.advance(1_000 / rejectionsPerSecondMax - 1);
  expect(admitted).toHaveLength(rejectionBurstMax);
  await clock.advance(1);
  await late;
  expect(admitted).toHaveLength(rejectionBurstMax + 1);
  const waiting = deliver(rejectionBurstMax + 1);
  judge(rejectionBurstMax + 1);
  ingest.close();
  await expect(waiting).rejects.toMatchObject({ code: "INGEST_CLOSED" });
});
