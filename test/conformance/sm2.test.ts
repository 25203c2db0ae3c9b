/** SM2 with SM3, by both crypto ports: the standard's example, three other implementations, and what must not pass. */

import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { p256 } from "@noble/curves/nist.js";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { sm2Preamble, sm2UserId } from "@tamga/ledger-core/base/sm2";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import fc from "fast-check";
import { sm2 } from "sm-crypto-v2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytes32,
  ecdsaOnSm2Curve,
  inverse,
  mod,
  numberOf,
  pairOf,
  sm2Curve,
  sm2Digest,
  sm2PrivateKey,
  sm2PublicPoint,
  sm2Signature,
  sm2SignatureBy,
  sm2Za,
} from "../support/sm2-keys.ts";

const message = utf8("1-0:1.8.0*255 5430157.7 Wh");
const { n, p } = sm2Curve;
const secret = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(32).fill(9);
const point = sm2PublicPoint(secret);
const key: PublicKey = { algorithm: "SM2-SM3", point };
const good = sm2Signature(secret, message, { nonce });
const [r, s] = [numberOf(good.subarray(0, 32)), numberOf(good.subarray(32))];

/** The common answer; fails the test where there are two. */
function verdict(key: PublicKey, text: Uint8Array, signature: Uint8Array): boolean {
  const native = nodeCrypto.verify(key, text, signature);
  expect(nobleCrypto.verify(key, text, signature), "native and portable differ").toBe(native);
  return native;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
}

const scalars = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => numberOf(bytes) > 0n && numberOf(bytes) < n - 1n);

describe("the example of GB/T 32918.5-2017", () => {
  const vector = JSON.parse(
    readFileSync(new URL("../vectors/sm2-gbt-32918.json", import.meta.url), "utf8"),
  );
  const bytes = (hex: string) => present(fromHex(hex), "hexadecimal");
  const { publicKey, signature } = vector;
  const example = concat(Uint8Array.of(4), bytes(publicKey.x), bytes(publicKey.y));
  const signed = concat(bytes(signature.r), bytes(signature.s));

  it("verifies, and no flipped bit of it does", () => {
    const of: PublicKey = { algorithm: "SM2-SM3", point: example };
    expect(vector.id).toBe(sm2UserId);
    expect(verdict(of, utf8(vector.message), signed)).toBe(true);
    for (let bit = 0; bit < 512; bit += 37)
      expect(verdict(of, utf8(vector.message), flip(signed, bit))).toBe(false);
    expect(verdict(of, utf8(`${vector.message}.`), signed)).toBe(false);
    expect(toHex(sm2PublicPoint(bytes(vector.privateKey)))).toBe(toHex(example));
  });
});

describe("Z_A", () => {
  it("is that of the standard's text and of sm-crypto-v2, by both SM3", () => {
    fc.assert(
      fc.property(scalars, (secret) => {
        const of = sm2PublicPoint(secret);
        const expected = toHex(sm2Za(of, "1234567812345678"));
        expect(toHex(sm2Preamble(nodeCrypto.sm3, of))).toBe(expected);
        expect(toHex(sm2Preamble(nobleCrypto.sm3, of))).toBe(expected);
        expect(toHex(sm2.getZ(toHex(of)))).toBe(expected);
      }),
      { numRuns: 20 },
    );
  });
});

