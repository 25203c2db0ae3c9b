/** TPM structures: what is written is read, what is cut or noise is refused, and codes have names. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, u32, u64 } from "../base/bytes.ts";
import { encodePcrSelections } from "./pcr-selection.ts";
import type { TpmPublicArea } from "./public-area.ts";
import { encodeTpmPublic, parseTpmPublic, tpmPublicKey } from "./public-area.ts";
import { parseTpmAttest } from "./tpm-attest.ts";
import { tpmSized, tpmU8, tpmU16 } from "./tpm-bytes.ts";
import {
  tpmAlgorithms,
  tpmAttestBytesMax,
  tpmGenerated,
  tpmPublicBytesMax,
} from "./tpm-numbers.ts";
import { describeTpmResponse } from "./tpm-response-code.ts";
import { parseTpmSignature } from "./tpm-signature.ts";

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const scheme = fc.constantFrom(
  { algorithm: tpmAlgorithms.null },
  { algorithm: tpmAlgorithms.ecdsa, hash: tpmAlgorithms.sha256 },
  { algorithm: tpmAlgorithms.rsaPss, hash: tpmAlgorithms.sha384 },
);
const head = {
  nameAlgorithm: fc.constantFrom(tpmAlgorithms.sha256, tpmAlgorithms.sha384),
  attributes: fc.nat({ max: 0xffff_ffff }),
  authPolicy: fc.uint8Array({ maxLength: 64 }),
  scheme,
};
const symmetric = { algorithm: tpmAlgorithms.aes, keyBits: 128, mode: tpmAlgorithms.cfb };
const areas: fc.Arbitrary<TpmPublicArea> = fc.oneof(
  fc.record({
    ...head,
    type: fc.constant("ecc" as const),
    curve: fc.constantFrom(3, 4),
    x: fc.uint8Array({ maxLength: 32 }),
    y: fc.uint8Array({ maxLength: 32 }),
  }),
  fc.record({
    ...head,
    symmetric: fc.constant(symmetric),
    type: fc.constant("rsa" as const),
    keyBits: fc.constant(2_048),
    exponent: fc.constantFrom(0, 65_537),
    modulus: fc.uint8Array({ maxLength: 512 }),
  }),
);

/** A quote of PCR 0 and 7, as a TPM writes it. */
const quote = concat(
  u32(tpmGenerated),
  tpmU16(0x8018),
  tpmSized(new Uint8Array(34)),
  tpmSized(Uint8Array.of(1, 2, 3)),
  u64(5_000n),
  u32(2),
  u32(1),
  tpmU8(1),
  u64(7n),
  encodePcrSelections([{ hash: tpmAlgorithms.sha256, indices: [0, 7, 23] }]),
  tpmSized(new Uint8Array(32)),
);

describe("public areas", () => {
  test("are read as they were written", () => {
    fc.assert(
      fc.property(areas, (area) => {
        expect(parseTpmPublic(encodeTpmPublic(area))).toEqual({ ok: true, value: area });
      }),
    );
  });

  test("are refused when cut, continued, too long, or of another type", () => {
    fc.assert(
      fc.property(areas, fc.nat(), (area, at) => {
        const bytes = encodeTpmPublic(area);
        expect(parseTpmPublic(bytes.subarray(0, at % bytes.length)).ok).toBe(false);
        expect(parseTpmPublic(concat(bytes, tpmU8(0))).ok).toBe(false);
      }),
    );
    expect(parseTpmPublic(tpmU16(8))).toMatchObject({ fault: { code: "TPM_PUBLIC_TYPE_UNKNOWN" } });
    const long = parseTpmPublic(new Uint8Array(tpmPublicBytesMax + 1));
    expect(long).toMatchObject({ fault: { code: "TPM_PUBLIC_MALFORMED" } });
  });

  test("give P-256 points their leading zeros, and no key for another curve", () => {
    const x = Uint8Array.of(5);
    const area = {
      nameAlgorithm: 11,
      attributes: 0,
      authPolicy: new Uint8Array(),
      scheme: { algorithm: tpmAlgorithms.null },
      type: "ecc",
      x,
      y: x,
    } as const;
    const key = tpmPublicKey({ ...area, curve: 3 });
    const point = new Uint8Array(65);
    point.set([4], 0);
    point.set([5], 32);
    point.set([5], 64);
    expect(key).toEqual({ algorithm: "ES256", point });
    expect(tpmPublicKey({ ...area, curve: 4 })).toBeUndefined();
  });
});

