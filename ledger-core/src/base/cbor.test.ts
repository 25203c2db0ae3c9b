import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "./bytes.ts";
import type { CborValue } from "./cbor.ts";
import { decodeCbor, decodeCborInPlace, encodeCbor, tagged } from "./cbor.ts";
import { cborDepthMax } from "./cbor-reader.ts";

const values: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof<fc.Arbitrary<CborValue>[]>(
      fc.maxSafeInteger(),
      fc
        .bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n })
        .filter((n) => BigInt(Number(n)) !== n || !Number.isSafeInteger(Number(n))),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 40 }),
    ),
    fc.array(tie("value"), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie("value")), { maxLength: 5 })
      .map((pairs): CborValue => new Map(pairs)),
    tie("value").map((value) => tagged(18, value)),
  ),
})).value;

const decodeHex = (hex: string) => decodeCbor(fromHex(hex) ?? new Uint8Array(), 1_000);

describe("deterministic CBOR", () => {
  test("is what another implementation writes, and reads", () => {
    const options = { useMaps: true, strict: true, tags: { 18: Tagged.decoder(18) } };
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeCbor(value);
        expect(toHex(bytes)).toBe(toHex(encode(value, rfc8949EncodeOptions)));
        const decoded = decodeCbor(bytes, bytes.length);
        if (decoded.ok) expect(decoded.value).toEqual(decode(bytes, options));
      }),
      { numRuns: 2_000 },
    );
  });

  test("what is encoded decodes to what encodes to the same bytes", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeCbor(value);
        const decoded = decodeCbor(bytes, bytes.length);
        expect(decoded.ok || decoded.fault.code).not.toBe("CBOR_MALFORMED");
        if (decoded.ok) expect(toHex(encodeCbor(decoded.value))).toBe(toHex(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes that are accepted are the only form of their value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const decoded = decodeCbor(bytes, 100);
        if (!decoded.ok) return;
        expect(toHex(encodeCbor(decoded.value))).toBe(toHex(bytes));
      }),
      { numRuns: 20_000 },
    );
  });

  test("a flipped bit is refused or is another value in its own only form", () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, position) => {
        const bytes = encodeCbor(value).slice();
        const at = position % (bytes.length * 8);
        bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
        const decoded = decodeCbor(bytes, 10_000);
        if (!decoded.ok) return;
        expect(toHex(encodeCbor(decoded.value))).toBe(toHex(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["a20201 0102", "CBOR_NOT_DETERMINISTIC"],
    ["a2616101 0102", "CBOR_NOT_DETERMINISTIC"],
    ["a201010102", "CBOR_MALFORMED"],
    ["1801", "CBOR_MALFORMED"],
    ["190018", "CBOR_MALFORMED"],
    ["1a0000ffff", "CBOR_MALFORMED"],
    ["1b00000000ffffffff", "CBOR_MALFORMED"],
    ["9f01ff", "CBOR_MALFORMED"],
    ["5f4101ff", "CBOR_MALFORMED"],
    ["f7", "CBOR_MALFORMED"],
    ["d81201", "CBOR_MALFORMED"],
    ["c101", "CBOR_MALFORMED"],
    ["a18001", "CBOR_MALFORMED"],
    ["61ff", "CBOR_MALFORMED"],
    ["64efbbbf61", "CBOR_MALFORMED"],
    ["f93c00", "CBOR_MALFORMED"],
    ["fb3ff0000000000000", "CBOR_MALFORMED"],
    ["f0", "CBOR_MALFORMED"],
    ["f814", "CBOR_MALFORMED"],
    ["4201", "CBOR_MALFORMED"],
    ["9b0020000000000000", "CBOR_MALFORMED"],
    ["", "CBOR_MALFORMED"],
    ["0101", "CBOR_MALFORMED"],
  ])("%s is %s", (hex, code) => {
    expect(decodeHex(hex.replaceAll(" ", ""))).toMatchObject({ fault: { code } });
  });

  test("depth and length have limits that are reached", () => {
    const nested = (depth: number) => fromHex(`${"81".repeat(depth)}00`) ?? new Uint8Array();
    expect(decodeCbor(nested(cborDepthMax), 100).ok).toBe(true);
    expect(decodeCbor(nested(cborDepthMax + 1), 100)).toMatchObject({
      fault: { code: "CBOR_TOO_DEEP" },
    });
    expect(decodeCbor(nested(200_000), 1_000_000)).toMatchObject({
      fault: { code: "CBOR_TOO_DEEP" },
    });
    expect(decodeCbor(new Uint8Array(11), 10)).toMatchObject({
      fault: { code: "CBOR_TOO_LONG", limit: 10 },
    });
  });
});

describe("a byte string", () => {
  const long = Uint8Array.from({ length: 65 }, (_, i) => i);
  const short = long.subarray(0, 64);
  const bytes = encodeCbor([long, short]);

  test("is a copy, which does not hold on to a longer message", () => {
    expect(decodeCbor(bytes, 200)).toEqual({ ok: true, value: [long, short] });
    for (const part of partsOf(decodeCbor(bytes, 200))) expect(part.buffer).not.toBe(bytes.buffer);
  });

  test("is a view where that was allowed and it is too long for a copy in the heap", () => {
    const [first, second] = partsOf(decodeCborInPlace(bytes, 200));
    expect([first, second]).toEqual([long, short]);
    expect(first?.buffer).toBe(bytes.buffer);
    expect(second?.buffer).not.toBe(bytes.buffer);
    expect(decodeCborInPlace(bytes, bytes.length - 1)).toEqual({
      ok: false,
      fault: { code: "CBOR_TOO_LONG", limit: bytes.length - 1 },
    });
  });
});

function partsOf(decoded: ReturnType<typeof decodeCbor>): readonly Uint8Array[] {
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error("no list");
  return decoded.value.filter((part) => part instanceof Uint8Array);
}
