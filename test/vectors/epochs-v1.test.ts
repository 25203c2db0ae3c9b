/** Every epochs file of the pinned vectors gets its verdict from both crypto ports, and so do the receipts on it. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { EpochChain } from "@tamga/ledger-core/receipt/epoch-chain";
import { followEpochs } from "@tamga/ledger-core/receipt/epoch-chain";
import { encodeEpochs, parseEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { describe, expect, test } from "vitest";
import { epochReceiptSamples, epochsSamples } from "../support/epochs-samples.ts";
import { unwrap } from "../support/test-device.ts";

type Vector = {
  readonly name: string;
  readonly verdict: string;
  readonly epochs?: string;
  readonly hex: string;
};
const vectors: {
  readonly policy: string;
  readonly files: readonly Vector[];
  readonly receipts: readonly Vector[];
} = JSON.parse(readFileSync(new URL("./epochs-v1.json", import.meta.url), "utf8"));

const policy = unwrap(parseTrustPolicy(utf8(vectors.policy)));
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");

function follow(crypto: CryptoPort, hex: string) {
  const parsed = parseEpochs(bytes(hex));
  return parsed.ok ? followEpochs(crypto, policy, parsed.value) : parsed;
}

function judgeReceipt(crypto: CryptoPort, vector: Vector): string {
  const file = vectors.files.find(({ name }) => name === vector.epochs);
  const epochs: EpochChain | undefined = file && unwrap(follow(crypto, file.hex));
  const receipt = unwrap(parseReceipt(bytes(vector.hex)));
  const verified = verifyReceipt(crypto, policy, receipt, epochs === undefined ? {} : { epochs });
  return verified.ok ? "valid" : verified.fault.code;
}

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("with %s", (_, crypto) => {
  test.each(vectors.files)("$name: $verdict", ({ hex, verdict }) => {
    const followed = follow(crypto, hex);
    expect(followed.ok ? "valid" : followed.fault.code).toBe(verdict);
  });

  test.each(vectors.receipts)("receipt $name, with $epochs: $verdict", (vector) => {
    expect(judgeReceipt(crypto, vector)).toBe(vector.verdict);
  });
});

test("our encoders still write these bytes", () => {
  const pinned = (list: readonly Vector[]) => list.map(({ name, hex }) => [name, hex]);
  const made = (samples: typeof epochsSamples) =>
    samples.map((sample) => [sample.name, toHex(sample.bytes)]);
  expect(made(epochsSamples)).toEqual(pinned(vectors.files));
  expect(made(epochReceiptSamples)).toEqual(pinned(vectors.receipts));
  for (const { hex, verdict } of vectors.files)
    if (verdict === "valid") expect(toHex(encodeEpochs(unwrap(parseEpochs(bytes(hex)))))).toBe(hex);
});
