import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Words } from "./packed-bytes.ts";
import { packBytes, packedItemsMax, unpackBytes } from "./packed-bytes.ts";

const words: Words = [utf8("abc"), utf8("abcd"), undefined, utf8("bcd")];

function unpack(packed: CborValue, max = 1_000, known = words): string {
  const fields = new FieldReader([packed]);
  const bytes = unpackBytes(fields, 0, { words: known, max });
  const finished = fields.finish(bytes);
  return finished.ok ? new TextDecoder().decode(bytes) : finished.fault.code;
}

describe("a packed string", () => {
  test("has the longest word at each place from the front, and literals between", () => {
    expect(packBytes(utf8("abcd"), words)).toEqual([1]);
    expect(packBytes(utf8("abcbcdx"), words)).toEqual([0, 3, utf8("x")]);
    expect(packBytes(utf8("xab"), words)).toEqual([utf8("xab")]);
    expect(packBytes(utf8(""), words)).toEqual([]);
  });

  test("is read back, whatever it was", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "d", "x"), maxLength: 40 });
    fc.assert(
      fc.property(text, (one) => {
        expect(unpack(packBytes(utf8(one), words))).toBe(one);
      }),
    );
  });

  test("has one form: every other list of items with the same bytes is refused", () => {
    const item = fc.oneof(
      fc.constantFrom<CborValue>(0, 1, 3),
      fc.string({ unit: fc.constantFrom("a", "b", "c", "d"), maxLength: 4 }).map(utf8),
    );
    fc.assert(
      fc.property(fc.array(item, { maxLength: 6 }), (items) => {
        const read = unpack(items);
        if (read !== "FIELD_BAD") expect(packBytes(utf8(read), words)).toEqual(items);
      }),
      { examples: [[[utf8("abc")]], [[0, utf8("d")]], [[utf8("x"), utf8("y")]], [[utf8("")]]] },
    );
  });

  test("is refused with a word that is not known, that there is not, or of another kind", () => {
    for (const item of [2, 4, 5, -1, null, "abc", true]) expect(unpack([item])).toBe("FIELD_BAD");
    expect(unpack(utf8("abc"))).toBe("FIELD_BAD");
  });

  test("is not unpacked past its limit, however few bytes it takes", () => {
    const long = [new Uint8Array(60_000)];
    expect(
      unpack(
        Array.from({ length: packedItemsMax }, () => 0),
        65_535,
        long,
      ),
    ).toBe("FIELD_BAD");
    expect(unpack([0], 60_000, long)).toHaveLength(60_000);
    expect(unpack([0], 59_999, long)).toBe("FIELD_BAD");
    expect(unpack(Array.from({ length: packedItemsMax + 1 }, () => 0))).toBe("FIELD_TOO_LONG");
  });
});
