/** Every receipt of the pinned file gets its verdict from both crypto ports, and our encoders still write it. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyGateway } from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { describe, expect, test } from "vitest";
import { four, one, receiptSamples } from "../support/receipt-samples.ts";
import { unwrap } from "../support/test-device.ts";

type Vector = {
  readonly name: string;
  readonly policy: "one" | "four";
  readonly verdict: string;
  readonly gateway?: string;
  readonly hex: string;
};
const vectors: {
  readonly policies: Readonly<Record<Vector["policy"], string>>;
  readonly receipts: readonly Vector[];
} = JSON.parse(readFileSync(new URL("./receipt-v1.json", import.meta.url), "utf8"));

const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const policies = {
  one: unwrap(parseTrustPolicy(utf8(vectors.policies.one))),
  four: unwrap(parseTrustPolicy(utf8(vectors.policies.four))),
};

/** `valid` or a code. */
function judge(crypto: CryptoPort, vector: Vector): string {
  const receipt = parseReceipt(bytes(vector.hex));
  if (!receipt.ok) return receipt.fault.code;
  const policy = policies[vector.policy];
  const { gateway } = receipt.value.lane;
  const options =
    vector.gateway === undefined
      ? {}
      : {
          provisionalUnder: unwrap(
            verifyGateway(crypto, policy, { gateway, chain: [bytes(vector.gateway)] }),
          ),
        };
  const verified = verifyReceipt(crypto, policy, receipt.value, options);
  return verified.ok ? "valid" : verified.fault.code;
}

describe("pinned receipts of version 1", () => {
  test.each(vectors.receipts)("$name: $verdict", (vector) => {
    expect(judge(nodeCrypto, vector)).toBe(vector.verdict);
    expect(judge(nobleCrypto, vector)).toBe(vector.verdict);
  });

  test.each(vectors.receipts.filter(({ verdict }) => verdict === "valid"))(
    "$name is written again as it is read",
    ({ hex }) => {
      expect(toHex(encodeReceipt(unwrap(parseReceipt(bytes(hex)))))).toBe(hex);
    },
  );

  test("are what the encoders write today, policies too", () => {
    expect(encodeTrustPolicy(one.policy)).toBe(vectors.policies.one);
    expect(encodeTrustPolicy(four.policy)).toBe(vectors.policies.four);
    const samples = receiptSamples.map((sample) => [sample.name, toHex(sample.bytes)]);
    expect(samples).toEqual(vectors.receipts.map(({ name, hex }) => [name, hex]));
  });

  test("tell every fault of a seal", () => {
    const verdicts = new Set(vectors.receipts.map(({ verdict }) => verdict));
    for (const code of [
      "SEAL_SIGNER_UNKNOWN",
      "SEAL_SIGNER_REPEATED",
      "SEAL_SIGNATURE_LENGTH",
      "SEAL_COSIGNATURE_WRONG",
      "SEAL_ROOT_SIGNATURE_WRONG",
      "SEAL_QUORUM_MISSING",
    ])
      expect(verdicts).toContain(code);
  });
});
