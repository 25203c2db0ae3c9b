import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { present } from "../base/assert.ts";
import { fromHex } from "../base/bytes.ts";
import { DerReader, derTags } from "./der.ts";

const hex = (text: string) => present(fromHex(text.replaceAll(" ", "")), "hexadecimal");

/** Whether `read` takes all of these bytes. */
function takes(text: string, read: (reader: DerReader) => unknown): boolean {
  const reader = new DerReader(hex(text));
  read(reader);
  return reader.finish();
}

describe("lengths", () => {
  const any = (reader: DerReader) => reader.any();

  test.each(["0400", "04 01 00", `04 7f ${"00".repeat(127)}`, `04 81 80 ${"00".repeat(128)}`])(
    "takes the shortest form: %.12s",
    (text) => expect(takes(text, any)).toBe(true),
  );

  test.each([
    ["indefinite", "30 80 00 00"],
    ["not the shortest", "04 81 01 00"],
    ["a leading zero", `04 82 00 80 ${"00".repeat(128)}`],
    ["past the end", "04 02 00"],
    ["of four bytes", "04 84 00 00 00 01 00"],
    ["cut off", "04 82 01"],
    ["missing", "04"],
    ["a long tag", "1f 81 00 00"],
    ["something after", "04 00 00"],
    ["nothing at all", ""],
  ])("refuses %s", (_, text) => expect(takes(text, any)).toBe(false));
});

describe("values", () => {
  test("integers are non-negative and shortest", () => {
    expect(takes("02 01 7f", (r) => expect(r.small()).toBe(127))).toBe(true);
    expect(takes("02 02 00 80", (r) => expect(r.unsigned()).toEqual(hex("80")))).toBe(true);
    for (const wrong of ["02 00", "02 01 80", "02 02 00 7f", "02 02 ff 80"])
      expect(takes(wrong, (r) => r.unsigned())).toBe(false);
    expect(takes("02 02 01 00", (r) => r.small())).toBe(false);
  });

  test("a flag is true or absent", () => {
    expect(takes("01 01 ff", (r) => expect(r.flag()).toBe(true))).toBe(true);
    expect(takes("01 01 00", (r) => r.flag())).toBe(false);
    expect(takes("01 01 01", (r) => r.flag())).toBe(false);
    expect(takes("04 00", (r) => (r.flag() ? undefined : r.any()))).toBe(true);
  });

  test("object identifiers", () => {
    const oid = (text: string, dotted: string) => takes(text, (r) => expect(r.oid()).toBe(dotted));
    expect(oid("06 03 55 1d 13", "2.5.29.19")).toBe(true);
    expect(oid("06 09 2a 86 48 86 f7 0d 01 01 0b", "1.2.840.113549.1.1.11")).toBe(true);
    expect(oid("06 02 88 37", "2.999")).toBe(true);
    for (const wrong of ["06 00", "06 01 80", "06 02 80 01", "06 02 2a 86"])
      expect(takes(wrong, (r) => r.oid())).toBe(false);
    expect(takes("06 06 ff ff ff ff ff 7f", (r) => r.oid())).toBe(false);
  });

  test("named bits carry no trailing zeroes", () => {
    const bits = (text: string, set: readonly number[]) =>
      takes(text, (r) => expect(r.namedBits()).toEqual(set));
    expect(bits("03 02 07 80", [0])).toBe(true);
    expect(bits("03 02 01 06", [5, 6])).toBe(true);
    expect(bits("03 03 07 00 80", [8])).toBe(true);
    expect(bits("03 01 00", [])).toBe(true);
    for (const wrong of ["03 00", "03 02 00 80", "03 02 06 80", "03 02 08 80", "03 01 01"])
      expect(takes(wrong, (r) => r.namedBits())).toBe(false);
  });

  test("bits of whole bytes, and texts", () => {
    expect(takes("03 02 00 80", (r) => expect(r.bytesOfBits()).toEqual(hex("80")))).toBe(true);
    expect(takes("03 02 01 80", (r) => r.bytesOfBits())).toBe(false);
    const text = (r: DerReader) => r.text(r.any());
    expect(takes("0c 02 c3 bc", (r) => expect(text(r)).toBe("ü"))).toBe(true);
    for (const wrong of ["13 02 c3 bc", "0c 01 c3", "1e 02 00 41"])
      expect(takes(wrong, text)).toBe(false);
  });
});

test("never throws, and loops end at a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new DerReader(bytes);
      let rounds = 0;
      while (reader.more) {
        const inner = reader.nested(derTags.sequence);
        while (inner.more) inner.oid();
        rounds++;
      }
      expect(rounds).toBeLessThanOrEqual(64);
      reader.finish();
    }),
  );
});
