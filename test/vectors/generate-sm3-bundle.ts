/**
 * Wrote `sm3-bundle-v1.json`, and refuses to write it again. The file is the contract, not this script: a change of
 * format is a new version with a new file, and the old one goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { saltedLeaves, saltOf } from "@tamga/ledger-core/wire/salted-leaf";
import { encodeStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import {
  sm3Channel,
  sm3Readings,
  sm3ReceiptSamples,
  sm3Seed,
  uplinkSamples,
} from "../support/sm3-bundle-samples.ts";
import { pointOf } from "../support/synthetic-channel.ts";

const { sm3 } = nobleCrypto;
const leaves = saltedLeaves(sm3, sm3Seed, sm3Readings);
const vectors = {
  format: "tamga SM3 bundles, version 1 (ledger-core/WIRE.md §6.1)",
  deviceKey: toHex(pointOf(sm3Channel.device.key)),
  bundle: {
    seed: toHex(sm3Seed),
    readings: sm3Readings.map(toHex),
    salts: sm3Readings.map((_, index) => toHex(saltOf(sm3, sm3Seed, index))),
    leaves: leaves.map(toHex),
    root: toHex(rootOf(treeHasher(sm3), leaves)),
    body: toHex(encodeBody({ seed: sm3Seed, readings: sm3Readings })),
  },
  uplinks: uplinkSamples.map(({ name, verdict, ...message }) => ({
    name,
    verdict,
    hex: toHex(encodeStatementMessage(message)),
  })),
  policy: encodeTrustPolicy(sm3Channel.policy),
  receipts: sm3ReceiptSamples.map(({ name, verdict, bytes }) => ({
    name,
    verdict,
    hex: toHex(bytes),
  })),
};

const file = new URL("./sm3-bundle-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
