/** The parser rules on every driver, over the captured telegrams of `test/corpus`. */

import { globSync, readFileSync } from "node:fs";
import { p1TelegramBytesMax, stickLineBytesMax } from "@tamga/agent/limits";
import { DsmrP1Driver } from "@tamga/agent/meter/dsmr-p1";
import { Iso11784StickDriver } from "@tamga/agent/rfid/iso11784-stick";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkBitFlips,
  checkBoundedMemory,
  checkCutTail,
  checkGarbagePrefix,
  checkSplits,
  feed,
} from "./parser-rules.ts";

const corpus = new URL("../corpus/", import.meta.url).pathname;

/** Any bytes, and bytes made of what means something to the driver. */
function garbage(alphabet: readonly string[]): fc.Arbitrary<Uint8Array> {
  const words = fc.array(fc.constantFrom(...alphabet), { maxLength: 60 });
  return fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    words.map((parts) => utf8(parts.join(""))),
  );
}

/** Some captures were stored without the last line end. */
function withLineEnd(frame: Uint8Array): Uint8Array {
  return frame.at(-1) === 0x0a ? frame : concat(frame, utf8("\r\n"));
}

describe("dsmr-p1", () => {
  const create = () => new DsmrP1Driver();
  const captures = globSync("dsmr-p1/*/*.txt", { cwd: corpus })
    .toSorted()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(corpus + name)) }))
    .map((capture) => ({ ...capture, frames: feed(create(), [capture.bytes]).frames }));
  const valid = captures.filter(({ frames }) => frames.length > 0);
  const checksummed = valid.filter(({ frames }) => frames[0]?.frameStatus.checksum === "ok");
  const noise = garbage([
    "/",
    "/ISK",
    "!",
    "\r\n",
    "\n",
    "1-0:1.8.0",
    "(",
    ")",
    "*kWh",
    "A1",
    "\0",
  ]);

  test("the corpus holds telegrams with and without a checksum", () => {
    expect(checksummed.length).toBe(15);
    expect(valid.length).toBe(24);
  });

  test.each(captures)("any split: $name", ({ bytes }) => checkSplits(create, bytes));

  test("any split of all captures in a row", () => {
    checkSplits(create, concat(...captures.map(({ bytes }) => bytes)));
  });

  test.each(checksummed)("any flipped bit: $name", ({ bytes }) => {
    expect(checkBitFlips(create, bytes)).toBe(8 * bytes.length);
  });

  test.each(valid)("a cut tail: $name", ({ bytes, frames }) => {
    checkCutTail(create, withLineEnd(frames[0]?.frame ?? bytes));
  });

  test.each(valid)("a garbage prefix: $name", ({ bytes, frames }) => {
    checkGarbagePrefix(create, frames[0]?.frame ?? bytes, noise);
  });

  test("endless garbage", () => checkBoundedMemory(create, noise, p1TelegramBytesMax));

  test("an endless line and an endless telegram", () => {
    const line = concat(utf8("/ISK5X\r\n"), new Uint8Array(1_048_576).fill(0x30));
    const lines = utf8(`/ISK5X\r\n${"1-0:1.8.0(1*kWh)\r\n".repeat(60_000)}`);
    for (const [bytes, code] of [
      [line, "P1_LINE_TOO_LONG"],
      [lines, "P1_TOO_LONG"],
    ] as const) {
      const driver = create();
      expect(driver.push(bytes).rejections.map((rejection) => rejection.code)).toEqual([code]);
      expect(driver.heldBytes).toBeLessThanOrEqual(p1TelegramBytesMax);
    }
  });
});

describe("iso11784-stick", () => {
  const create = () => new Iso11784StickDriver();
  const lines = [
    "LA 982 000001088420\r\n",
    "LA 00000 0 982 000001088420\r\n",
    "LR 0006 0000000018514348\r\n",
  ];
  const noise = garbage([
    "LA ",
    "LR ",
    "L",
    "982",
    " ",
    "000001088420",
    "\r\n",
    "\r",
    "\n",
    "\u0002",
  ]);
  const allForms = [
    ...lines,
    "982 000001088420\n",
    "982000001088420\r",
    "\u0002982 000001088420\r\n",
  ];

  test.each(allForms)("any split: %j", (line) => {
    checkSplits(create, utf8(`x${line}${line}LA 1${line}${line}`));
  });

  test.each(lines)("a cut tail: %j", (line) => checkCutTail(create, utf8(line)));

  test.each(allForms)("a garbage prefix: %j", (line) =>
    checkGarbagePrefix(create, utf8(line), noise),
  );

  test("endless garbage", () => checkBoundedMemory(create, noise, stickLineBytesMax));
});