describe("signatures of others", () => {
  it("verify: by arithmetic from the standard, by OpenSSL in Node, by sm-crypto-v2", () => {
    fc.assert(
      fc.property(scalars, scalars, fc.uint8Array({ maxLength: 300 }), (secret, nonce, text) => {
        const point = sm2PublicPoint(secret);
        const key: PublicKey = { algorithm: "SM2-SM3", point };
        expect(verdict(key, text, sm2Signature(secret, text, { nonce }))).toBe(true);
        const byOpenSsl = sm2SignatureBy(sm2PrivateKey(secret), point, text);
        expect(verdict(key, text, byOpenSsl)).toBe(true);
        const hex = sm2.doSignature(text, toHex(secret), { hash: true, publicKey: toHex(point) });
        expect(verdict(key, text, present(fromHex(hex), "hexadecimal"))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it("verify no more after any flipped bit, of signature or message", () => {
    fc.assert(
      fc.property(fc.nat(511), fc.nat(8 * message.length - 1), (bit, at) => {
        expect(verdict(key, message, flip(good, bit))).toBe(false);
        expect(verdict(key, flip(message, at), good)).toBe(false);
      }),
      { numRuns: 40 },
    );
    expect(verdict(key, message, good)).toBe(true);
  });

  it("give one answer for any bytes as key and signature", () => {
    const sized = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
    const flippedPoints = fc.nat(8 * point.length - 1).map((bit) => flip(point, bit));
    const points = fc.oneof(fc.uint8Array({ maxLength: 80 }), sized(65), flippedPoints);
    fc.assert(
      fc.property(points, sized(64), (other, random) => {
        expect(verdict({ algorithm: "SM2-SM3", point: other }, message, good)).toBe(false);
        expect(verdict(key, message, random)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });
});

describe("openssl on the command line", () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-sm2-"));
  const file = (name: string) => join(directory, name);
  const openssl = (...parameters: readonly string[]) =>
    execFileSync("openssl", parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const identity = (id: string) => ["-sigopt", `distid:${id}`];
  let publicKey: PublicKey;

  beforeAll(() => {
    openssl("genpkey", "-algorithm", "SM2", "-out", file("key.pem"));
    openssl("pkey", "-in", file("key.pem"), "-pubout", "-outform", "DER", "-out", file("key.der"));
    const spki = new Uint8Array(readFileSync(file("key.der")));
    publicKey = { algorithm: "SM2-SM3", point: spki.subarray(-65) };
    writeFileSync(file("message"), message);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it("signs what both ports verify, but for another user ID", () => {
    for (const [id, isGood] of [
      [sm2UserId, true],
      ["ALICE123@YAHOO.COM", false],
    ] as const) {
      const signing = ["dgst", "-sm3", "-sign", file("key.pem"), ...identity(id)];
      openssl(...signing, "-out", file("signature"), file("message"));
      const signature = pairOf(new Uint8Array(readFileSync(file("signature"))));
      expect(verdict(publicKey, message, signature), id).toBe(isGood);
    }
  });

  it("verifies what Node signs with its key", () => {
    const key = createPrivateKey(readFileSync(file("key.pem")));
    const pair = sm2SignatureBy(key, present(pointOf(publicKey), "point"), message);
    writeFileSync(file("signature"), derOf(pair));
    const verifying = ["dgst", "-sm3", "-prverify", file("key.pem"), ...identity(sm2UserId)];
    expect(openssl(...verifying, "-signature", file("signature"), file("message"))).toContain(
      "Verified OK",
    );
  });
});

describe("what is no SM2 signature", () => {
  it("is one for another user ID, or for none", () => {
    for (const userId of ["1234567812345679", "ALICE123@YAHOO.COM", ""])
      expect(verdict(key, message, sm2Signature(secret, message, { nonce, userId }))).toBe(false);
  });

  it("is ECDSA on the same curve, with Z_A or without", () => {
    expect(verdict(key, message, ecdsaOnSm2Curve(secret, message, { nonce }))).toBe(false);
    const pair = generateKeyPairSync("ec", { namedCurve: "SM2" });
    const spki = pair.publicKey.export({ type: "spki", format: "der" });
    const plain: PublicKey = { algorithm: "SM2-SM3", point: new Uint8Array(spki.subarray(-65)) };
    // What Node signs with a key of its own making, in one call.
    const oneShot = sign("sm3", message, { key: pair.privateKey, dsaEncoding: "ieee-p1363" });
    expect(oneShot).toHaveLength(64);
    expect(verdict(plain, message, new Uint8Array(oneShot))).toBe(false);
    const read = createPrivateKey(pair.privateKey.export({ type: "pkcs8", format: "pem" }));
    const readPoint = present(pointOf(plain), "point");
    expect(verdict(plain, message, sm2SignatureBy(read, readPoint, message))).toBe(true);
    // And in one call with a key that was read: SM2 for an empty user ID.
    expect(verdict(plain, message, pairOf(new Uint8Array(sign("sm3", message, read))))).toBe(false);
  });

  it("has another length, or is DER", () => {
    for (const length of [0, 1, 32, 63, 65, 128])
      expect(verdict(key, message, concat(good, good).subarray(0, length))).toBe(false);
    expect(verdict(key, message, derOf(good))).toBe(false);
  });
});

describe("numbers at their edges", () => {
  const pair = (first: bigint, second: bigint) => concat(bytes32(first), bytes32(second));
  const top = 2n ** 256n - 1n;

  it("r and s are from 1 to n - 1, and their sum is not n", () => {
    for (const wrong of [0n, n, n + 1n, top]) {
      expect(verdict(key, message, pair(wrong, s)), `r ${wrong}`).toBe(false);
      expect(verdict(key, message, pair(r, wrong)), `s ${wrong}`).toBe(false);
      expect(verdict(key, message, pair(wrong, wrong))).toBe(false);
    }
    expect(verdict(key, message, pair(r, n - r))).toBe(false);
    expect(verdict(key, message, pair(n - s, s))).toBe(false);
  });

  it("no second form is made of one: neither n - s nor n - r", () => {
    for (const other of [pair(r, n - s), pair(n - r, s), pair(n - r, n - s), pair(s, r)])
      expect(verdict(key, message, other)).toBe(false);
  });

  it("the point at infinity is no answer, though its owner could aim at it", () => {
    const e = mod(sm2Digest(point, message), n);
    const aimed = pair(e, mod(-e * numberOf(secret) * inverse(1n + numberOf(secret)), n));
    // The arithmetic alone takes it: this is the edge, not just a bad signature.
    const digest = bytes32(sm2Digest(point, message));
    expect(sm2.doVerifySignature(digest, toHex(aimed), toHex(point))).toBe(true);
    expect(verdict(key, message, aimed)).toBe(false);
  });

  it("a key is an uncompressed point of this curve", () => {
    const of = (point: Uint8Array) => verdict({ algorithm: "SM2-SM3", point }, message, good);
    const odd = (point[64] ?? 0) & 1;
    const wrong = [
      flip(point, 8 * 64),
      concat(Uint8Array.of(2 + odd), point.subarray(1, 33)),
      concat(Uint8Array.of(6 + odd), point.subarray(1)),
      concat(Uint8Array.of(4), new Uint8Array(64)),
      concat(Uint8Array.of(4), bytes32(p), point.subarray(33)),
      p256.getPublicKey(secret, false),
      point.subarray(1),
      new Uint8Array(1),
      new Uint8Array(),
    ];
    for (const other of wrong) expect(of(other), toHex(other)).toBe(false);
    expect(of(point)).toBe(true);
  });
});

function pointOf(key: PublicKey): Uint8Array | undefined {
  return key.algorithm === "SM2-SM3" ? key.point : undefined;
}

function derOf(pair: Uint8Array): Uint8Array {
  const integers = [pair.subarray(0, 32), pair.subarray(32)].map((value) => {
    const start = value.findIndex((byte) => byte !== 0);
    const significant = value.subarray(start);
    const sign = (significant[0] ?? 0) >= 0x80 ? [0] : [];
    return concat(
      Uint8Array.of(2, sign.length + significant.length),
      Uint8Array.from(sign),
      significant,
    );
  });
  const content = concat(...integers);
  return concat(Uint8Array.of(0x30, content.length), content);
}
