/**
 * Wrote `attestation-v1.json`, and refuses to write it again. The file is the contract, not this script: a
 * change of format is a new version with a new file, and `attestation-v1.json` goes on being read.
 */

import { writeFileSync } from "node:fs";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { quoteQualifier } from "@tamga/ledger-core/wire/attestation-evidence";
import {
  claims,
  evidenceOf,
  gatewayKey,
  madeTpm,
  result,
  signedResult,
} from "../support/attestation-samples.ts";
import { flippedWithin } from "../support/made-quote.ts";

const { nonce: _, eventLog: _log, checkpoint: _checkpoint, ...least } = claims;
const evidence = evidenceOf();
const signed = signedResult();
const version = (bytes: Uint8Array, text: string) => toHex(flippedWithin(bytes, utf8(text)));
const vectors = {
  format: "tamga attestation, version 1 (ledger-core/WIRE.md §19)",
  attestationKey: toHex(madeTpm.attestationKey),
  gatewayKey: toHex(gatewayKey.spki),
  evidence: [
    { name: "whole", hex: toHex(evidence), qualifying: toHex(quoteQualifier(nobleCrypto, claims)) },
    {
      name: "least",
      hex: toHex(evidenceOf({ claims: { ...least, streams: [] } })),
      qualifying: toHex(quoteQualifier(nobleCrypto, { ...least, streams: [] })),
    },
  ],
  results: [
    { name: "affirming", hex: toHex(signed) },
    {
      name: "contraindicated",
      hex: toHex(signedResult({ ...result, modules: { agent: {}, platform: { executables: 96 } } })),
    },
  ],
  tampered: [
    { name: "evidence 0", of: "evidence", code: "EVIDENCE_VERSION_UNKNOWN", hex: version(evidence, "cbor; eat_profile=\"tamga:evidence/1") },
    { name: "device", of: "evidence", code: "QUOTE_NOT_BOUND", hex: version(evidence, claims.device) },
    { name: "result's device", of: "result", code: "RESULT_SIGNATURE_WRONG", hex: version(signed, claims.device) },
    { name: "result of another EAR", of: "result", code: "RESULT_VERSION_UNKNOWN", hex: version(signed, "eat_profile=\"tag:ietf.org,2026:rats/ear#05") },
  ],
};

const file = new URL("./attestation-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
