/**
 * Wrote `packed-receipt-v1.json`, and refuses to write it again. The file is the contract, not this script: a
 * change of format is a new version with a new file, and `packed-receipt-v1.json` goes on being read.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { packedSamples } from "../support/packed-samples.ts";

const vectors = {
  format: "tamga packed receipt file, version 1 (ledger-core/WIRE.md §10.1)",
  /** `plain`: the name of the receipt in receipt-v1.json that it is; else the code of the refusal. */
  receipts: packedSamples.map(({ bytes, ...sample }) => ({ ...sample, hex: toHex(bytes) })),
};

const file = new URL("./packed-receipt-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
