/**
 * Appraisals of evidence by one core, beside the bare check of their signatures, and the bytes of evidence and
 * result. Run it by hand: `node test/bench/appraisals.ts`.
 */

import { appraise } from "@tamga/gateway/attestation/appraise";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import {
  bootLog,
  bootTexts,
  claims,
  evidenceOf,
  madeTpm,
  nonce,
  signedResult,
} from "../support/attestation-samples.ts";
import { bareVerifyRate, cpuSecondsOf } from "./bare-rates.ts";

const count = 5_000;
const evidence = evidenceOf();
const references = {
  digest: nodeCrypto.sha256(utf8("reference values")),
  pcrs: new Map(),
  ageMax: 600,
};
const context = {
  device: claims.device,
  attestationKey: madeTpm.attestationKey,
  isEndorsed: true,
  now: claims.issuedAt,
  asked: { nonce, at: claims.issuedAt },
  log: bootLog(bootTexts),
  appraiser: { developer: "Tamga", build: "bench" },
};
const seconds = cpuSecondsOf(() => {
  for (let i = 0; i < count; i++)
    if (!appraise(nodeCrypto, evidence, { context, references }).ok) throw new Error("refused");
});
const sizes = { evidenceBytes: evidence.length, resultBytes: signedResult().length };
const rates = {
  perCpuSecond: Math.round(count / seconds),
  bareVerifies: Math.round(bareVerifyRate(150, count)),
};
process.stdout.write(`${JSON.stringify({ appraisals: count, ...rates, ...sizes })}\n`);
