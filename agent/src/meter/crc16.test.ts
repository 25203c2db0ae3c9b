/** The published check value of CRC-16/ARC. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import { expect, test } from "vitest";
import { crc16Arc } from "./crc16.ts";

test("the check value, whole and continued", () => {
  expect(crc16Arc(utf8("123456789"))).toBe(0xbb3d);
  expect(crc16Arc(utf8("56789"), crc16Arc(utf8("1234")))).toBe(0xbb3d);
});
