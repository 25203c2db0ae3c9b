/** Pinned statements of evidence: they fit the CDDL, verify, open, and encode to the same bytes again. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { encodeDeviceClaims, parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { isLogOf, openEvidence } from "@tamga/ledger-core/wire/evidence-statement";
import {
  finishStatement,
  parseStatement,
  prepareStatement,
  verifyStatement,
} from "@tamga/ledger-core/wire/statement";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { unwrap } from "../support/unwrap.ts";

type Vector = { readonly name: string; readonly hex: string };
const vectors: {
  readonly deviceKey: string;
  readonly log: string;
  readonly statements: readonly (Vector & { readonly identity: string })[];
  readonly tampered: readonly (Vector & { readonly code: string })[];
} = JSON.parse(readFileSync(new URL("./evidence-statement-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const key: PublicKey = { algorithm: "ES256", point: bytes(vectors.deviceKey) };

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("with %s", (_, crypto) => {
  test.each(vectors.statements)("statement $name", ({ name, hex, identity }) => {
    fits("statement", unwrap(decodeCbor(bytes(hex), 65_535)));
    const parsed = unwrap(parseStatement(bytes(hex)));
    fits("evidence-claims", parsed.claims);
    expect(toHex(identityOf(crypto.sha256, parsed.part))).toBe(identity);
    expect(verifyStatement(crypto, parsed, key).ok).toBe(true);
    const claims = unwrap(parseDeviceClaims("evidence", parsed.claims));
    const again = prepareStatement(parsed.header, encodeDeviceClaims(claims));
    expect(toHex(finishStatement(again, parsed.part.signature))).toBe(hex);
    fits("evidence", unwrap(decodeCbor(claims.evidence, 65_535)));
    const evidence = unwrap(openEvidence(parsed.header, claims));
    expect(isLogOf(crypto, evidence, bytes(vectors.log))).toBe(name === "asked");
  });

  test.each(vectors.tampered)("$name: $code", ({ hex, code }) => {
    expect(judge(crypto, bytes(hex))).toBe(code);
  });
});

test("a log of another length or with another byte is not the one", () => {
  const hex = present(vectors.statements[0], "asked").hex;
  const { header, claims } = unwrap(parseStatement(bytes(hex)));
  const evidence = unwrap(openEvidence(header, unwrap(parseDeviceClaims("evidence", claims))));
  const log = bytes(vectors.log);
  expect(isLogOf(nodeCrypto, evidence, log.subarray(1))).toBe(false);
  expect(isLogOf(nodeCrypto, evidence, log.with(0, 1))).toBe(false);
});

test("what has no evidence, or too much of it, does not fit the CDDL", () => {
  const { claims } = unwrap(parseStatement(bytes(present(vectors.statements[0], "asked").hex)));
  const { position } = unwrap(parseDeviceClaims("evidence", claims));
  for (const length of [0, 49_153]) {
    const of = encodeDeviceClaims({ kind: "evidence", position, evidence: new Uint8Array(length) });
    expect(cddl.misfit("evidence-claims", of)).toBeDefined();
    expect(parseDeviceClaims("evidence", of)).toMatchObject({ ok: false });
  }
  const most = { kind: "evidence", position, evidence: new Uint8Array(49_152) } as const;
  expect(parseDeviceClaims("evidence", encodeDeviceClaims(most)).ok).toBe(true);
});

function judge(crypto: CryptoPort, statement: Uint8Array): string {
  const { header, claims, part } = unwrap(parseStatement(statement));
  expect(verifyStatement(crypto, { header, claims, part }, key).ok).toBe(true);
  const parsed = parseDeviceClaims("evidence", claims);
  if (!parsed.ok) return parsed.fault.code;
  const opened = openEvidence(header, parsed.value);
  return opened.ok ? "ok" : opened.fault.code;
}

function fits(rule: string, value: Parameters<typeof encodeCbor>[0]): void {
  expect(cddl.misfit(rule, value), rule).toBeUndefined();
}
