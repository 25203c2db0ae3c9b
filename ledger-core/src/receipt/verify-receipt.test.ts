import { describe, expect, test } from "vitest";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Receipt } from "./receipt.ts";
import { encodeReceipt, parseReceipt } from "./receipt.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { verifyReceipt } from "./verify-receipt.ts";

/** The code of the fault, `valid`, or the parser's code: what the command prints first. */
function verdict(policy: TrustPolicy, bytes: Uint8Array): string {
  const receipt = parseReceipt(bytes);
  if (!receipt.ok) return receipt.fault.code;
  return judge(policy, receipt.value);
}

function judge(policy: TrustPolicy, receipt: Receipt): string {
  const native = verifyReceipt(nodeCrypto, policy, receipt);
  const portable = verifyReceipt(nobleCrypto, policy, receipt);
  const code = native.ok ? "valid" : native.fault.code;
  expect(portable.ok ? "valid" : portable.fault.code, "native and portable differ").toBe(code);
  return code;
}

describe("a true receipt", () => {
  test.each([1, 4])("of %i validators verifies", (validators) => {
    const channel = new SyntheticChannel({ validators });
    const bytes = encodeReceipt(issueReceipt(channel));
    expect(verdict(channel.policy, bytes)).toBe("valid");
  });
});
