/** Pinned result statements: they fit the CDDL, verify, and encode to the same bytes again. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { decodeCbor } from "@tamga/ledger-core/base/cbor";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { VerifiedGateway } from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyResultStatement } from "@tamga/ledger-core/receipt/verify-result";
import {
  encodeGatewayClaims,
  parseGatewayClaims,
  resultStates,
} from "@tamga/ledger-core/wire/gateway-claims";
import {
  finishStatement,
  parseStatement,
  prepareStatement,
} from "@tamga/ledger-core/wire/statement";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

type Vector = { readonly name: string; readonly hex: string };
const vectors: {
  readonly gatewayKey: string;
  readonly statements: readonly (Vector & { readonly identity: string })[];
  readonly tampered: readonly (Vector & { readonly code: string })[];
} = JSON.parse(readFileSync(new URL("./result-statement-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
// As `verifyGateway` would make it of the certificate, which these vectors have none of.
const gateway = mint<VerifiedGateway>({
  gateway: name("gateway-1"),
  key: { algorithm: "ES256", point: bytes(vectors.gatewayKey) },
  organisation: name("acme"),
  validityNotes: [],
});
const policy = { channel: name("meters") };

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("with %s", (_, crypto) => {
  test.each(vectors.statements)("result $name", ({ hex, identity }) => {
    expect(cddl.misfit("statement", unwrap(decodeCbor(bytes(hex), 65_535)))).toBeUndefined();
    const parsed = unwrap(parseStatement(bytes(hex)));
    expect(cddl.misfit("result-claims", parsed.claims)).toBeUndefined();
    const claims = unwrap(parseGatewayClaims("result", parsed.claims));
    const again = prepareStatement(parsed.header, encodeGatewayClaims(claims));
    expect(toHex(finishStatement(again, parsed.part.signature))).toBe(hex);
    const verified = unwrap(verifyResultStatement(crypto, policy, { gateway, result: bytes(hex) }));
    expect(toHex(verified.identity)).toBe(identity);
    expect(verified.claims).toEqual(claims);
    if (claims.result !== undefined)
      expect(
        cddl.misfit("attestation-result", unwrap(decodeCbor(claims.result, 4_096))),
      ).toBeUndefined();
  });

  test.each(vectors.tampered)("$name: $code", ({ hex, code }) => {
    const verified = verifyResultStatement(crypto, policy, { gateway, result: bytes(hex) });
    expect(verified).toMatchObject({ ok: false, fault: { code } });
  });

  test("of another channel", () => {
    const result = bytes(present(vectors.statements[0], "a result").hex);
    const other = { channel: name("other") };
    expect(verifyResultStatement(crypto, other, { gateway, result })).toMatchObject({
      fault: { code: "RESULT_NOT_BY_GATEWAY" },
    });
  });
});

test("states by their numbers", () => {
  expect([...cddl.enumeration("result-state")]).toEqual([...resultStates.entries()]);
});
