/** Pinned statements and receipts under SM2 keys: each gets its verdict by both crypto ports. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { decodeCbor } from "@tamga/ledger-core/base/cbor";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { sm2Preamble } from "@tamga/ledger-core/base/sm2";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { describeReceipt } from "@tamga/ledger-core/receipt/describe-receipt";
import { encodePackedReceipt } from "@tamga/ledger-core/receipt/packed-receipt";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { parsePublicKey } from "@tamga/ledger-core/receipt/x509-certificate";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { parseStatement, verifyStatement } from "@tamga/ledger-core/wire/statement";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { sm2Policies, sm2Receipts, sm2Statements } from "../support/sm2-samples.ts";
import { unwrap } from "../support/unwrap.ts";

type Vector = { readonly name: string; readonly verdict: string; readonly hex: string };
type PolicyName = keyof typeof sm2Policies;
const vectors: {
  readonly deviceKey: string;
  readonly spki: string;
  readonly thumbprint: string;
  readonly preamble: string;
  readonly statements: readonly Vector[];
  readonly policies: Readonly<Record<PolicyName, string>>;
  readonly receipts: readonly (Vector & { readonly policy: PolicyName })[];
} = JSON.parse(readFileSync(new URL("./sm2-statement-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const key: PublicKey = { algorithm: "SM2-SM3", point: bytes(vectors.deviceKey) };

function judge(crypto: CryptoPort, statement: Uint8Array): string {
  const parsed = parseStatement(statement);
  if (!parsed.ok) return parsed.fault.code;
  const verified = verifyStatement(crypto, parsed.value, key);
  return verified.ok ? "ok" : verified.fault.code;
}

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble and sm-crypto-v2", nobleCrypto],
])("SM2 with %s", (_, crypto) => {
  test("the key's names, and what is hashed ahead of a message", () => {
    expect(toHex(thumbprint(crypto.sha256, key))).toBe(vectors.thumbprint);
    expect(toHex(sm2Preamble(crypto.sm3, key.point))).toBe(vectors.preamble);
    expect(unwrap(parsePublicKey(bytes(vectors.spki)))).toEqual(key);
  });

  test.each(vectors.statements)("statement: $name: $verdict", ({ verdict, hex }) => {
    expect(judge(crypto, bytes(hex))).toBe(verdict);
  });

  test.each(vectors.receipts)("receipt: $name: $verdict", ({ verdict, hex, policy }) => {
    const trust = unwrap(parseTrustPolicy(utf8(vectors.policies[policy])));
    const receipt = unwrap(parseReceipt(bytes(hex)));
    const verified = verifyReceipt(crypto, trust, receipt);
    expect(verified.ok ? "valid" : verified.fault.code).toBe(verdict);
    expect(toHex(encodeReceipt(receipt))).toBe(hex);
    const packed = unwrap(parseReceipt(encodePackedReceipt(receipt)));
    expect(toHex(encodeReceipt(packed))).toBe(hex);
  });
});

test("good ones fit the CDDL, and what is thumbed is its key-sm2", () => {
  const good = vectors.statements.filter(({ verdict }) => verdict === "ok");
  expect(good).toHaveLength(2);
  for (const { hex } of good)
    expect(cddl.misfit("statement", unwrap(decodeCbor(bytes(hex), 65_535)))).toBeUndefined();
  const thumbed: Uint8Array[] = [];
  thumbprint((of) => nodeCrypto.sha256(thumbed[thumbed.push(of) - 1] ?? of), key);
  expect(thumbed).toHaveLength(1);
  const parameters = unwrap(decodeCbor(present(thumbed[0], "key"), 1_024));
  expect(cddl.misfit("key-sm2", parameters)).toBeUndefined();
  expect(cddl.misfit("key-p256", parameters)).toBeDefined();
});

test("no bit of a good statement's signature, and none of its bytes, can change", () => {
  const [good = ""] = vectors.statements.map(({ hex }) => hex);
  const statement = bytes(good);
  for (let bit = 0; bit < 8 * statement.length; bit++) {
    const changed = statement.with(bit >> 3, (statement[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
    if (judge(nodeCrypto, changed) === "ok") expect(bit, "taken").toBe(-1);
  }
});

test("a verified receipt says that it is SM2, in both languages, and another does not", () => {
  const [{ hex, policy } = { hex: "", policy: "site" as const }] = vectors.receipts;
  const trust = unwrap(parseTrustPolicy(utf8(vectors.policies[policy])));
  const receipt = unwrap(verifyReceipt(nobleCrypto, trust, unwrap(parseReceipt(bytes(hex)))));
  const text = (language: "en" | "zh", of = receipt) =>
    describeReceipt(nobleCrypto.sha256, of, language).join("\n");
  expect(text("en")).toContain("Signed with SM2 and SM3");
  expect(text("zh")).toContain("SM2");
  const statement = { ...receipt.statement, algorithm: "ES256" } as const;
  expect(text("en", { ...receipt, statement })).not.toContain("SM2");
});

test("they are what the encoders write today", () => {
  for (const name of ["site", "organisation", "forged"] as const)
    expect(encodeTrustPolicy(sm2Policies[name])).toBe(vectors.policies[name]);
  const hexOf = ({ bytes: made, ...sample }: { bytes: Uint8Array; name: string; verdict: string }) => ({
    ...sample,
    hex: toHex(made),
  });
  expect(sm2Statements.map(hexOf)).toEqual(vectors.statements);
  expect(sm2Receipts.map(hexOf)).toEqual(vectors.receipts);
});
