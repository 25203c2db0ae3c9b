/** Appraisals of evidence by one core, beside the bare check of their signatures. */

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
import type { Bench } from "./bench.ts";
import { sized } from "./bench.ts";
import { rowOf } from "./row.ts";

const evidence = evidenceOf();
const references = {
  digest: nodeCrypto.sha256(utf8("reference values")),
  pcrs: new Map(),
  ageMax: 600,
};
const occasion = {
  device: claims.device,
  attestationKey: madeTpm.attestationKey,
  isEndorsed: true,
  now: claims.issuedAt,
  asked: { nonce, at: claims.issuedAt },
  log: bootLog(bootTexts),
  appraiser: { developer: "Tamga", build: "bench" },
};

export const appraisals: Bench = {
  name: "appraisals",
  async run(context) {
    const count = sized(context, 5_000, 500);
    const values: number[] = [];
    for (let run = 0; run < context.runs; run++) {
      const seconds = cpuSecondsOf(() => {
        for (let i = 0; i < count; i++)
          if (!appraise(nodeCrypto, evidence, { context: occasion, references }).ok)
            throw new Error("refused");
      });
      values.push(count / seconds);
    }
    return [
      rowOf({
        name: "appraisals by one core",
        unit: "appraisals/s of CPU",
        values,
        limit: bareVerifyRate(150, count),
        conditions: `evidence of ${evidence.length} bytes with its boot log, asked; the result (${signedResult().length} bytes) not signed; beside: the bare P-256 check`,
      }),
    ];
  },
};
