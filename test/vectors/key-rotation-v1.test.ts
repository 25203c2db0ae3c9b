/** Pinned requests for another signing key: they fit the CDDL, verify, and encode to the same bytes again. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import {
  encodeKeyRotationClaims,
  encodeRotationMessage,
  isRotationMessage,
  parseKeyRotationClaims,
  parseRotationMessage,
  verifyRotation,
} from "@tamga/ledger-core/wire/key-rotation";
import { encodeRenewedMessage, parseRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { finishStatement, parseStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import { encodeRenewMessage, parseRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { unwrap } from "../support/unwrap.ts";
import { digestOf, name } from "../support/wire-samples.ts";

type Vector = { readonly name: string; readonly hex: string };
const vectors: {
  readonly oldKey: string;
  readonly newKey: string;
  readonly messages: readonly (Vector & { readonly identity: string })[];
  readonly tampered: readonly (Vector & { readonly code: string })[];
} = JSON.parse(readFileSync(new URL("./key-rotation-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const oldKey: PublicKey = { algorithm: "ES256", point: bytes(vectors.oldKey) };
const newKey: PublicKey = { algorithm: "ES256", point: bytes(vectors.newKey) };
const address = { channel: name("meters"), device: name("meter-box-1") };

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("with %s", (_, crypto) => {
  test.each(vectors.messages)("request $name", ({ hex, identity }) => {
    fits("rotation-message", unwrap(decodeCbor(bytes(hex), 65_535)));
    const message = unwrap(parseRotationMessage(bytes(hex)));
    const verified = unwrap(judge(crypto, bytes(hex)));
    expect(toHex(verified.identity)).toBe(identity);
    for (const statement of [message.byOld, message.byNew]) {
      fits("statement", unwrap(decodeCbor(statement, 65_535)));
      const { header, claims, part } = unwrap(parseStatement(statement));
      fits("key-rotation-claims", claims);
      const said = encodeKeyRotationClaims(unwrap(parseKeyRotationClaims(claims)));
      const again = finishStatement(prepareStatement(header, said), part.signature);
      expect(toHex(again)).toBe(toHex(statement));
    }
    expect(toHex(encodeRotationMessage(message))).toBe(hex);
  });

  test.each(vectors.tampered)("$name: $code", ({ hex, code }) => {
    expect(judge(crypto, bytes(hex))).toMatchObject({ ok: false, fault: { code } });
  });
});

test("a request for another key and one for the same key are told apart, both ways", () => {
  const other = bytes(present(vectors.messages[0], "plain").hex);
  const same = encodeRenewMessage({ signing: Uint8Array.of(1), tls: Uint8Array.of(2) });
  expect([isRotationMessage(other), isRotationMessage(same)]).toEqual([true, false]);
  expect(parseRotationMessage(same)).toMatchObject({ ok: false });
  // What a gateway of before this form says.
  expect(parseRenewMessage(other)).toMatchObject({ ok: false, fault: { code: "FIELD_UNKNOWN" } });
});

describe("answers", () => {
  const request = digestOf("request");
  const certificates = { signing: [new Uint8Array(3)], tls: [new Uint8Array(4)] };
  test.each([
    { type: "certified", certificates } as const,
    { type: "refused", code: "ROTATION_REPLAYED" } as const,
    { type: "waiting" } as const,
  ])("$type", (outcome) => {
    const encoded = encodeRenewedMessage({ request, outcome });
    fits("renewed-message", unwrap(decodeCbor(encoded, 65_535)));
    expect(parseRenewedMessage(encoded)).toEqual({ ok: true, value: { request, outcome } });
  });

  test.each([
    ["no outcome", [request]],
    ["a code in small letters", [request, "rotation_replayed"]],
    ["a code that is too long", [request, "A".repeat(65)]],
    ["no code", [request, ""]],
    ["one chain", [request, [[new Uint8Array(3)]]]],
    ["five certificates", [request, [Array.from({ length: 5 }, () => new Uint8Array(3)), []]]],
    ["a number", [request, 7]],
    ["a short identity", [request.subarray(1), null]],
    ["one more item", [request, null, null]],
  ])("with %s are refused, and do not fit the CDDL", (_, value) => {
    expect(parseRenewedMessage(encodeCbor(value))).toMatchObject({ ok: false });
    expect(cddl.misfit("renewed-message", value)).toBeDefined();
  });
});

test("what is too long is refused, and does not fit the CDDL", () => {
  const plain = unwrap(parseRotationMessage(bytes(present(vectors.messages[0], "plain").hex)));
  const most = { signingKey: new Uint8Array(2_048), certified: new Uint8Array(2_048) };
  const full = {
    signing: new Uint8Array(4_096),
    tls: new Uint8Array(4_096),
    byOld: new Uint8Array(1_024),
    byNew: new Uint8Array(1_024),
    tpm: { ...most, signature: new Uint8Array(2_048) },
  };
  expect(parseRotationMessage(encodeRotationMessage(full))).toEqual({ ok: true, value: full });
  for (const [longer, field] of [
    [{ ...full, signing: new Uint8Array(4_097), tls: new Uint8Array() }, "0"],
    [{ ...full, byNew: new Uint8Array(1_025), byOld: new Uint8Array() }, "3"],
    [{ ...plain, tpm: { ...full.tpm, certified: new Uint8Array(2_049) } }, "4.1"],
  ] as const) {
    const encoded = encodeRotationMessage(longer);
    expect(parseRotationMessage(encoded)).toMatchObject({
      fault: { code: "FIELD_TOO_LONG", field },
    });
    expect(cddl.misfit("rotation-message", unwrap(decodeCbor(encoded, 65_535)))).toBeDefined();
  }
});

function judge(crypto: CryptoPort, hex: Uint8Array) {
  const kidOf = (key: PublicKey) => thumbprint((part) => crypto.sha256(part), key);
  return verifyRotation(crypto, unwrap(parseRotationMessage(hex)), {
    address,
    keyOf: (kid) => (toHex(kid) === toHex(kidOf(oldKey)) ? oldKey : undefined),
    to: { key: newKey, kid: kidOf(newKey) },
  });
}

function fits(rule: string, value: Parameters<typeof encodeCbor>[0]): void {
  expect(cddl.misfit(rule, value), rule).toBeUndefined();
}
