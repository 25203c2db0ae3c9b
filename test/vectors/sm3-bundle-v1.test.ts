/** Pinned SM3 bundles: each gets its verdict from gateway and verifier, by both crypto ports. */

import { readFileSync } from "node:fs";
import { decodeBodyBounded } from "@tamga/gateway/lane/body-codec";
import { verifyUplink } from "@tamga/gateway/ingest/verify-uplink";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor } from "@tamga/ledger-core/base/cbor";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { pathOf, rootOf } from "@tamga/ledger-core/log/merkle-root";
import { describeReceipt } from "@tamga/ledger-core/receipt/describe-receipt";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeBody, parseBody } from "@tamga/ledger-core/wire/body";
import { encodeDeviceClaims, parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { saltedLeaves, saltOf } from "@tamga/ledger-core/wire/salted-leaf";
import {
  finishStatement,
  parseStatement,
  prepareStatement,
} from "@tamga/ledger-core/wire/statement";
import {
  encodeStatementMessage,
  parseStatementMessage,
} from "@tamga/ledger-core/wire/uplink-message";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cddl } from "../support/cddl.ts";
import { sm3Channel, sm3ReceiptSamples, uplinkSamples } from "../support/sm3-bundle-samples.ts";
import { unwrap } from "../support/unwrap.ts";

