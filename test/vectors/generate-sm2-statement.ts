/**
 * Wrote `sm2-statement-v1.json`, and refuses to write it again. The file is the contract, not this script: a change of
 * format is a new version with a new file, and the old one goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { sm2Preamble, sm2UserId } from "@tamga/ledger-core/base/sm2";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { sm2DeviceKey, sm2Policies, sm2Receipts, sm2Statements } from "../support/sm2-samples.ts";
import { pointOf } from "../support/synthetic-channel.ts";

const vectors = {
  format: "tamga statements under SM2 with SM3, version 1 (ledger-core/WIRE.md §3)",
  userId: sm2UserId,
  deviceKey: toHex(pointOf(sm2DeviceKey)),
  spki: toHex(sm2DeviceKey.spki),
  thumbprint: toHex(thumbprint(nobleCrypto.sha256, sm2DeviceKey.publicKey)),
  preamble: toHex(sm2Preamble(nobleCrypto.sm3, pointOf(sm2DeviceKey))),
  statements: sm2Statements.map(({ bytes, ...sample }) => ({ ...sample, hex: toHex(bytes) })),
  policies: {
    site: encodeTrustPolicy(sm2Policies.site),
    organisation: encodeTrustPolicy(sm2Policies.organisation),
    forged: encodeTrustPolicy(sm2Policies.forged),
  },
  receipts: sm2Receipts.map(({ bytes, ...sample }) => ({ ...sample, hex: toHex(bytes) })),
};

const file = new URL("./sm2-statement-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
