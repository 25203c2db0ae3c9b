/** Link URIs: what is understood, and what is refused by name. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { linkUriLengthMax } from "../limits.ts";
import { explainLinkUriFault, parseLinkUri } from "./link-uri.ts";

const serial = {
  scheme: "serial",
  path: "/dev/ttyUSB0",
  baud: 115_200,
  parity: "none",
  dataBits: 8,
  stopBits: 1,
};

test.each([
  ["serial:/dev/ttyUSB0", serial],
  ["serial:/dev/ttyUSB0?baud=115200&parity=none&data=8&stop=1", serial],
  [
    "serial:/dev/ttyS0?baud=9600&parity=even&data=7",
    { ...serial, path: "/dev/ttyS0", baud: 9600, parity: "even", dataBits: 7 },
  ],
  ["serial:/dev/a%3Fb?stop=1.5", { ...serial, path: "/dev/a?b", stopBits: 1.5 }],
  ["serial:COM3", { ...serial, path: "COM3" }],
  ["tcp://192.0.2.7:4059", { scheme: "tcp", host: "192.0.2.7", port: 4059 }],
  ["tcp:meter.example:2000", { scheme: "tcp", host: "meter.example", port: 2000 }],
  ["tcp://[::1]:23/", { scheme: "tcp", host: "::1", port: 23 }],
])("%s", (text, expected) => expect(parseLinkUri(text)).toEqual({ ok: true, value: expected }));

test.each([
  ["/dev/ttyUSB0", "LINK_URI_UNKNOWN_SCHEME"],
  ["serial:", "LINK_URI_BAD_ADDRESS"],
  ["serial:/dev/%zz", "LINK_URI_BAD_ADDRESS"],
  ["serial:/dev/x?speed=9600", "LINK_URI_UNKNOWN_OPTION"],
  ["serial:/dev/x?baud=fast", "LINK_URI_BAD_OPTION"],
  ["serial:/dev/x?baud=9600&baud=9600", "LINK_URI_BAD_OPTION"],
  ["serial:/dev/x?parity=maybe", "LINK_URI_BAD_OPTION"],
  ["serial:/dev/x?data=9", "LINK_URI_BAD_OPTION"],
  ["serial:/dev/x?stop=3", "LINK_URI_BAD_OPTION"],
  ["tcp://host", "LINK_URI_BAD_ADDRESS"],
  ["tcp://host:0", "LINK_URI_BAD_ADDRESS"],
  ["tcp://host:65536", "LINK_URI_BAD_ADDRESS"],
  [`tcp:${"h".repeat(linkUriLengthMax)}`, "LINK_URI_TOO_LONG"],
])("%s is refused", (text, code) => {
  const parsed = parseLinkUri(text);
  expect(parsed).toMatchObject({ ok: false, fault: { code } });
  if (!parsed.ok) expect(explainLinkUriFault(parsed.fault)).toMatch(/^The link|^A link/);
});

test("any text is judged without an exception", () => {
  fc.assert(
    fc.property(fc.string(), (text) =>
      ["boolean"].includes(typeof parseLinkUri(`serial:${text}`).ok),
    ),
  );
});
