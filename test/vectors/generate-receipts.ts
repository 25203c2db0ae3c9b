/**
 * Wrote `receipt-v1.json`, and refuses to write it again. The file is the contract, not this script: a
 * change of format is a new version with a new file, and `receipt-v1.json` goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { four, one, receiptSamples } from "../support/receipt-samples.ts";

const vectors = {
  format: "tamga receipt file, version 1 (ledger-core/WIRE.md §10)",
  policies: { one: encodeTrustPolicy(one.policy), four: encodeTrustPolicy(four.policy) },
  receipts: receiptSamples.map(({ name, policy, verdict, bytes, gateway }) => ({
    name,
    policy,
    verdict,
    ...(gateway && { gateway: toHex(gateway) }),
    hex: toHex(bytes),
  })),
};

const file = new URL("./receipt-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
