import { describe, expect, test } from "vitest";
import type { CertificateOptions, TestKey } from "../../../test/support/certificate-builder.ts";
import { createCertificate, createKey, day } from "../../../test/support/certificate-builder.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { chainLengthMax } from "../wire/limits.ts";
import type { TrustedCa } from "./certificate-chain.ts";
import { verifyChain } from "./certificate-chain.ts";
import { isCertificateOf, keyKindOf } from "./certificate-names.ts";
import { parseCertificate } from "./x509-certificate.ts";

type Ca = { readonly subject: string; readonly key: TestKey };
const root: Ca = { subject: "root", key: createKey("ES256") };
const middle: Ca = { subject: "middle", key: createKey("EdDSA") };
const low: Ca = { subject: "low", key: createKey("ES256") };
const leafKey = createKey("ES256");
const at = unixMillis(day("2026-06-01").getTime());

const anchor = (more: Partial<CertificateOptions> = {}, ca = root): TrustedCa => {
  const bytes = createCertificate({ subject: ca.subject, publicKey: ca.key, ca: true, ...more });
  const certificate = parseCertificate(bytes);
  if (!certificate.ok) throw new Error(certificate.fault.code);
  return { name: name("organisation-1"), certificate: certificate.value };
};
const issued = (subject: Ca, issuer: Ca, more: Partial<CertificateOptions> = {}) =>
  createCertificate({
    subject: subject.subject,
    publicKey: subject.key,
    issuer,
    ca: true,
    ...more,
  });
const leaf = (issuer: Ca, more: Partial<CertificateOptions> = {}) =>
  createCertificate({ subject: "leaf", publicKey: leafKey, issuer, ...more });

function judge(chain: readonly Uint8Array[], cas: readonly TrustedCa[] = [anchor()]): string {
  const native = verifyChain(nodeCrypto, chain, cas, { at });
  const portable = verifyChain(nobleCrypto, chain, cas, { at });
  const code = native.ok ? native.value.organisation : native.fault.code;
  expect(portable.ok ? portable.value.organisation : portable.fault.code).toBe(code);
  return code;
}

describe("a chain verifies", () => {
  test("directly under a CA, or through others", () => {
    expect(judge([leaf(root)])).toBe("organisation-1");
    expect(judge([leaf(middle), issued(middle, root)])).toBe("organisation-1");
    expect(judge([leaf(low), issued(low, middle), issued(middle, root)])).toBe("organisation-1");
  });

  test("under the second CA of one name, when a CA was followed by another", () => {
    const successor = { subject: "root", key: createKey("ES256") };
    expect(judge([leaf(successor)], [anchor(), anchor({}, successor)])).toBe("organisation-1");
  });

  test("within its path length", () => {
    const chain = [leaf(low), issued(low, middle, { pathLength: 0 }), issued(middle, root)];
    expect(judge(chain, [anchor({ pathLength: 2 })])).toBe("organisation-1");
    expect(judge([leaf(middle), issued(middle, root)], [anchor({ pathLength: 1 })])).toBe(
      "organisation-1",
    );
  });
});

describe("a chain is refused", () => {
  const cases: readonly (readonly [string, () => readonly Uint8Array[], TrustedCa?])[] = [
    ["CHAIN_EMPTY", () => []],
    ["CHAIN_TOO_LONG", () => Array.from({ length: chainLengthMax + 1 }, () => leaf(root))],
    ["CERT_MALFORMED", () => [leaf(root).subarray(1)]],
    ["CHAIN_LEAF_IS_CA", () => [issued(middle, root)]],
    ["CHAIN_KEY_USAGE_WRONG", () => [leaf(root, { keyUsage: [2] })]],
    ["CHAIN_KEY_USAGE_WRONG", () => [leaf(root, { keyUsage: false })]],
    ["CHAIN_NAME_MISMATCH", () => [leaf(low), issued(middle, root)]],
    ["CHAIN_ISSUER_NOT_CA", () => [leaf(middle), issued(middle, root, { ca: false })]],
    ["CHAIN_ISSUER_NOT_CA", () => [leaf(middle), issued(middle, root, { keyUsage: [0] })]],
    ["CHAIN_ISSUER_NOT_CA", () => [leaf(root)], anchor({ ca: false })],
    ["CHAIN_PATH_TOO_LONG", () => [leaf(middle), issued(middle, root)], anchor({ pathLength: 0 })],
    [
      "CHAIN_PATH_TOO_LONG",
      () => [leaf(low), issued(low, middle), issued(middle, root, { pathLength: 0 })],
    ],
    ["CHAIN_SIGNATURE_WRONG", () => [leaf({ ...root, key: low.key })]],
    ["CHAIN_SIGNATURE_WRONG", () => [leaf({ ...root, key: middle.key })]],
    ["CHAIN_SIGNATURE_WRONG", () => [leaf({ ...middle, key: low.key }), issued(middle, root)]],
    ["CHAIN_NOT_TRUSTED", () => [leaf(middle)]],
    ["CHAIN_NOT_TRUSTED", () => [createCertificate({ subject: "leaf", publicKey: leafKey })]],
  ];

  test.each(cases.map(([code, make, ca]) => ({ code, make, ca })))(
    "$code",
    ({ code, make, ca }) => {
      expect(judge(make(), [ca ?? anchor()])).toBe(code);
    },
  );
});

test("expiry is noted for each certificate and fails none", () => {
  const past = { notAfter: day("2026-01-01") };
  const chain = [leaf(middle, { notBefore: day("2027-01-01") }), issued(middle, root, past)];
  const verified = verifyChain(nodeCrypto, chain, [anchor(past)], { at });
  expect(verified.ok && verified.value.validityNotes).toMatchObject([
    { role: "leaf", state: "not-yet-valid", commonName: "leaf" },
    { role: "intermediate", state: "expired", commonName: "middle" },
    { role: "organisation", state: "expired", commonName: "root" },
  ]);
  const untimed = verifyChain(nodeCrypto, chain, [anchor(past)], {});
  expect(untimed.ok && untimed.value.validityNotes).toEqual([]);
});

test("a certificate is for one role and one name, and states at most one kind of key", () => {
  const subject = { channel: name("milk"), name: name("box") };
  const judged = (...uris: readonly string[]) => {
    const certificate = parseCertificate(leaf(root, { uris }));
    if (!certificate.ok) throw new Error(certificate.fault.code);
    const { value } = certificate;
    return [isCertificateOf(value, "device", subject), keyKindOf(value)];
  };
  const device = "urn:x-tamga:device:milk:box";
  expect(judged(device, "urn:x-tamga:key:tpm", "urn:other")).toEqual([true, "tpm"]);
  expect(judged(device)).toEqual([true, undefined]);
  expect(judged(device, "urn:x-tamga:key:hsm")).toEqual([true, undefined]);
  expect(judged(device, "urn:x-tamga:key:tpm", "urn:x-tamga:key:file")).toEqual([true, undefined]);
  expect(judged(device, "urn:x-tamga:gateway:milk:box")[0]).toBe(false);
  expect(judged(device, device)[0]).toBe(false);
  expect(judged("urn:x-tamga:device:milk:bo")[0]).toBe(false);
  expect(judged("urn:x-tamga:tls:milk:box")[0]).toBe(false);
  expect(judged()[0]).toBe(false);
});
