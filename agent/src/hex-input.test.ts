/** Hexadecimal text, whole and in pieces. */

import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { expect, test } from "vitest";
import { hexToBytes } from "./hex-input.ts";

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < text.length; start += size)
    yield utf8(text.slice(start, start + size));
}

async function decode(text: string, size: number): Promise<string> {
  let hex = "";
  for await (const bytes of hexToBytes(inPieces(text, size))) hex += toHex(bytes);
  return hex;
}

test.each([1, 2, 3, 100])("blanks and line ends may stand anywhere, pieces of %d", async (size) => {
  expect(await decode("7e A0\r\n0\t1 f\nF", size)).toBe("7ea001ff");
});

test.each(["7g", "7e0", "0x7e"])("%s is refused", async (text) => {
  await expect(decode(text, 1)).rejects.toMatchObject({ code: "DECODE_NOT_HEX" });
});
