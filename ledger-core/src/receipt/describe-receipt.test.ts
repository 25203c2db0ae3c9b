import { describe, expect, test } from "vitest";
import { day } from "../../../test/support/certificate-builder.ts";
import type { SyntheticOptions } from "../../../test/support/synthetic-channel.ts";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { meterReading, tagReading } from "../../../test/support/wire-samples.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Reading } from "../wire/reading.ts";
import { encodeReading } from "../wire/reading.ts";
import { describeReceipt } from "./describe-receipt.ts";
import type { Language } from "./explain-fault.ts";
import { languages } from "./explain-fault.ts";
import type { Receipt } from "./receipt.ts";
import { viewReceipt } from "./receipt-view.ts";
import { groupedHex, trustPolicyDigest } from "./trust-policy.ts";
import { verifyGateway } from "./verify-gateway.ts";
import type { ReceiptOptions } from "./verify-receipt.ts";
import { verifyReceipt } from "./verify-receipt.ts";

function verified(channel: SyntheticChannel, receipt: Receipt, options: ReceiptOptions = {}) {
  const result = verifyReceipt(nodeCrypto, channel.policy, receipt, options);
  if (!result.ok) throw new Error(result.fault.code);
  return result.value;
}

function lines(
  channel: SyntheticChannel,
  receipt = issueReceipt(channel),
  language: Language = "en",
): readonly string[] {
  return describeReceipt(nodeCrypto.sha256, verified(channel, receipt), language);
}

/** The lines for one disclosed reading. */
function linesOf(reading: Reading, options: SyntheticOptions = {}): readonly string[] {
  const channel = new SyntheticChannel(options);
  const bundle = channel.bundle({ readings: [encodeReading(reading)] });
  const index = channel.admit(bundle.statement);
  const disclosed = bundle.disclose(0);
  return lines(channel, channel.receipt(index, channel.seal(), { disclosed }));
}

test("says of a meter reading all that it proves", () => {
  const channel = new SyntheticChannel();
  const digest = groupedHex(trustPolicyDigest(nodeCrypto.sha256, channel.policy));
  const text = lines(channel);
  for (const line of [
    "VALID: reading 1 of a bundle of 2, signed by device-1, channel consortium.example/milk",
    "EMULATED SOURCE: its operator declares it an emulator; no real meter or tag was read.",
    "Source: E0000000000000001 (maker TMG), stream p1, protocol dsmr-p1",
    "  1-0:1.8.1*255 = 123456789 Wh",
    "  0-1:24.2.1*255 = 12785.123 m3 (2026-05-28T21:21:40+01:00)",
    "Captured: 2026-05-28T22:26:39+02:00, as the device claims (quality: valid)",
    "Received: 2026-05-28T20:26:40Z, by the agent (clock: ntp)",
    "Existed no later than: 2026-05-28T20:28:20Z, the cosignature time",
    "Made after: checkpoint 1",
    "Key kind: SOFTWARE KEY IN A FILE, which can be copied (device-1, certified by organisation-1)",
    "Key: not revoked as of checkpoint 2 (0 keys revoked in all)",
    "Cosigned by 1 of 1 organisations: organisation-1",
    `Trust policy: ${digest} (compare it out of band)`,
  ])
    expect(text).toContain(line);
  expect(
    text.some((line) => line.startsWith("Verified: the reading is in the signed bundle")),
  ).toBe(true);
  expect(text).toContain(
    "Not verified: what software the device ran (no attestation); " +
      "whether the key was revoked after checkpoint 2.",
  );
  expect(text.at(-1)).toBe(
    "It proves that this host reported it; the meter or tag itself did not sign.",
  );
});

test("says the same in Chinese, line by line", () => {
  const channel = new SyntheticChannel({ validators: 4, deviceNotAfter: day("2025-06-01") });
  const receipt = issueReceipt(channel);
  const [en, zh] = languages.map((language) => lines(channel, receipt, language));
  expect(zh).toHaveLength(en?.length ?? 0);
  expect(zh).toContain("4 个组织中有 3 个联署：organisation-1, organisation-2, organisation-3");
  expect(zh).toContain("产生于此后：检查点 1");
  expect(zh?.at(-1)).toBe("本回执证明是这台主机上报了它；表计或标签本身并未签名。");
  expect(en).toContain("Note: the certificate of device-1 had expired at 2025-06-01T00:00:00Z.");
  for (const line of zh ?? [])
    expect(line.startsWith("  ") || /[\u4e00-\u9fff]/u.test(line)).toBe(true);
});

