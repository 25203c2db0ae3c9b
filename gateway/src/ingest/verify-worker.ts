/** A worker thread of the verify pool: signature checks and body roots, away from the event loop. */

import { parentPort } from "node:worker_threads";
import { present } from "@tamga/ledger-core/base/assert";
import type { Result } from "@tamga/ledger-core/base/result";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { decodeBodyBounded } from "../lane/body-codec.ts";
import type { UplinkFault, UplinkSender, VerifiedUplink } from "./verify-uplink.ts";
import { verifyUplink } from "./verify-uplink.ts";

/** One batch to judge; the answer has the same order. */
export type VerifyBatch = {
  readonly id: number;
  readonly jobs: readonly VerifyJob[];
};
export type VerifyJob = { readonly payload: Uint8Array; readonly sender: UplinkSender };
export type VerifyAnswer = {
  readonly id: number;
  readonly results: readonly Result<VerifiedUplink, UplinkFault>[];
};

const port = present(parentPort, "parent of a worker thread");
const ports = {
  crypto: nodeCrypto,
  hasher: treeHasher((bytes) => nodeCrypto.sha256(bytes)),
  decodeBody: decodeBodyBounded,
};

port.on("message", (batch: VerifyBatch) => {
  const results = batch.jobs.map((job) => verifyUplink(ports, job.payload, job.sender));
  const answer: VerifyAnswer = { id: batch.id, results };
  port.postMessage(answer);
});
