import { concat } from "@tamga/ledger-core/base/bytes";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PacketLength } from "./packet-length.ts";

function packet(length: number): Uint8Array {
  const digits: number[] = [];
  for (let left = length; digits.length === 0 || left > 0; left = Math.floor(left / 128))
    digits.push((left % 128) | (left >= 128 ? 0x80 : 0));
  return concat(Uint8Array.of(0x32, ...digits), new Uint8Array(length));
}

test("lets packets up to the limit pass, however they are cut", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 50 }), (parts, cut) => {
      const guard = new PacketLength(300);
      const bytes = concat(...parts.map(packet));
      for (let at = 0; at < bytes.length; at += cut)
        expect(guard.push(bytes.subarray(at, at + cut))).toBe(true);
    }),
  );
});

test("refuses a longer one by its header alone, and a length of five digits", () => {
  expect(new PacketLength(300).push(packet(301).subarray(0, 3))).toBe(false);
  expect(new PacketLength(2 ** 28).push(Uint8Array.of(0x32, 255, 255, 255, 255, 1))).toBe(false);
});
