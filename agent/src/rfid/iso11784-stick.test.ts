/** Lines of ear-tag readers, as the makers' manuals state them and as lines break in the field. */

import { readFileSync } from "node:fs";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { DriverOutput } from "../driver.ts";
import { stickLineBytesMax } from "../limits.ts";
import { countryMax, nationalIdMax } from "./iso11784.ts";
import { Iso11784StickDriver } from "./iso11784-stick.ts";

const corpus = new URL("../../../test/corpus/lf-rfid/", import.meta.url).pathname;

function decode(text: string) {
  const driver = new Iso11784StickDriver();
  return summarise([driver.push(utf8(text)), driver.end()]);
}

function summarise(outputs: readonly DriverOutput[]) {
  const frames = outputs.flatMap((output) => output.frames);
  return {
    uris: frames.map((frame) => frame.tags[0]?.uri.replace("urn:x-tamga:", "")),
    hex: frames.map((frame) => frame.tags[0]?.hex),
    frames: frames.map((frame) => new TextDecoder().decode(frame.frame)),
    codes: outputs.flatMap((output) => output.rejections.map((rejection) => rejection.code)),
    discardedBytes: outputs.reduce((sum, output) => sum + output.discardedBytes, 0),
  };
}

const cow = "iso11784:982000001088420";

test("the lines of the manuals", () => {
  const line = z.object({
    line: z.string(),
    expected: z.object({
      country_or_mfr: z.number().optional(),
      national_id: z.string().optional(),
      application: z.string().optional(),
      id: z.string().optional(),
    }),
  });
  const path = `${corpus}vendor-manuals/allflex_ascii.json`;
  const lines = z.array(line).parse(JSON.parse(readFileSync(path, "utf8")));
  expect(lines.length).toBe(5);
  for (const { line: text, expected } of lines) {
    const uri =
      expected.application === undefined
        ? `iso11784:${expected.country_or_mfr}${expected.national_id}`
        : `hdx:${expected.application}.${expected.id}`;
    expect(decode(text)).toMatchObject({ uris: [uri], frames: [text], codes: [] });
  }
});

test.each([
  ["982 000001088420\r\n", "8000F58000109BA4"],
  ["982000001088420\n", "8000F58000109BA4"],
  ["0982000001088420\r", "8000F58000109BA4"],
  ["\u0002982 000001088420\r\n", "8000F58000109BA4"],
  ["LA 16383 1 982 000001088420\r\n", "FFFFF58000109BA4"],
  ["LA 999 274877906943\r\n", "8000F9FFFFFFFFFF"],
])("%j has code word %s", (text, hex) => {
  expect(decode(text)).toMatchObject({ hex: [hex], frames: [text], codes: [], discardedBytes: 0 });
});

test.each([
  [`LA ${countryMax} ${nationalIdMax + 1n}\r\n`],
  [`LA ${countryMax + 1} 000000000001\r\n`],
  ["LA 16384 0 982 000001088420\r\n"],
  ["LA 00000 2 982 000001088420\r\n"],
  ["LR 0006 0281474976710656\r\n"],
])("%j is out of range", (text) => {
  expect(decode(text)).toMatchObject({ uris: [], codes: ["ISO11784_OUT_OF_RANGE"] });
});

describe("lines in the field", () => {
  test("a cut line costs itself alone", () => {
    const output = decode("LA 982 0000LA 982 000001088420\r\n");
    expect(output).toMatchObject({ uris: [cow], codes: ["ISO11784_BAD_LINE"], discardedBytes: 0 });
  });

  test("other lines are discarded bytes", () => {
    expect(decode("BATTERY 87%\r\nLA 982 000001088420\r\n\r\n")).toMatchObject({
      uris: [cow],
      codes: [],
      discardedBytes: 15,
    });
  });

  test("a last line needs no end", () => {
    expect(decode("LA 982 000001088420")).toMatchObject({ uris: [cow], codes: [] });
  });

  test("a reader that ends lines with CR alone is waited for until it is known", () => {
    const driver = new Iso11784StickDriver();
    const line = utf8("LA 982 000001088420\r");
    const counts = [1, 2, 3, 4].map(() => driver.push(line).frames.length);
    expect(counts).toEqual([0, 1, 2, 1]);
  });

  test("a line at the limit and one beyond it", () => {
    const longest = `${"x".repeat(stickLineBytesMax - 2)}\r\n`;
    expect(decode(`${longest}${longest}`).discardedBytes).toBe(2 * stickLineBytesMax);
    const driver = new Iso11784StickDriver();
    const output = driver.push(utf8("x".repeat(100 * stickLineBytesMax)));
    expect(driver.heldBytes).toBeLessThanOrEqual(stickLineBytesMax);
    expect(output.discardedBytes + driver.heldBytes).toBe(100 * stickLineBytesMax);
    const next = summarise([driver.push(utf8("\r\nLA 982 000001088420\r\n"))]);
    expect(next.uris).toEqual([cow]);
  });

  test("what follows an over-long line's cut is no line of its own", () => {
    const text = `${"x".repeat(stickLineBytesMax)}982 000001088420\r\n`;
    expect(decode(text)).toMatchObject({ uris: [], codes: [], discardedBytes: text.length });
  });
});
