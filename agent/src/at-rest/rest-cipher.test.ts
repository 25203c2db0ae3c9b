/** The ciphers of data at rest, by published vectors, and by what each of them must refuse. */

import { createCipheriv, randomBytes } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RestCipher, restKeyBytes, restOverheadBytes, sealingNames } from "./rest-cipher.ts";
import { Sm4Gcm } from "./sm4-gcm.ts";

const bytes = (hex: string) => present(fromHex(hex.replace(/\s/g, "").toLowerCase()), "hex");

/** RFC 8998, appendix A.1. */
const published = {
  key: bytes("0123456789ABCDEFFEDCBA9876543210"),
  nonce: bytes("00001234567800000000ABCD"),
  additional: bytes("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"),
  plain: bytes(`AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD
    EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA`),
  cipherText: bytes(`17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735
    D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D`),
  tag: bytes("83DE3541E4C2B58177E065A9BF7B62EC"),
};

describe("SM4-GCM", () => {
  it("is that of RFC 8998", () => {
    const { key, nonce, plain, additional, cipherText, tag } = published;
    const cipher = new Sm4Gcm(key);
    const sealed = cipher.seal(nonce, plain, additional);
    expect(toHex(sealed)).toBe(toHex(concat(cipherText, tag)));
    expect(cipher.open(nonce, sealed, additional)).toEqual(plain);
  });

  it("opens nothing that differs from the published vector in a bit", () => {
    const { key, nonce, plain, additional, cipherText, tag } = published;
    const cipher = new Sm4Gcm(key);
    const sealed = concat(cipherText, tag);
    const flips = (of: Uint8Array) =>
      Array.from({ length: 8 * of.length }, (_, bit) => flipped(of, bit));
    expect(cipher.open(nonce, sealed, additional)).toEqual(plain);
    for (const other of flips(sealed))
      expect(cipher.open(nonce, other, additional)).toBeUndefined();
    for (const other of flips(additional))
      expect(cipher.open(nonce, sealed, other)).toBeUndefined();
    for (const other of flips(nonce))
      expect(cipher.open(other, sealed, additional)).toBeUndefined();
    for (const other of flips(key))
      expect(new Sm4Gcm(other).open(nonce, sealed, additional)).toBeUndefined();
    for (const length of [0, 15, 16, sealed.length - 1])
      expect(cipher.open(nonce, sealed.subarray(0, length), additional)).toBeUndefined();
  });

  // OpenSSL's AES-GCM over the same plaintext tells GHASH and its lengths from a lucky single vector: both modes
  // differ in the block cipher alone, which the definition below takes from OpenSSL one block at a time.
  it("is GCM as SP 800-38D defines it, at every length around its blocks", () => {
    const lengths = fc.nat(70);
    fc.assert(
      fc.property(lengths, lengths, (plainLength, additionalLength) => {
        const [key, nonce] = [randomBytes(16), randomBytes(12)];
        const plain = new Uint8Array(randomBytes(plainLength));
        const additional = new Uint8Array(randomBytes(additionalLength));
        const sealed = new Sm4Gcm(key).seal(nonce, plain, additional);
        expect(toHex(sealed)).toBe(
          toHex(byDefinition("sm4-ecb", key, { nonce, plain, additional })),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("has a definition to be held to that gives what OpenSSL gives for AES", () => {
    for (const [plainLength, additionalLength] of [
      [0, 0],
      [1, 17],
      [16, 16],
      [200, 39],
    ] as const) {
      const [key, nonce] = [randomBytes(32), randomBytes(12)];
      const plain = new Uint8Array(randomBytes(plainLength));
      const additional = new Uint8Array(randomBytes(additionalLength));
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(additional);
      const sealed = concat(cipher.update(plain), cipher.final(), cipher.getAuthTag());
      expect(toHex(byDefinition("aes-256-ecb", key, { nonce, plain, additional }))).toBe(
        toHex(sealed),
      );
    }
  });
});

describe.each(sealingNames)("a row under %s", (name) => {
  const place = utf8("row 7");
  const fresh = () => new RestCipher(name, new Uint8Array(randomBytes(restKeyBytes[name])));

  it("opens again, at its own place, and is as long as it says", () => {
    const cipher = fresh();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const sealed = cipher.seal(plain, place);
        expect(sealed).toHaveLength(plain.length + restOverheadBytes);
        expect(cipher.open(sealed, place)).toStrictEqual(plain);
        expect(cipher.open(sealed, utf8("row 8"))).toBeUndefined();
      }),
    );
  });

  it("does not open when it is cut, changed, under another key or no row at all", () => {
    const cipher = fresh();
    const sealed = cipher.seal(utf8("1-0:1.8.0*255(005430.157*kWh)"), place);
    for (let length = 0; length < sealed.length; length++)
      expect(cipher.open(sealed.subarray(0, length), place)).toBeUndefined();
    for (let bit = 0; bit < 8 * sealed.length; bit++)
      expect(cipher.open(flipped(sealed, bit), place)).toBeUndefined();
    expect(fresh().open(sealed, place)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (noRow) => {
        expect(cipher.open(noRow, place)).toBeUndefined();
      }),
    );
  });

  it("never has the same bytes twice", () => {
    const cipher = fresh();
    const rows = Array.from({ length: 100 }, () => toHex(cipher.seal(utf8("same"), place)));
    expect(new Set(rows).size).toBe(100);
  });

  it("takes a key of its own length alone", () => {
    for (const length of [0, 15, 17, 24, 31, 33, name === "sm4-gcm" ? 32 : 16])
      expect(() => new RestCipher(name, new Uint8Array(length))).toThrow("a data key has");
  });
});

it("tells keys apart without their cipher, and says nothing of them", () => {
  const [one, other] = [new Uint8Array(randomBytes(16)), new Uint8Array(randomBytes(16))];
  expect(RestCipher.checkOf(one)).toEqual(RestCipher.checkOf(one.slice()));
  expect(RestCipher.checkOf(one)).not.toEqual(RestCipher.checkOf(other));
  expect(RestCipher.checkOf(one)).toHaveLength(16);
});

function flipped(of: Uint8Array, bit: number): Uint8Array {
  return of.with(bit >> 3, (of[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
}

type Text = {
  readonly nonce: Uint8Array;
  readonly plain: Uint8Array;
  readonly additional: Uint8Array;
};

/** GCM bit by bit, as SP 800-38D writes it in sections 6 and 7, over one block at a time; slow. */
function byDefinition(block: "sm4-ecb" | "aes-256-ecb", key: Uint8Array, text: Text): Uint8Array {
  const encrypt = (input: bigint) => {
    const cipher = createCipheriv(block, key, null).setAutoPadding(false);
    return toBigInt(cipher.update(fromBigInt(input)));
  };
  const start = (toBigInt(text.nonce) << 32n) | 1n;
  const hashKey = encrypt(0n);
  const cipherText = text.plain.slice();
  for (let i = 0; i < cipherText.length; i += 16) {
    const mask = fromBigInt(encrypt(start + 1n + BigInt(i / 16)));
    for (let j = i; j < Math.min(i + 16, cipherText.length); j++)
      cipherText[j] = (cipherText[j] ?? 0) ^ (mask[j - i] ?? 0);
  }
  const filled = (of: Uint8Array) => concat(of, new Uint8Array((16 - (of.length % 16)) % 16));
  const lengths = (BigInt(8 * text.additional.length) << 64n) | BigInt(8 * cipherText.length);
  const hashed = concat(filled(text.additional), filled(cipherText), fromBigInt(lengths));
  let y = 0n;
  for (let i = 0; i < hashed.length; i += 16)
    y = product(y ^ toBigInt(hashed.subarray(i, i + 16)), hashKey);
  return concat(cipherText, fromBigInt(y ^ encrypt(start)));
}

/** Section 6.3: the leftmost bit is that of x^0. */
function product(x: bigint, y: bigint): bigint {
  let z = 0n;
  let v = y;
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
  }
  return z;
}

function toBigInt(of: Uint8Array): bigint {
  return of.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function fromBigInt(value: bigint): Uint8Array {
  return bytes(value.toString(16).padStart(32, "0"));
}
