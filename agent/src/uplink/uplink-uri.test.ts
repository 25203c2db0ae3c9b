import { expect, test } from "vitest";
import { parseUplinkUri } from "./uplink-uri.ts";

test.each([
  ["mqtts://gateway.example:8884", { host: "gateway.example", port: 8_884 }],
  ["mqtts://10.0.0.1", { host: "10.0.0.1", port: 8_883 }],
  ["mqtts://[fe80::1]:1883/", { host: "fe80::1", port: 1_883 }],
])("%s", (text, { host, port }) => {
  expect(parseUplinkUri(text)).toEqual({ ok: true, value: { text, host, port } });
});

test.each([
  ["mqtt://gateway:1883", "UPLINK_URI_NOT_MQTTS"],
  ["mqtts://", "UPLINK_URI_MALFORMED"],
  ["mqtts://gateway:0", "UPLINK_URI_MALFORMED"],
  ["mqtts://gateway:65536", "UPLINK_URI_MALFORMED"],
  ["mqtts://user:pass@gateway", "UPLINK_URI_MALFORMED"],
  ["mqtts://gateway/path", "UPLINK_URI_MALFORMED"],
])("%s is refused", (text, code) => {
  expect(parseUplinkUri(text)).toEqual({ ok: false, fault: { code } });
});
