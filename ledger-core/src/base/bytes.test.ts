import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "./bytes.ts";

describe("hexadecimal", () => {
  test("of every byte comes back, in either case", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(fromHex(toHex(bytes))).toEqual(bytes);
    expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
    expect(fromHex("")).toEqual(new Uint8Array());
  });

  test("is nothing else than pairs of its digits", () => {
    for (const text of ["0", "0g", "g0", " 00", "0x", "/0", ":0", "@0", "`0", "G0", "\u0130\u0130"])
      expect(fromHex(text)).toBeUndefined();
  });
});
