/** The native and the portable crypto port give one answer to every key, message and signature. */

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { concat, fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { createNodeCrypto, nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const message = utf8("1-0:1.8.0*255 5430157.7 Wh");
const order = p256.Point.Fn.ORDER;
const edOrder = ed25519.Point.Fn.ORDER;

/** The common answer; fails the test where there are two. */
function verdict(key: PublicKey, text: Uint8Array, signature: Uint8Array): boolean {
  const native = nodeCrypto.verify(key, text, signature);
  expect(nobleCrypto.verify(key, text, signature), "native and portable differ").toBe(native);
  return native;
}

function es256(secret: Uint8Array) {
  const point = p256.getPublicKey(secret, false);
  const key: PublicKey = { algorithm: "ES256", point };
  return { key, point, signature: p256.sign(message, secret, { lowS: true }) };
}

function edDsa(secret: Uint8Array) {
  const point = ed25519.getPublicKey(secret);
  const key: PublicKey = { algorithm: "EdDSA", point };
  return { key, point, signature: ed25519.sign(message, secret) };
}

const secrets = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => p256.utils.isValidSecretKey(bytes));
const fixed = new Uint8Array(32).fill(7);

function bigEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")) ?? new Uint8Array();
}

function littleEndian(value: bigint): Uint8Array {
  return bigEndian(value).reverse();
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

describe("SHA-256", () => {
  it("is one function, and plain bytes come out of it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const digest = nodeCrypto.sha256(bytes);
        expect(digest).toStrictEqual(nobleCrypto.sha256(bytes));
        expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
      }),
    );
  });

  it("hashes a view, not the buffer behind it", () => {
    const view = new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3);
    expect(nodeCrypto.sha256(view)).toStrictEqual(nobleCrypto.sha256(new Uint8Array([2, 3])));
  });
});

