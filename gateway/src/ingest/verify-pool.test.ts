import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { afterEach, describe, expect, test } from "vitest";
import { identifier } from "../lane/lane-fixture.ts";
import { verifyBatchMax, verifyQueueMax, verifyQueuePerDeviceMax } from "../limits.ts";
import { VerifyPool } from "./verify-pool.ts";

const sender = { channel: identifier("energy"), device: identifier("meter-1"), keys: [] };
const job = (...bytes: readonly number[]) => ({ payload: Uint8Array.from(bytes), sender });
const dying = new URL("../../../test/support/dying-verify-worker.ts", import.meta.url);

const pools: VerifyPool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

function open(threads: number, script?: URL): VerifyPool {
  const pool = script === undefined ? new VerifyPool(threads) : new VerifyPool(threads, script);
  pools.push(pool);
  return pool;
}

const codeOf = (error: unknown) => (error instanceof OperationalError ? error.code : String(error));

describe("VerifyPool", () => {
  test("judges every job, over more batches than threads, each with its own digest", async () => {
    const pool = open(2);
    const jobs = Array.from({ length: 3 * verifyBatchMax + 1 }, (_, i) =>
      job(0xff, i >> 8, i & 255),
    );
    const verdicts = await Promise.all(jobs.map((one) => pool.verify(one)));
    const digests = verdicts.map((verdict) => (verdict.ok ? "" : verdict.fault.digest.join()));
    expect(
      verdicts.every((verdict) => !verdict.ok && verdict.fault.code === "CBOR_MALFORMED"),
    ).toBe(true);
    expect(new Set(digests).size).toBe(jobs.length);
    expect(pool.pending).toBe(0);
  });

  test("refuses past its bounds, of one device and of all, and once it is closed", async () => {
    const pool = open(1);
    const of = (device: number) => {
      const from = { ...sender, device: identifier(`meter-${device}`) };
      return pool.verify({ ...job(0xff), sender: from });
    };
    const devices = verifyQueueMax / verifyQueuePerDeviceMax;
    const waiting = Array.from({ length: verifyQueueMax }, (_, i) => of(i % devices));
    await expect(of(devices).catch(codeOf)).resolves.toBe("VERIFY_QUEUE_FULL");
    await Promise.all(waiting);
    const one = Array.from({ length: verifyQueuePerDeviceMax }, () => of(0));
    await expect(of(0).catch(codeOf)).resolves.toBe("VERIFY_QUEUE_FULL");
    await expect(of(1)).resolves.toMatchObject({ ok: false });
    await Promise.all(one);
    await pool.close();
    await expect(of(0).catch(codeOf)).resolves.toBe("VERIFY_QUEUE_FULL");
  });

  test("fails the batch that a thread died over, and goes on with those behind it", async () => {
    const pool = open(1, dying);
    const poison = pool.verify(job(0xee)).catch(codeOf);
    const fellows = Array.from({ length: verifyBatchMax - 1 }, () =>
      pool.verify(job(0xff)).catch(codeOf),
    );
    const behind = pool.verify(job(0xff));
    await expect(poison).resolves.toBe("VERIFY_WORKER_LOST");
    expect(new Set(await Promise.all(fellows))).toEqual(new Set(["VERIFY_WORKER_LOST"]));
    expect(await behind).toMatchObject({ ok: false, fault: { code: "CBOR_MALFORMED" } });
    await expect(pool.verify(job(0xee)).catch(codeOf)).resolves.toBe("VERIFY_WORKER_LOST");
    expect(await pool.verify(job(0xff))).toMatchObject({ ok: false });
    expect(pool.pending).toBe(0);
  });

  test("leaves nobody waiting when it is closed", async () => {
    const pool = open(1);
    const waiting = Array.from({ length: 3 * verifyBatchMax }, () =>
      pool.verify(job(0xff)).then(() => "judged", codeOf),
    );
    await pool.close();
    const outcomes = new Set(await Promise.all(waiting));
    expect([...outcomes].every((one) => one === "judged" || one === "VERIFY_WORKER_LOST")).toBe(
      true,
    );
  });
});
