/** Pinned evidence and results: they fit the CDDL, are read, verify, and encode to the same bytes again. */

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { verifyQuote } from "@tamga/gateway/attestation/verify-quote";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { decodeCbor } from "@tamga/ledger-core/base/cbor";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import {
  encodeEvidence,
  parseEvidence,
  quoteQualifier,
} from "@tamga/ledger-core/wire/attestation-evidence";
import { prepareResult, verifyResult } from "@tamga/ledger-core/wire/attestation-result";
import { parseSign1 } from "@tamga/ledger-core/wire/cose";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { unwrap } from "../support/unwrap.ts";

type Vector = { readonly name: string; readonly hex: string };
const vectors: {
  readonly attestationKey: string;
  readonly gatewayKey: string;
  readonly evidence: readonly (Vector & { readonly qualifying: string })[];
  readonly results: readonly Vector[];
  readonly tampered: readonly (Vector & { readonly of: string; readonly code: string })[];
} = JSON.parse(readFileSync(new URL("./attestation-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const attestationKey = bytes(vectors.attestationKey);
const key = keyOf(bytes(vectors.gatewayKey));

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("with %s", (_, crypto) => {
  test.each(vectors.evidence)("evidence $name", ({ hex, qualifying }) => {
    fits("evidence", hex);
    const evidence = unwrap(parseEvidence(bytes(hex)));
    expect(toHex(encodeEvidence(evidence))).toBe(hex);
    expect(toHex(quoteQualifier(crypto, evidence))).toBe(qualifying);
    expect(toHex(unwrap(verifyQuote(crypto, evidence, attestationKey)).extraData)).toBe(qualifying);
  });

  test.each(vectors.results)("result $name", ({ hex }) => {
    fits("attestation-result", hex);
    const result = unwrap(verifyResult(crypto, key, bytes(hex)));
    const { algorithm } = key;
    const again = prepareResult(result, { algorithm, kid: thumbprint(crypto.sha256, key) });
    const { protectedBytes, payload } = unwrap(parseSign1(bytes(hex)));
    expect(again).toMatchObject({ protectedBytes, payload });
  });

  test.each(vectors.tampered)("$name: $code", ({ hex, of, code }) => {
    const judged = of === "result" ? verifyResult(crypto, key, bytes(hex)) : judge(crypto, hex);
    expect(judged).toMatchObject({ ok: false, fault: { code } });
  });
});

function judge(crypto: CryptoPort, hex: string) {
  const evidence = parseEvidence(bytes(hex));
  return evidence.ok ? verifyQuote(crypto, evidence.value, attestationKey) : evidence;
}

function fits(rule: string, hex: string): void {
  const decoded = unwrap(decodeCbor(bytes(hex), 65_535));
  expect(cddl.misfit(rule, decoded)).toBeUndefined();
}

function keyOf(spki: Uint8Array): PublicKey {
  const der = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const { x = "", y = "" } = der.export({ format: "jwk" });
  const coordinate = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));
  return { algorithm: "ES256", point: concat(Uint8Array.of(4), coordinate(x), coordinate(y)) };
}
