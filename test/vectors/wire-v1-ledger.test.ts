/** The statements that govern a channel, pinned: they parse, verify, encode again to the same, and fit the CDDL. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, parseDigest, toHex } from "@tamga/ledger-core/base/bytes";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { approvalBytes } from "@tamga/ledger-core/consensus/approval";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { keyKinds } from "@tamga/ledger-core/wire/enrolment";
import {
  approverRoles,
  encodeGovernanceClaims,
  governedKinds,
  parseGovernanceClaims,
} from "@tamga/ledger-core/wire/governance-claims";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import {
  finishStatement,
  parseStatement,
  prepareStatement,
  verifyStatement,
} from "@tamga/ledger-core/wire/statement";
import { encodeTransaction, parseTransaction } from "@tamga/ledger-core/wire/transaction";
import { Cddl } from "../support/cddl.ts";
import { digestOf, organisationKey, p256Key, validatorKey } from "../support/wire-samples.ts";

const vectors = JSON.parse(
  readFileSync(new URL("./wire-v1-ledger.json", import.meta.url), "utf8"),
) as {
  readonly readiness: string;
  readonly statements: readonly { name: string; hex: string; identity: string }[];
  readonly transactions: readonly { name: string; hex: string }[];
  readonly tampered: readonly { name: string; hex: string; code: string }[];
};
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);

describe.each([
  ["@noble", nobleCrypto],
  ["node:crypto", nodeCrypto],
])("governing a channel, by %s", (_name, crypto) => {
  const sha256 = (of: Uint8Array) => crypto.sha256(of);

  test.each(vectors.statements)("statement $name", ({ hex, identity }) => {
    const parsed = parseStatement(bytes(hex));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    const { header, part } = parsed.value;
    expect(toHex(identityOf(sha256, part))).toBe(identity);
    const approver = p256Key(sha256(new Uint8Array(1)));
    const key = header.type === "approval" ? approver : organisationKey;
    expect(verifyStatement(crypto, parsed.value, key).ok).toBe(true);
    const again = prepareStatement(header, reencoded(parsed.value));
    expect(toHex(finishStatement(again, part.signature))).toBe(hex);
  });

  test("a ready validator signs over channel, epoch and set", () => {
    const { readiness, validators, epoch } = claimsOf("validators", "validators");
    const message = approvalBytes(crypto, digestOf("channel"), { epoch, validators });
    expect(toHex(message)).toBe(vectors.readiness);
    const [first] = readiness;
    expect(crypto.verify(validatorKey, message, present(first, "signature").signature)).toBe(true);
  });

  test("the approval is of the policy", () => {
    const { approved } = claimsOf("approval", "approval");
    const policy = vectors.statements.find(({ name }) => name === "policy");
    expect(parseDigest(approved).ok && toHex(approved)).toBe(policy?.identity);
  });
});

test.each(vectors.transactions)("transaction $name", ({ hex }) => {
  const parsed = parseTransaction(bytes(hex));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  expect(toHex(encodeTransaction(parsed.value))).toBe(hex);
  fits("transaction", bytes(hex));
});

test("a transaction has no empty list of approvals: it has another form", () => {
  const [plain] = vectors.transactions;
  const decoded = decodeCbor(bytes(present(plain, "transaction").hex), 100_000);
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error("no transaction");
  const empty = parseTransaction(encodeCbor([...decoded.value, []]));
  expect(empty).toMatchObject({ fault: { code: "FIELD_BAD", field: "3" } });
});

test.each(vectors.tampered)("tampered: $name gives $code", ({ hex, code }) => {
  const parsed = parseStatement(bytes(hex));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  expect(claims(parsed.value)).toMatchObject({ fault: { code } });
  const { type } = parsed.value.header;
  const value = parsed.value.claims;
  expect(cddl.misfit(`${type}-claims`, value), "fits the CDDL all the same").toBeDefined();
});

describe("the document", () => {
  test.each(vectors.statements)("has the form of $name", ({ hex }) => {
    const parsed = parseStatement(bytes(hex));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    fits("statement", bytes(hex));
    fits(`${parsed.value.header.type}-claims`, encodeCbor(parsed.value.claims));
  });

  test("numbers kinds, roles and keys as the code does", () => {
    expect([...cddl.enumeration("governed-kind")]).toEqual([...governedKinds.entries()]);
    expect([...cddl.enumeration("approver-role")]).toEqual([...approverRoles.entries()]);
    expect([...cddl.enumeration("key-kind")]).toEqual([...keyKinds.entries()]);
  });
});

function claims(statement: ParsedStatement) {
  const { type } = statement.header;
  switch (type) {
    case "lane-fault":
    case "device-key":
    case "policy":
    case "validators":
    case "anchor":
    case "approval":
      return parseGovernanceClaims(type, statement.claims);
    default:
      throw new Error(`${type} governs nothing`);
  }
}

function reencoded(statement: ParsedStatement) {
  const parsed = claims(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return encodeGovernanceClaims(parsed.value);
}

function claimsOf<K extends "validators" | "approval">(vector: string, kind: K) {
  const { hex } = present(
    vectors.statements.find(({ name }) => name === vector),
    vector,
  );
  const statement = parseStatement(bytes(hex));
  if (!statement.ok) throw new Error(statement.fault.code);
  const parsed = parseGovernanceClaims(kind, statement.value.claims);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

function fits(rule: string, encoded: Uint8Array): void {
  const decoded = decodeCbor(encoded, 1 << 20);
  if (!decoded.ok) throw new Error(decoded.fault.code);
  expect(cddl.misfit(rule, decoded.value), rule).toBeUndefined();
}

function bytes(hex: string): Uint8Array {
  return present(fromHex(hex), "hexadecimal");
}
