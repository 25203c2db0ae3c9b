/** What `decode` prints: times, values, optional fields, and text that must not steer a terminal. */

import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { expect, test } from "vitest";
import {
  formatCaptureTime,
  formatFrameJson,
  formatFrameText,
  formatSummary,
} from "./decode-format.ts";
import type { DecodedFrame } from "./driver.ts";

const at = unixMillis(Date.UTC(2026, 0, 31, 23, 30));
const frame: DecodedFrame = {
  protocol: "dsmr-p1",
  source: { id: "a\u001b[2J\u009b", maker: "TST" },
  captureTime: null,
  frame: utf8("frame"),
  frameStatus: { checksum: "absent", decrypted: true, authenticated: true, invocationCounter: 7 },
  registers: [
    {
      obis: "1-0:1.8.0*255",
      value: {
        quantity: { mantissa: 54301577n, scaler: -1, unit: 30 },
        exponent: 0,
        unitText: "Wh",
      },
      status: 0,
      captureTime: { at, offsetMinutes: 60, quality: "unknown" },
    },
    { name: "F.F", value: { text: "ok" } },
  ],
  tags: [
    {
      scheme: "epc",
      hex: "30",
      uri: "urn:epc:1",
      antenna: 1,
      rssi: -60,
      firstSeen: at,
      lastSeen: at,
      count: 2,
    },
  ],
};

test("JSON: the fields in order, optional ones only where there is something", () => {
  const digest = nodeCrypto.sha256(frame.frame);
  const line = formatFrameJson(frame, digest);
  expect(line).toContain(`"captureTime":null,"frameDigest":"${toHex(digest)}",`);
  expect(line).toContain(
    '"frameStatus":{"checksum":"absent","decrypted":true,"authenticated":true},"registers":[' +
      '{"obis":"1-0:1.8.0*255","value":"5430157.7","unit":"Wh","status":0,' +
      '"captureTime":"2026-02-01T00:30:00+01:00"},{"name":"F.F","value":"ok","unit":""}],' +
      '"tags":[{"scheme":"epc","hex":"30","uri":"urn:epc:1","antenna":1,"rssi":-60,' +
      '"firstSeen":"2026-01-31T23:30:00.000Z","lastSeen":"2026-01-31T23:30:00.000Z","count":2}]}',
  );
  expect(line).toContain('"id":"a\\u001b[2J\\u009b"');
});

test("text: one block, controls shown and not sent", () => {
  expect(formatFrameText(frame)).toBe(
    "dsmr-p1  TST a\\u001b[2J\\u009b  no checksum, decrypted, authenticated\n" +
      "  1-0:1.8.0*255  5430157.7 Wh  status 0  at 2026-02-01T00:30:00+01:00\n" +
      "  F.F            ok\n" +
      "  epc  30  urn:epc:1\n\n",
  );
});

test.each([
  [0, "2026-01-31T23:30:00+00:00"],
  [-210, "2026-01-31T20:00:00-03:30"],
  [345, "2026-02-01T05:15:00+05:45"],
])("an offset of %d minutes", (offsetMinutes, text) => {
  expect(formatCaptureTime({ at, offsetMinutes, quality: "valid" })).toBe(text);
});

test("the summary", () => {
  expect(formatSummary({ discardedBytes: 3, rejected: { A_B: 2 }, frames: 1 })).toBe(
    '{"frames":1,"rejected":{"A_B":2},"discardedBytes":3}',
  );
});