test("says of a tag observation its identity, and nothing of an emulator", () => {
  const text = linesOf(tagReading, { keyKind: "tpm" });
  expect(text).toContain("  iso11784 urn:x-tamga:iso11784:999000000000001 ×17 @ gate 1");
  expect(text).toContain("  a.jpg (image/jpeg, 12 B)");
  expect(text).toContain("Captured: the device states no time of its own");
  expect(text).toContain("Received: 2026-05-28T20:26:40Z, by the agent (clock: unsynchronised)");
  expect(text).toContain("Made after: the statement names no checkpoint");
  expect(text).toContain("Key kind: key in a TPM 2.0 (device-1, certified by organisation-1)");
  expect(text.join("\n")).not.toContain("EMULATED");
});

test("prints nothing that drives a terminal or forges a line", () => {
  const source = { ...meterReading.source, id: "1\nVALID: \u001b[31m", maker: "\u202e" };
  const name = "x\r";
  const registers = [{ key: { name }, value: { text: "a\nb" } }];
  const text = linesOf({ ...meterReading, source, registers });
  for (const line of text) expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(text).toContain("  x\\u{d} = a\\u{a}b");
});

describe("a receipt without a reading", () => {
  const channel = new SyntheticChannel();

  test.each([
    ["gap", "a gap statement", "Will not come: sequences 3–11 (thinned)"],
    ["start", "a start statement", "EMULATED SOURCE: its operator declares it an emulator"],
    ["heartbeat", "a heartbeat", "Stated: 2026-05-28T20:26:40Z, by the agent (clock: ntp)"],
  ] as const)("about a %s", (kind, what, line) => {
    const index = channel.admit(channel.statement(kind));
    const text = lines(channel, channel.receipt(index, channel.seal()));
    expect(text[0]).toBe(`VALID: ${what}, signed by device-1, channel consortium.example/milk`);
    expect(text.some((found) => found.startsWith(line))).toBe(true);
  });

  test("about a bundle, or a refusal", () => {
    const bundle = channel.admit(channel.bundle().statement);
    const rejection = channel.admit(channel.rejection());
    const head = channel.seal();
    const whole = lines(channel, channel.receipt(bundle, head));
    expect(whole[0]).toContain("a bundle of 2 readings, none of them disclosed");
    expect(whole).toContain("Received: 2026-05-28T20:26:40Z to 2026-05-28T20:26:40Z, by the agent");
    const refusal = channel.receipt(rejection, head, { signer: channel.gateway });
    expect(lines(channel, refusal)[0]).toContain(
      "the refusal of a statement of device-1 (SEQUENCE_CONFLICT), signed by gateway-1",
    );
  });
});

test("a provisional receipt says who alone vouches for it", () => {
  const channel = new SyntheticChannel();
  const { final: _, ...provisional } = issueReceipt(channel);
  const { gateway, policy } = channel;
  const evidence = { gateway: gateway.name, chain: gateway.chain };
  const known = verifyGateway(nodeCrypto, policy, evidence);
  if (!known.ok) throw new Error(known.fault.code);
  const receipt = verified(channel, provisional, { provisionalUnder: known.value });
  const text = describeReceipt(nodeCrypto.sha256, receipt, "en");
  expect(text[0]).toMatch(/^PROVISIONAL, signed by the gateway alone: /);
  expect(text.join("\n")).toContain("time and order, which no validator has sealed; revocation.");
  expect(text).toContain("Cosigned by 0 of 1 organisations");
  expect(text.join("\n")).not.toMatch(/not revoked as of|no later than/);
});

test("the view for --json is plain JSON with decimal registers", () => {
  const channel = new SyntheticChannel();
  const view = viewReceipt(nodeCrypto.sha256, verified(channel, issueReceipt(channel)));
  expect(JSON.parse(JSON.stringify(view))).toMatchObject({
    valid: true,
    signer: { name: "device-1", keyKind: "file" },
    lane: { index: "1", size: "3" },
    reading: {
      index: 0,
      reading: {
        registers: [
          { obis: "1-0:1.8.1*255", value: "123456789", unit: "Wh" },
          { obis: "0-1:24.2.1*255", value: "12785.123", unit: "m3" },
          { obis: "0-0:96.13.0*255", value: "hello", status: "8" },
        ],
      },
    },
    final: { notAfter: 1_780_000_100_000, revokedKeys: "0" },
    trustPolicy: { channel: "milk", quorum: 1 },
  });
});
