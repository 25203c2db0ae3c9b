/** Version 1 of the wire format, pinned: the file's bytes parse, verify and encode again to the same. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex, parseDigest, toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeBody, parseBody } from "@tamga/ledger-core/wire/body";
import { encodeChannelClaims, parseChannelClaims } from "@tamga/ledger-core/wire/channel-claims";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { encodeDeviceClaims, parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { encodeGatewayClaims, parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { verifyLogSignature } from "@tamga/ledger-core/wire/log-signature";
import { encodeReading, parseReading } from "@tamga/ledger-core/wire/reading";
import { saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import { finishStatement, parseStatement, prepareStatement, verifyStatement } from "@tamga/ledger-core/wire/statement";

const vectors = JSON.parse(readFileSync(new URL("./wire-v1.json", import.meta.url), "utf8")) as Vectors;
const ports: readonly (readonly [string, CryptoPort])[] = [
  ["@noble", nobleCrypto],
  ["node:crypto", nodeCrypto],
];

describe.each(ports)("version 1 by %s", (_name, crypto) => {
  const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);

  test("thumbprints of the keys", () => {
    for (const key of vectors.keys) {
      expect(toHex(thumbprint(sha256, publicKey(key.name))), key.name).toBe(key.thumbprint);
    }
  });

  test.each(vectors.readings)("reading %#", (hex) => {
    const parsed = parseReading(bytes(hex));
    expect(parsed.ok && toHex(encodeReading(parsed.value))).toBe(hex);
  });

  test("salted leaves, root and body of the bundle", () => {
    const { seed, leaves, root, body } = vectors.bundle;
    const parsed = parseBody(bytes(body));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    expect(parsed.value.readings.map(toHex)).toEqual(vectors.readings);
    expect(toHex(parsed.value.seed)).toBe(seed);
    expect(toHex(encodeBody(parsed.value))).toBe(body);
    const hashed = saltedLeaves(sha256, bytes(seed), parsed.value.readings);
    expect(hashed.map(toHex)).toEqual(leaves);
    expect(toHex(rootOf(treeHasher(sha256), hashed))).toBe(root);
  });

  test.each(vectors.statements)("statement $name", ({ hex, identity }) => {
    const parsed = parseStatement(bytes(hex));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    const { header, part } = parsed.value;
    expect(toHex(identityOf(sha256, part))).toBe(identity);
    expect(verifyStatement(crypto, parsed.value, signerOf(parsed.value)).ok).toBe(true);
    const again = prepareStatement(header, reencodedClaims(parsed.value));
    expect(toHex(finishStatement(again, part.signature))).toBe(hex);
  });

  test.each(vectors.logSignatures)("log signature $name", (signed) => {
    const key = publicKey(signed.name === "lane" ? "gateway" : "validator");
    const head = { origin: signed.origin, size: BigInt(signed.size), root: digest(signed.root), key };
    const bytesOf = { protectedBytes: bytes(signed.protected), signature: bytes(signed.signature) };
    expect(verifyLogSignature(crypto, bytesOf, head)).toMatchObject({ ok: true });
    const smaller = verifyLogSignature(crypto, bytesOf, { ...head, size: head.size - 1n });
    expect(smaller).toMatchObject({ fault: { code: "LOG_SIGNATURE_OTHER_SIZE" } });
    const elsewhere = verifyLogSignature(crypto, bytesOf, { ...head, origin: `${head.origin}x` });
    expect(elsewhere).toMatchObject({ fault: { code: "LOG_SIGNATURE_OTHER_LOG" } });
  });

  test.each(vectors.tampered)("tampered: $name gives $code", ({ hex, code }) => {
    expect(judge(crypto, bytes(hex))).toBe(code);
  });
});

/** The code that a receiver of a device's bundle answers with, or "ok". */
function judge(crypto: CryptoPort, statement: Uint8Array): string {
  const parsed = parseStatement(statement);
  if (!parsed.ok) return parsed.fault.code;
  const claims = parseDeviceClaims("bundle", parsed.value.claims);
  if (!claims.ok) return claims.fault.code;
  const signed = verifyStatement(crypto, parsed.value, publicKey("device"));
  return signed.ok ? "ok" : signed.fault.code;
}

function reencodedClaims(statement: ParsedStatement) {
  const { type } = statement.header;
  switch (type) {
    case "bundle":
    case "gap":
    case "start":
    case "heartbeat":
      return encodeDeviceClaims(unwrap(parseDeviceClaims(type, statement.claims)));
    case "rejection":
    case "lane-open":
    case "lane-head":
      return encodeGatewayClaims(unwrap(parseGatewayClaims(type, statement.claims)));
    case "channel-open":
    case "device":
      return encodeChannelClaims(unwrap(parseChannelClaims(type, statement.claims)));
    default:
      throw new Error(`${type} came after these vectors`);
  }
}

function signerOf(statement: ParsedStatement): PublicKey {
  switch (statement.header.issuer) {
    case "meter-box-1":
      return publicKey("device");
    case "gateway-1":
      return publicKey("gateway");
    default:
      return publicKey("organisation");
  }
}

function publicKey(name: string): PublicKey {
  const key = present(
    vectors.keys.find((candidate) => candidate.name === name),
    name,
  );
  return { algorithm: key.algorithm === "EdDSA" ? "EdDSA" : "ES256", point: bytes(key.point) };
}

function unwrap<T>(result: { ok: true; value: T } | { ok: false; fault: { code: string } }): T {
  if (!result.ok) throw new Error(result.fault.code);
  return result.value;
}

function bytes(hex: string): Uint8Array {
  return present(fromHex(hex), "hexadecimal");
}

function digest(hex: string): Digest {
  return unwrap(parseDigest(bytes(hex)));
}

type Named = { readonly name: string };
type Vectors = {
  readonly keys: readonly (Named & { algorithm: string; point: string; thumbprint: string })[];
  readonly readings: readonly string[];
  readonly bundle: { seed: string; salts: string[]; leaves: string[]; root: string; body: string };
  readonly statements: readonly (Named & { hex: string; identity: string })[];
  readonly logSignatures: readonly (Named & {
    origin: string;
    size: string;
    root: string;
    protected: string;
    signature: string;
  })[];
  readonly tampered: readonly (Named & { hex: string; code: string })[];
};
