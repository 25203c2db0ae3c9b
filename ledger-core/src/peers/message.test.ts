import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { concat, utf8 } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { explainPeerCode, parsePeerCode, peerCodes } from "./code.ts";
import {
  encodeHello,
  encodeRefuse,
  encodeRelayOpen,
  parseCredit,
  parseHello,
  parseMessage,
  parsePing,
  parseRefuse,
  parseRelayOpen,
  parseStream,
  peerProtocol,
} from "./message.ts";

const hello = { consortium: name("herders"), name: name("a") };

describe("what stands in frames", () => {
  test("comes back as it was written", () => {
    expect(parseHello(encodeHello(hello))).toEqual({ ok: true, value: hello });
    expect(parseRefuse(encodeRefuse("PEER_NOT_MEMBER"))).toBe("PEER_NOT_MEMBER");
    const open = { target: name("b"), relays: 1 };
    const head = parseStream(concat(...encodeRelayOpen(7, open)));
    if (!head.ok) throw new Error(head.fault.code);
    expect(head.value.stream).toBe(7);
    expect(parseRelayOpen(head.value.rest, 2)).toEqual({ ok: true, value: open });
    expect(parseRelayOpen(head.value.rest, 0).ok).toBe(false);
  });

  test("names another version before it judges anything else of a hello", () => {
    const other = encodeCbor(["tamga-peer/2", 5, "who knows", new Uint8Array(9)]);
    const fault = { code: "PEER_OTHER_VERSION", protocol: "tamga-peer/2" };
    expect(parseHello(other)).toEqual({ ok: false, fault });
    const wrong = [
      encodeCbor([peerProtocol, "herders"]),
      encodeCbor([peerProtocol, "herders", "a", 1]),
      encodeCbor([peerProtocol, "no name", "a"]),
      encodeCbor("text"),
      encodeCbor([4]),
      utf8("GET / HTTP/1.1"),
    ];
    for (const body of wrong)
      expect(parseHello(body)).toEqual({ ok: false, fault: { code: "PEER_FRAME_MALFORMED" } });
  });

  test("is garbage without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (body) => {
        expect(parseHello(body).ok).toBe(false);
        expect(parseRefuse(body)).toBeUndefined();
        parseRelayOpen(body, 2);
        expect(parseMessage(body).ok).toBe(body.length >= 32);
        expect(parseStream(body).ok).toBe(body.length >= 4);
        expect(parseCredit(body).ok).toBe(body.length === 4);
        expect(parsePing(body).ok).toBe(body.length === 8);
      }),
    );
  });

  test("has a code that this version knows, or none", () => {
    expect(parseRefuse(encodeCbor(["PEER_OF_THE_FUTURE"]))).toBeUndefined();
    expect(parseRefuse(encodeCbor(["PEER_NOT_MEMBER", 1]))).toBeUndefined();
  });
});

test("every code has one sentence", () => {
  expect(new Set(peerCodes).size).toBe(peerCodes.length);
  for (const text of peerCodes) {
    const code = parsePeerCode(text);
    if (code === undefined) throw new Error(text);
    expect(explainPeerCode(code), code).toMatch(/^[A-Z](?:(?!\. ).)*\.$/);
    expect(code).toMatch(/^PEER_[A-Z_]+$/);
    expect(code.length).toBeLessThanOrEqual(64);
  }
});