describe("SM3", () => {
  // GB/T 32905-2016, appendix A; the third is of 1,000,000 bytes, as OpenSSL's own test has it.
  it.each([
    [utf8("abc"), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"],
    [utf8("abcd".repeat(16)), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"],
    [
      new Uint8Array(1_000_000).fill(0x61),
      "c8aaf89429554029e231941a2acc0ad61ff2a5acd8fadd25847a3a732b3b02c3",
    ],
    [new Uint8Array(), "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"],
  ])("has the standard's values: %#", (message, hex) => {
    expect(toHex(nobleCrypto.sm3(message))).toBe(hex);
    expect(toHex(nodeCrypto.sm3(message))).toBe(hex);
  });

  it("is one function at every length around its blocks, and plain bytes come out of it", () => {
    const bytes = Uint8Array.from({ length: 260 }, (_, i) => (i * 167) & 255);
    for (let length = 0; length <= bytes.length; length++) {
      const message = bytes.subarray(0, length);
      expect(nobleCrypto.sm3(message), `${length} bytes`).toStrictEqual(nodeCrypto.sm3(message));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.nat(64), (message, from) => {
        const view = message.subarray(from);
        const digest = nobleCrypto.sm3(view);
        expect(digest).toStrictEqual(nodeCrypto.sm3(view));
        expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
      }),
      { numRuns: 500 },
    );
  });

  it("is not SHA-256", () => {
    expect(nodeCrypto.sm3(message)).not.toStrictEqual(nodeCrypto.sha256(message));
  });
});

describe.each([
  ["ES256", es256],
  ["EdDSA", edDsa],
] as const)("%s", (_name, make) => {
  it("accepts what was signed and refuses it after any flipped bit", () => {
    fc.assert(
      fc.property(secrets, fc.nat(511), fc.nat(8 * message.length - 1), (secret, bit, at) => {
        const { key, signature } = make(secret);
        expect(verdict(key, message, signature)).toBe(true);
        expect(verdict(key, message, flip(signature, bit))).toBe(false);
        expect(verdict(key, flip(message, at), signature)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it("gives one answer for any bytes as key and signature", () => {
    const { key, point, signature } = make(fixed);
    const sized = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
    const points = fc.oneof(fc.uint8Array({ maxLength: 80 }), sized(point.length));
    const flippedPoints = fc.nat(8 * point.length - 1).map((bit) => flip(point, bit));
    fc.assert(
      fc.property(fc.oneof(points, flippedPoints), sized(64), (other, random) => {
        expect(verdict(withPoint(key, other), message, signature)).toBe(false);
        expect(verdict(key, message, random)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it("refuses every length but its own, of key and of signature", () => {
    const { key, point, signature } = make(fixed);
    for (const length of [0, 1, 31, 32, 63, 65, 66, 72, 128]) {
      const other = concat(signature, signature).subarray(0, length);
      expect(verdict(key, message, other), `signature of ${length}`).toBe(false);
      if (length === point.length) continue;
      const cut = concat(point, point).subarray(0, length);
      expect(verdict(withPoint(key, cut), message, signature), `key of ${length}`).toBe(false);
    }
  });
});

function withPoint(key: PublicKey, point: Uint8Array): PublicKey {
  return key.algorithm === "ES256" ? { algorithm: "ES256", point } : { algorithm: "EdDSA", point };
}

describe("ES256 at its edges", () => {
  const { key, point, signature } = es256(fixed);
  const r = BigInt(`0x${Buffer.from(signature.subarray(0, 32)).toString("hex")}`);
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`);
  const pair = (first: bigint, second: bigint) => concat(bigEndian(first), bigEndian(second));

  it("accepts the second valid form, with a high s", () => {
    expect(verdict(key, message, pair(r, order - s))).toBe(true);
  });

  it("refuses zero, the order and what lies above it", () => {
    const top = 2n ** 256n - 1n;
    for (const wrong of [0n, order, order + 1n, top]) {
      expect(verdict(key, message, pair(wrong, s))).toBe(false);
      expect(verdict(key, message, pair(r, wrong))).toBe(false);
      expect(verdict(key, message, pair(wrong, wrong))).toBe(false);
    }
    if (s + order <= top) expect(verdict(key, message, pair(r, s + order))).toBe(false);
  });

  it("refuses DER", () => {
    const der = p256.sign(message, fixed, { format: "der" });
    expect(verdict(key, message, der)).toBe(false);
  });

  it("refuses points off the curve, compressed, hybrid, at infinity or unreduced", () => {
    const compressed = p256.getPublicKey(fixed, true);
    const hybrid = concat(new Uint8Array([6 + ((point[64] ?? 0) & 1)]), point.subarray(1));
    const field = bigEndian(p256.Point.Fp.ORDER);
    const unreduced = concat(new Uint8Array([4]), field, point.subarray(33));
    const zero = concat(new Uint8Array([4]), new Uint8Array(64));
    for (const wrong of [flip(point, 8 * 64), compressed, hybrid, zero, unreduced])
      expect(verdict({ algorithm: "ES256", point: wrong }, message, signature)).toBe(false);
    expect(verdict({ algorithm: "ES256", point: new Uint8Array(1) }, message, signature)).toBe(
      false,
    );
  });
});

describe("EdDSA at its edges", () => {
  const { key, signature } = edDsa(fixed);
  const identity = concat(new Uint8Array([1]), new Uint8Array(31));
  const torsion = ED25519_TORSION_SUBGROUP.map((hex) => ed25519.Point.fromHex(hex, true));
  const generator = torsion.find(order8) ?? ed25519.Point.ZERO;

  function order8(point: (typeof torsion)[number]): boolean {
    return !point.double().double().is0();
  }

  function challenge(r: Uint8Array, a: Uint8Array): bigint {
    const digest = createHash("sha512").update(r).update(a).update(message).digest();
    return fromLittleEndian(digest) % edOrder;
  }

  it("refuses an S that is not reduced", () => {
    const s = fromLittleEndian(signature.subarray(32));
    const other = concat(signature.subarray(0, 32), littleEndian(s + edOrder));
    expect(verdict(key, message, other)).toBe(false);
  });

  it("refuses keys of small order, whatever they would sign", () => {
    for (const hex of ED25519_TORSION_SUBGROUP) {
      const point = fromHex(hex) ?? new Uint8Array();
      const forged = concat(identity, new Uint8Array(32));
      expect(verdict({ algorithm: "EdDSA", point }, message, forged), hex).toBe(false);
    }
  });

  it("refuses encodings that are not canonical, of key and of R", () => {
    const field = ed25519.Point.Fp.ORDER;
    const oddZero = flip(identity, 255);
    for (const wrong of [littleEndian(field), littleEndian(field + 1n), oddZero]) {
      const forged = concat(wrong, new Uint8Array(32));
      expect(verdict({ algorithm: "EdDSA", point: wrong }, message, signature)).toBe(false);
      expect(verdict(key, message, forged)).toBe(false);
    }
  });

  it("refuses a key with a part of small order, with and without the cofactor", () => {
    const secret = 123_456_789n;
    const nonce = 987_654_321n;
    const point = ed25519.Point.BASE.multiply(secret).add(generator).toBytes();
    const r = ed25519.Point.BASE.multiply(nonce).toBytes();
    const s = (nonce + challenge(r, point) * secret) % edOrder;
    const forged = concat(r, littleEndian(s));
    // The check with the cofactor alone would take it: this is the edge, not just a bad signature.
    expect(ed25519.verify(forged, message, point, { zip215: false })).toBe(true);
    expect(verdict({ algorithm: "EdDSA", point }, message, forged)).toBe(false);
  });

  it("refuses an R with a part of small order", () => {
    const secret = 123_456_789n;
    const nonce = 987_654_321n;
    const point = ed25519.Point.BASE.multiply(secret).toBytes();
    const r = ed25519.Point.BASE.multiply(nonce).add(generator).toBytes();
    const s = (nonce + challenge(r, point) * secret) % edOrder;
    const forged = concat(r, littleEndian(s));
    expect(ed25519.verify(forged, message, point, { zip215: false })).toBe(true);
    expect(verdict({ algorithm: "EdDSA", point }, message, forged)).toBe(false);
  });
});

describe("PS256, native only", () => {
  const rsa = (bits: number, exponent = 65_537) =>
    generateKeyPairSync("rsa", { modulusLength: bits, publicExponent: exponent });
  const pss = (pair: ReturnType<typeof rsa>, saltLength: number, digest = "sha256") =>
    sign(digest, message, { key: pair.privateKey, padding: 6, saltLength });
  const keyOf = (pair: ReturnType<typeof rsa>): PublicKey => ({
    algorithm: "PS256",
    spki: new Uint8Array(pair.publicKey.export({ type: "spki", format: "der" })),
  });
  const pair = rsa(2048);
  const key = keyOf(pair);

  it("accepts SHA-256 with a salt of 32 bytes; the portable port never does", () => {
    expect(nodeCrypto.verify(key, message, pss(pair, 32))).toBe(true);
    expect(nobleCrypto.verify(key, message, pss(pair, 32))).toBe(false);
  });

  it("refuses another salt, another hash, PKCS #1 v1.5, a flipped bit and a cut signature", () => {
    const good = pss(pair, 32);
    const wrong = [
      pss(pair, 20),
      pss(pair, 0),
      pss(pair, 32, "sha512"),
      sign("sha256", message, pair.privateKey),
      flip(good, 1000),
      good.subarray(1),
      concat(new Uint8Array(1), good),
      new Uint8Array(),
    ];
    for (const signature of wrong) expect(nodeCrypto.verify(key, message, signature)).toBe(false);
  });

  it("refuses short and over-long moduli, other exponents, other kinds and loose DER", () => {
    for (const weak of [rsa(1024), rsa(2048, 3), rsa(4104)])
      expect(nodeCrypto.verify(keyOf(weak), message, pss(weak, 32))).toBe(false);
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const spki = new Uint8Array(ec.publicKey.export({ type: "spki", format: "der" }));
    expect(nodeCrypto.verify({ algorithm: "PS256", spki }, message, pss(pair, 32))).toBe(false);
    if (key.algorithm !== "PS256") throw new Error("unreachable");
    for (const other of [concat(key.spki, new Uint8Array(1)), new Uint8Array(2000)])
      expect(nodeCrypto.verify({ algorithm: "PS256", spki: other }, message, pss(pair, 32))).toBe(
        false,
      );
  });
});

describe("the keys that stay imported", () => {
  it("verify on after others have pushed them out", () => {
    const small = createNodeCrypto(2);
    const devices = [1, 2, 3, 4].map((fill) => es256(new Uint8Array(32).fill(fill)));
    for (let round = 0; round < 2; round++)
      for (const { key, signature } of devices)
        expect(small.verify(key, message, signature)).toBe(true);
    const [first, second] = devices;
    if (first === undefined || second === undefined) throw new Error("unreachable");
    expect(small.verify(first.key, message, second.signature)).toBe(false);
  });
});
