import { describe, expect, test } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { faultsTolerated, quorumOf } from "../base/quorum.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { trustPolicyBytesMax, validatorsMax } from "../wire/limits.ts";
import type { TrustPolicyContent } from "./trust-policy.ts";
import {
  encodeTrustPolicy,
  groupedHex,
  judgeTrustPolicy,
  trustPolicyDigest,
} from "./trust-policy.ts";
import { parseTrustPolicy } from "./trust-policy-file.ts";

const { policy } = new SyntheticChannel({ validators: 4 });
const text = encodeTrustPolicy(policy);
const digestOf = (content: TrustPolicyContent) => trustPolicyDigest(nodeCrypto.sha256, content);

function parse(of: string): string {
  const parsed = parseTrustPolicy(utf8(of));
  if (parsed.ok) return "parsed";
  return "field" in parsed.fault ? `${parsed.fault.code} ${parsed.fault.field}` : parsed.fault.code;
}

function judge(more: Partial<TrustPolicyContent>): string {
  const judged = judgeTrustPolicy({ ...policy, ...more });
  return judged.ok ? "judged" : judged.fault.code;
}

test("the quorum is the least of which two share an honest validator", () => {
  expect([1, 4, 5, 6, 7, 10, 13, 16].map(quorumOf)).toEqual([1, 3, 4, 4, 5, 7, 9, 11]);
  for (let n = 1; n <= validatorsMax; n++) {
    const [f, q] = [faultsTolerated(n), quorumOf(n)];
    expect(2 * q - n, `overlap at ${n}`).toBeGreaterThan(f);
    expect(2 * (q - 1) - n, `one less at ${n}`).toBeLessThanOrEqual(f);
    expect(q, `reachable at ${n}`).toBeLessThanOrEqual(n - f);
  }
});

describe("trust.json", () => {
  test("comes back as it went", () => {
    const parsed = parseTrustPolicy(utf8(text));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    expect(encodeTrustPolicy(parsed.value)).toBe(text);
    expect(parsed.value.origin).toBe("consortium.example/milk");
    expect(digestOf(parsed.value)).toEqual(digestOf(policy));
  });

  test("has a digest that white space does not change, and every value does", () => {
    const dense = parseTrustPolicy(utf8(JSON.stringify(JSON.parse(text))));
    expect(dense.ok && digestOf(dense.value)).toEqual(digestOf(policy));
    expect(groupedHex(digestOf(policy))).toMatch(/^([0-9a-f]{4} ){15}[0-9a-f]{4}$/);
    const others: Partial<TrustPolicyContent>[] = [
      { consortium: name("x") },
      { channel: name("x") },
      { channelId: nodeCrypto.sha256(utf8("x")) },
      { channelIncarnation: new Uint8Array(16) },
      { reopened: true },
      { organisations: policy.organisations.slice(1) },
      { validators: policy.validators.slice(1) },
      { quorum: 2 },
    ];
    const digests = others.map((more) => groupedHex(digestOf({ ...policy, ...more })));
    expect(new Set([...digests, groupedHex(digestOf(policy))]).size).toBe(others.length + 1);
  });

  const edit = (from: string | RegExp, to: string) => text.replace(from, to);
  test.each([
    ["TRUST_VERSION_UNKNOWN", edit('"version": 1', '"version": 2')],
    ["TRUST_VERSION_UNKNOWN", edit('"version": 1', '"version": "1"')],
    ["TRUST_FIELD_MISSING version", edit('"version": 1,', "")],
    ["TRUST_FIELD_MISSING quorum", edit(/,\s*"quorum": 3/, "")],
    ["TRUST_FIELD_UNKNOWN comment", edit('"quorum": 3', '"quorum": 3, "comment": ""')],
    ["TRUST_FIELD_UNKNOWN validators.0.x", edit('"name": "validator-1"', '"name": "v", "x": 1')],
    ["TRUST_FIELD_BAD channel", edit('"channel": "milk"', '"channel": "mi/lk"')],
    ["TRUST_FIELD_BAD channelId", edit(/("channelId": ")../, "$1ZZ")],
    ["TRUST_FIELD_BAD channelIncarnation", edit(/("channelIncarnation": ")../, "$1")],
    ["TRUST_FIELD_BAD reopened", edit('"reopened": false', '"reopened": 0')],
    ["TRUST_FIELD_BAD quorum", edit('"quorum": 3', '"quorum": 2.5')],
    ["TRUST_FIELD_BAD quorum", edit('"quorum": 3', '"quorum": -3')],
    ["TRUST_FIELD_BAD organisations", edit(/"organisations": \[[^\]]*\]/, '"organisations": {}')],
    ["TRUST_FIELD_BAD validators.0.publicKey", edit(/("publicKey": ")..../, "$1")],
    ["TRUST_KEY_TWICE", edit('"quorum": 3', '"quorum": 1, "quorum": 3')],
    ["TRUST_KEY_TWICE", edit('"quorum": 3', '"quorum": 3.0')],
    ["TRUST_NOT_JSON", edit(/\}\s*$/, "")],
    ["TRUST_QUORUM_TOO_SMALL", edit('"quorum": 3', '"quorum": 2')],
    ["TRUST_QUORUM_TOO_LARGE", edit('"quorum": 3', '"quorum": 4')],
    ["TRUST_FIELD_BAD ", "[]"],
    ["TRUST_TOO_LONG", " ".repeat(trustPolicyBytesMax + 1)],
  ])("%s", (code, of) => {
    expect(parse(of)).toBe(code);
  });

  test("TRUST_NOT_JSON: bytes that are no UTF-8", () => {
    const parsed = parseTrustPolicy(Uint8Array.of(0xff));
    expect(parsed.ok || parsed.fault.code).toBe("TRUST_NOT_JSON");
  });
});

describe("a policy", () => {
  const [first, second, ...rest] = policy.validators.map((validator) => ({ ...validator }));
  const one = present(first, "validator");
  const two = present(second, "validator");
  const organisation = present(policy.organisations[0], "organisation");
  const key = createKey("ES256");
  const leaf = createCertificate({ subject: "leaf", publicKey: key });

  test.each<readonly [string, Partial<TrustPolicyContent>]>([
    ["TRUST_NO_ORGANISATION", { organisations: [] }],
    ["TRUST_NO_VALIDATOR", { validators: [] }],
    ["TRUST_TOO_MANY", { validators: new Array(validatorsMax + 1).fill(one) }],
    ["TRUST_TOO_MANY", { organisations: new Array(validatorsMax + 1).fill(organisation) }],
    ["TRUST_NAME_REPEATED", { validators: [one, { ...two, name: one.name }, ...rest] }],
    ["TRUST_KEY_REPEATED", { validators: [one, { ...two, publicKey: one.publicKey }, ...rest] }],
    ["TRUST_KEY_BAD", { validators: [{ ...one, publicKey: new Uint8Array(32) }, two, ...rest] }],
    ["TRUST_ORGANISATION_UNKNOWN", { organisations: [organisation] }],
    ["TRUST_CA_BAD", { organisations: [{ ...organisation, ca: utf8("ca") }] }],
    ["TRUST_CA_BAD", { organisations: [{ ...organisation, ca: leaf }] }],
    ["TRUST_QUORUM_TOO_SMALL", { quorum: 0 }],
    ["TRUST_QUORUM_TOO_SMALL", { validators: [one], quorum: 0 }],
    ["judged", { validators: [one], quorum: 1 }],
  ])("%s", (code, more) => {
    expect(judge(more)).toBe(code);
  });
});
