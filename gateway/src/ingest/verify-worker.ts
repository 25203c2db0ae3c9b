/** A worker thread of the verify pool: signature checks and body roots, away from the event loop. */

import { parentPort } from "node:worker_threads";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { decodeBodyBounded } from "../lane/body-codec.ts";
import type { VerifyBatch } from "./verify-batch.ts";
import { packAnswer, unpackBatch } from "./verify-batch.ts";
import { verifyUplink } from "./verify-uplink.ts";

const port = present(parentPort, "parent of a worker thread");
const ports = {
  crypto: nodeCrypto,
  hashers: {
    "sha-256": treeHasher((bytes) => nodeCrypto.sha256(bytes)),
    sm3: treeHasher((bytes) => nodeCrypto.sm3(bytes)),
  },
  decodeBody: decodeBodyBounded,
};

port.on("message", (batch: VerifyBatch) => {
  const verdicts = unpackBatch(batch).map((job) => verifyUplink(ports, job.payload, job.sender));
  const answer = packAnswer(batch.id, verdicts);
  port.postMessage(answer, [answer.records.buffer]);
});
