/** Spreads statements to check over worker threads, in batches, and keeps what waits bounded. */

import { Worker } from "node:worker_threads";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import {
  verifyBatchMax,
  verifyHeapMbMax,
  verifyQueueMax,
  verifyQueuePerDeviceMax,
  verifyShareMax,
  verifyYoungMbMax,
} from "../limits.ts";
import { FairQueue } from "./fair-queue.ts";
import type { Verdict, VerifyAnswer, VerifyJob } from "./verify-batch.ts";
import { packBatch, unpackAnswer } from "./verify-batch.ts";

type Waiting = {
  readonly job: VerifyJob;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: unknown) => void;
};
type Lane = { worker: Worker; inFlight: Waiting[] | undefined };

export class VerifyPool {
  readonly #script: URL;
  readonly #lanes: Lane[] = [];
  readonly #queue = new FairQueue<Waiting>({
    totalMax: verifyQueueMax,
    perHolderMax: verifyQueuePerDeviceMax,
    shareMax: verifyShareMax,
  });
  #nextId = 0;
  #closed = false;
  #scheduled = false;

  /**
   * @param threads worker threads, 1 or more.
   * @param script what they run; a test has them die.
   */
  constructor(threads: number, script = new URL("./verify-worker.ts", import.meta.url)) {
    this.#script = script;
    for (let i = 0; i < threads; i++) this.#lanes.push(this.#start());
  }

  /** Jobs that wait or are being checked. */
  get pending(): number {
    return this.#lanes.reduce(
      (sum, lane) => sum + (lane.inFlight?.length ?? 0),
      this.#queue.length,
    );
  }

  /**
   * Judges one message. Rejects with OperationalError VERIFY_QUEUE_FULL past the bounds, and
   * VERIFY_WORKER_LOST when a thread died over this very job.
   */
  verify(job: VerifyJob): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const waiting = { job, resolve, reject };
      if (this.#closed || !this.#queue.push(job.sender.device, waiting)) {
        const sentence = "Too many statements wait to be checked; try again.";
        reject(new OperationalError("VERIFY_QUEUE_FULL", sentence));
        return;
      }
      // What arrives in one turn of the event loop travels to the thread together.
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#dispatch();
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#lanes.map((lane) => lane.worker.terminate()));
    this.#fail(this.#queue.drain(), undefined);
  }

  #dispatch(): void {
    const idle = this.#lanes.filter((lane) => lane.inFlight === undefined);
    for (const [i, lane] of idle.entries()) {
      const share = Math.ceil(this.#queue.length / (idle.length - i));
      const taken = this.#queue.take(Math.min(verifyBatchMax, share));
      if (taken.length === 0) return;
      lane.inFlight = taken;
      const batch = packBatch(
        this.#nextId++,
        taken.map((item) => item.job),
      );
      lane.worker.postMessage(batch, [batch.payloads.buffer]);
    }
  }

  #start(): Lane {
    const lane: Lane = { worker: this.#spawn(() => lane), inFlight: undefined };
    return lane;
  }

  #spawn(lane: () => Lane): Worker {
    const worker = new Worker(this.#script, {
      resourceLimits: {
        maxOldGenerationSizeMb: verifyHeapMbMax,
        maxYoungGenerationSizeMb: verifyYoungMbMax,
      },
    });
    worker.unref();
    worker.on("message", (answer: VerifyAnswer) => {
      const done = lane().inFlight ?? [];
      lane().inFlight = undefined;
      this.#dispatch();
      const verdicts = unpackAnswer(
        answer,
        done.map((item) => item.job),
      );
      for (const [i, item] of done.entries()) {
        item.resolve(present(verdicts[i], "verdict of a job"));
      }
    });
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    // Also a thread that ends without an error ends.
    worker.on("exit", () => this.#lost(lane(), cause));
    return worker;
  }

  /** A thread that died takes its batch with it: the client is cut off unacknowledged and sends again. */
  #lost(lane: Lane, cause: unknown): void {
    const failed = lane.inFlight ?? [];
    lane.inFlight = undefined;
    this.#fail(failed, cause);
    if (this.#closed) return;
    lane.worker = this.#spawn(() => lane);
    // Those who waited behind it must not wait for somebody else to come.
    this.#dispatch();
  }

  #fail(items: readonly Waiting[], cause: unknown): void {
    const sentence = "A verify thread ended; the statement is sent again.";
    for (const { reject } of items) {
      reject(new OperationalError("VERIFY_WORKER_LOST", sentence, { cause }));
    }
  }
}
