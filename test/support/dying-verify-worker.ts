/** A verify thread that dies over a message whose first byte is 0xEE, and is the real one otherwise. */

import { parentPort } from "node:worker_threads";
import type { VerifyBatch } from "@tamga/gateway/ingest/verify-batch";

parentPort?.on("message", (batch: VerifyBatch) => {
  if (batch.payloads[0] !== 0xee) return;
  // As a body would that takes more memory than a thread may have.
  const hoard: number[][] = [];
  for (;;) hoard.push(new Array<number>(1_000_000).fill(hoard.length));
});
await import("@tamga/gateway/ingest/verify-worker");
