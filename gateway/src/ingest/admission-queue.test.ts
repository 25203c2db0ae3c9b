import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { describe, expect, test } from "vitest";
import type { Admission, Admitted } from "../lane/admission.ts";
import { admission } from "../lane/lane-fixture.ts";
import { admissionsPerBatchMax } from "../limits.ts";
import { AdmissionQueue } from "./admission-queue.ts";

function rig(admit?: (batch: readonly Admission[]) => readonly Admitted[]) {
  const clock = new ManualClock();
  const batches: number[] = [];
  const told: string[] = [];
  const queue = new AdmissionQueue({
    admit: (batch) => {
      batches.push(batch.length);
      if (admit !== undefined) return admit(batch);
      return batch.map((_, i) => ({ outcome: "accepted", lane: 1, leafIndex: BigInt(i) }));
    },
    committed: (batch) => told.push(`committed ${batch.length}`),
    clock,
    waitMs: 2,
  });
  return { clock, batches, told, queue };
}

describe("AdmissionQueue", () => {
  test("commits together what arrives within the wait, and answers in order", async () => {
    const { clock, batches, told, queue } = rig();
    const answers = [0, 1, 2].map((first) => queue.add(admission({ first })));
    expect(batches).toEqual([]);
    await clock.advance(2);
    const indices = (await Promise.all(answers)).map(({ leafIndex }) => leafIndex);
    expect(indices).toEqual([0n, 1n, 2n]);
    expect(batches).toEqual([3]);
    expect(told).toEqual(["committed 3"]);
  });

  test("does not wait once a batch is full", async () => {
    const { clock, batches, queue } = rig();
    const answers = Array.from({ length: admissionsPerBatchMax + 1 }, (_, first) =>
      queue.add(admission({ first })),
    );
    expect(batches).toEqual([admissionsPerBatchMax]);
    await clock.advance(2);
    await Promise.all(answers);
    expect(batches).toEqual([admissionsPerBatchMax, 1]);
  });

  test("rejects everybody whose commit failed, tells nobody of it, and goes on", async () => {
    let fails = true;
    const { clock, told, queue } = rig((batch) => {
      if (fails) throw new Error("disk full");
      return batch.map(() => ({ outcome: "accepted", lane: 1, leafIndex: 0n }));
    });
    const failed = [0, 1].map((first) => queue.add(admission({ first })));
    const settled = Promise.allSettled(failed);
    await clock.advance(2);
    expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(told).toEqual([]);
    fails = false;
    const later = queue.add(admission({ first: 2 }));
    queue.flush();
    expect((await later).outcome).toBe("accepted");
    expect(told).toEqual(["committed 1"]);
  });
});
