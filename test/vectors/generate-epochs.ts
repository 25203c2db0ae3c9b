/**
 * Wrote `epochs-v1.json`, and refuses to write it again. The file is the contract, not this script: a
 * change of format is a new version with a new file, and `epochs-v1.json` goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { EpochReceiptSample } from "../support/epochs-samples.ts";
import { channel, epochReceiptSamples, epochsSamples } from "../support/epochs-samples.ts";

const row = ({ bytes, ...sample }: EpochReceiptSample) => ({ ...sample, hex: toHex(bytes) });
const vectors = {
  format: "tamga epochs file, version 1 (ledger-core/WIRE.md §18.5)",
  policy: encodeTrustPolicy(channel.policy),
  files: epochsSamples.map(row),
  receipts: epochReceiptSamples.map(row),
};

const file = new URL("./epochs-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