type Vector = { readonly name: string; readonly verdict: string; readonly hex: string };
const vectors: {
  readonly deviceKey: string;
  readonly bundle: {
    readonly seed: string;
    readonly readings: readonly string[];
    readonly salts: readonly string[];
    readonly leaves: readonly string[];
    readonly root: string;
    readonly body: string;
  };
  readonly uplinks: readonly Vector[];
  readonly policy: string;
  readonly receipts: readonly Vector[];
} = JSON.parse(readFileSync(new URL("./sm3-bundle-v1.json", import.meta.url), "utf8"));
const document = readFileSync(new URL("../../ledger-core/WIRE.md", import.meta.url), "utf8");
const cddl = new Cddl(
  [...document.matchAll(/^```cddl\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join("\n"),
);
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hex");
const key: PublicKey = { algorithm: "ES256", point: bytes(vectors.deviceKey) };
const policy = unwrap(parseTrustPolicy(utf8(vectors.policy)));

describe.each([
  ["node:crypto", nodeCrypto],
  ["@noble", nobleCrypto],
])("SM3 bundles with %s", (_, crypto) => {
  const ports = {
    crypto,
    hashers: { "sha-256": treeHasher(crypto.sha256), sm3: treeHasher(crypto.sm3) },
    decodeBody: decodeBodyBounded,
  };
  const { channel } = policy;
  const { name: device } = sm3Channel.device;
  const keys = [{ kid: thumbprint(crypto.sha256, key), publicKey: key }];

  test("salts, leaves, paths and root", () => {
    const { seed, readings } = unwrap(parseBody(bytes(vectors.bundle.body)));
    expect(toHex(seed)).toBe(vectors.bundle.seed);
    expect(readings.map(toHex)).toEqual(vectors.bundle.readings);
    expect(toHex(encodeBody({ seed, readings }))).toBe(vectors.bundle.body);
    const salts = readings.map((_reading, index) => toHex(saltOf(crypto.sm3, seed, index)));
    expect(salts).toEqual(vectors.bundle.salts);
    const leaves = saltedLeaves(crypto.sm3, seed, readings);
    expect(leaves.map(toHex)).toEqual(vectors.bundle.leaves);
    const hasher = treeHasher(crypto.sm3);
    expect(toHex(rootOf(hasher, leaves))).toBe(vectors.bundle.root);
    expect(pathOf(hasher, leaves, 2)).toHaveLength(1);
  });

  test.each(vectors.uplinks)("to a gateway: $name: $verdict", ({ verdict, hex }) => {
    const judged = verifyUplink(ports, bytes(hex), { channel, device, keys });
    expect(judged.ok ? "ok" : judged.fault.code).toBe(verdict);
    if (judged.ok) expect(judged.value.type).toBe("bundle");
  });

  test.each(vectors.receipts)("receipt of $name: $verdict", ({ verdict, hex }) => {
    const receipt = unwrap(parseReceipt(bytes(hex)));
    expect(cddl.misfit("receipt", unwrap(decodeCbor(bytes(hex), 65_536)))).toBeUndefined();
    const verified = verifyReceipt(crypto, policy, receipt);
    expect(verified.ok ? "valid" : verified.fault.code).toBe(verdict);
    expect(toHex(encodeReceipt(receipt))).toBe(hex);
  });
});

test.each(vectors.uplinks.filter(({ verdict }) => verdict !== "STATEMENT_TYPE_UNKNOWN"))(
  "$name fits the CDDL and is written again as it is read",
  ({ hex }) => {
    const message = unwrap(parseStatementMessage(bytes(hex)));
    expect(toHex(encodeStatementMessage(message))).toBe(hex);
    const { header, claims, part } = unwrap(parseStatement(message.statement));
    expect(cddl.misfit("statement", unwrap(decodeCbor(message.statement, 65_535)))).toBeUndefined();
    expect(cddl.misfit(`${header.type}-claims`, claims)).toBeUndefined();
    const type = header.type === "sm3-bundle" ? header.type : "bundle";
    const said = unwrap(parseDeviceClaims(type, claims));
    expect(said.hash).toBe(type === "sm3-bundle" ? "sm3" : "sha-256");
    const again = prepareStatement(header, encodeDeviceClaims(said));
    expect(toHex(finishStatement(again, part.signature))).toBe(toHex(message.statement));
  },
);

test("no bit of what a gateway took can change, and none of a valid receipt", () => {
  const taken = bytes(present(vectors.uplinks[0], "a good message").hex);
  const ports = {
    crypto: nodeCrypto,
    hashers: { "sha-256": treeHasher(nodeCrypto.sha256), sm3: treeHasher(nodeCrypto.sm3) },
    decodeBody: decodeBodyBounded,
  };
  const sender = {
    channel: policy.channel,
    device: sm3Channel.device.name,
    keys: [{ kid: thumbprint(nodeCrypto.sha256, key), publicKey: key }],
  };
  expect(verifyUplink(ports, taken, sender).ok).toBe(true);
  for (let bit = 0; bit < 8 * taken.length; bit++)
    if (verifyUplink(ports, flipped(taken, bit), sender).ok) expect(bit, "taken").toBe(-1);
  const file = bytes(present(vectors.receipts[0], "a good receipt").hex);
  const isValid = (changed: Uint8Array) => {
    const receipt = parseReceipt(changed);
    return receipt.ok && verifyReceipt(nodeCrypto, policy, receipt.value).ok;
  };
  expect(isValid(file)).toBe(true);
  for (let bit = 0; bit < 8 * file.length; bit++)
    if (isValid(flipped(file, bit))) expect(bit, "valid").toBe(-1);
});

test("any claims are taken or refused as those of a SHA-256 bundle are", () => {
  const message = unwrap(parseStatementMessage(bytes(present(vectors.uplinks[0], "good").hex)));
  const { claims } = unwrap(parseStatement(message.statement));
  if (!(claims instanceof Map)) throw new Error("claims are a map");
  const value = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.nat(), { maxLength: 3 }),
    fc.constant(null),
    fc.string(),
  );
  const keys = fc.constantFrom(...claims.keys(), 12, 99);
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, fc.option(value, { nil: undefined })), { maxLength: 3 }), (changes) => {
      const changedClaims = new Map<number | string, CborValue>([...claims]);
      for (const [at, to] of changes) {
        if (to === undefined) changedClaims.delete(at);
        else changedClaims.set(at, to);
      }
      const [plain, sm3] = [
        parseDeviceClaims("bundle", changedClaims),
        parseDeviceClaims("sm3-bundle", changedClaims),
      ];
      const asSm3 = plain.ok ? { ...plain, value: { ...plain.value, hash: "sm3" } } : plain;
      expect(sm3).toEqual(asSm3);
    }),
    { numRuns: 1_000 },
  );
});

test("they are what the encoders write today", () => {
  expect(encodeTrustPolicy(sm3Channel.policy)).toBe(vectors.policy);
  const uplinks = uplinkSamples.map(({ name, verdict, ...message }) => {
    return { name, verdict, hex: toHex(encodeStatementMessage(message)) };
  });
  expect(uplinks).toEqual(vectors.uplinks);
  const receipts = sm3ReceiptSamples.map(({ name, verdict, bytes: file }) => {
    return { name, verdict, hex: toHex(file) };
  });
  expect(receipts).toEqual(vectors.receipts);
});

test("a verified receipt says which hash is inside, and one of SHA-256 does not", () => {
  const good = present(vectors.receipts[0], "a good receipt");
  const receipt = unwrap(verifyReceipt(nobleCrypto, policy, unwrap(parseReceipt(bytes(good.hex)))));
  const lines = (language: "en" | "zh") => describeReceipt(nobleCrypto.sha256, receipt, language);
  expect(lines("en").join("\n")).toContain("Hashed with SM3 inside the bundle");
  expect(lines("zh").join("\n")).toContain("SM3");
  const { claims } = receipt;
  if (claims.kind !== "bundle") throw new Error(claims.kind);
  const plain = { ...receipt, claims: { ...claims, hash: "sha-256" } } as const;
  expect(describeReceipt(nobleCrypto.sha256, plain, "en").join("\n")).not.toContain("SM3");
});

function flipped(message: Uint8Array, bit: number): Uint8Array {
  return message.with(bit >> 3, (message[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
}