describe("what a TPM attests", () => {
  test("is read field by field", () => {
    expect(parseTpmAttest(quote)).toEqual({
      ok: true,
      value: {
        type: "quote",
        qualifiedSigner: new Uint8Array(34),
        extraData: Uint8Array.of(1, 2, 3),
        clockInfo: { clock: 5_000n, resetCount: 2, restartCount: 1, safe: true },
        firmwareVersion: 7n,
        pcrs: [{ hash: tpmAlgorithms.sha256, indices: [0, 7, 23] }],
        pcrDigest: new Uint8Array(32),
      },
    });
  });

  test("has to begin as only a TPM begins it, and is refused at every cut", () => {
    const other = quote.slice();
    other[0] = 0;
    expect(parseTpmAttest(other)).toMatchObject({ fault: { code: "TPM_ATTEST_NOT_GENERATED" } });
    for (let length = 0; length < quote.length; length++)
      expect(parseTpmAttest(quote.subarray(0, length)).ok).toBe(false);
    expect(parseTpmAttest(concat(quote, tpmU8(0))).ok).toBe(false);
    const long = parseTpmAttest(new Uint8Array(tpmAttestBytesMax + 1));
    expect(long).toMatchObject({ fault: { code: "TPM_ATTEST_MALFORMED" } });
    const time = quote.slice();
    time[5] = 0x19;
    expect(parseTpmAttest(time)).toMatchObject({ fault: { code: "TPM_ATTEST_TYPE_UNKNOWN" } });
  });
});

test("signatures get their leading zeros, and unknown schemes are named", () => {
  const ecdsa = (r: Uint8Array, s: Uint8Array) =>
    concat(tpmU16(tpmAlgorithms.ecdsa), tpmU16(tpmAlgorithms.sha256), tpmSized(r), tpmSized(s));
  const parsed = parseTpmSignature(ecdsa(Uint8Array.of(1), new Uint8Array(32).fill(2)));
  const signature = new Uint8Array(64).fill(2, 32);
  signature[31] = 1;
  expect(parsed).toMatchObject({ ok: true, value: { scheme: "ecdsa", signature } });
  expect(parseTpmSignature(ecdsa(new Uint8Array(33), new Uint8Array(32))).ok).toBe(false);
  const hmac = parseTpmSignature(concat(tpmU16(5), tpmU16(11), new Uint8Array(32)));
  expect(hmac).toMatchObject({ fault: { code: "TPM_SIGNATURE_SCHEME_UNKNOWN", scheme: 5 } });
});

test("parsers throw on no bytes at all", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytesOf(4), fc.nat(), (noise, patch, at) => {
      const patched = quote.slice();
      patched.set(patch, at % (quote.length - 4));
      for (const bytes of [noise, patched]) {
        expect(typeof parseTpmAttest(bytes).ok).toBe("boolean");
        expect(typeof parseTpmPublic(bytes).ok).toBe("boolean");
        expect(typeof parseTpmSignature(bytes).ok).toBe("boolean");
      }
    }),
  );
});

test.each([
  [0x100, { name: "INITIALIZE", isPassing: false }],
  [0x922, { name: "RETRY", isPassing: true }],
  [0x921, { name: "LOCKOUT", isPassing: false }],
  [0x902, { name: "OBJECT_MEMORY", isPassing: false }],
  [0x18b, { name: "HANDLE", about: "handle 1", isPassing: false }],
  [0x2d2, { name: "SCHEME", about: "parameter 2", isPassing: false }],
  [0x98e, { name: "AUTH_FAIL", about: "session 1", isPassing: false }],
  [0x9a2, { name: "BAD_AUTH", about: "session 1", isPassing: false }],
  [0x17f, { name: "unknown code 0x17f", isPassing: false }],
])("response code %i has its name", (code, expected) => {
  expect(describeTpmResponse(code)).toEqual(expected);
});
