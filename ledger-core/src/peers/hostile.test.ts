import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";
import { afterAll, describe, expect, test, vi } from "vitest";
import { day } from "../../../test/support/certificate-builder.ts";
import type { RunningPeer } from "../../../test/support/peer-consortium.ts";
import { channelId, consortium, PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { RawPeer } from "../../../test/support/raw-peer.ts";
import { soon } from "../../../test/support/soon.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { u32, utf8 } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { roleUri } from "../receipt/certificate-names.ts";
import type { PeerCode } from "./code.ts";
import { frameTypes } from "./frame.ts";

const site = new PeerConsortium({
  a: { organisation: "north" },
  b: { organisation: "south" },
  c: { organisation: "south" },
});
afterAll(() => site[Symbol.asyncDispose]());

const main = channelId("main");
const strangersOf = (node: RunningPeer, code: PeerCode) => node.network.strangers().get(code) ?? 0;
const countOf = (node: RunningPeer, peer: string, code: PeerCode) =>
  node.status(peer).counts.get(code) ?? 0;
const expectCode = (node: RunningPeer, code: PeerCode) =>
  vi.waitFor(() => expect(strangersOf(node, code)).toBeGreaterThan(0), soon);

/** B, as far as A can tell. */
async function dialAsB(a: RunningPeer): Promise<RawPeer> {
  const raw = await RawPeer.dial(a.port, site.credentials("b", "south"));
  raw.hello("b");
  await vi.waitFor(() => expect(a.status("b").connection.kind).toBe("accepted"), soon);
  return raw;
}

describe("a stranger", () => {
  test.each(["GET / HTTP/1.1\r\n\r\n", "\u0016\u0003\u0001garbage".repeat(50)])(
    "that does not speak TLS is cut: %j",
    async (text) => {
      const a = await site.open("a");
      const socket = connectPlain(a.port, "127.0.0.1");
      const raw = new RawPeer(socket);
      socket.write(text);
      await expectCode(a, "PEER_HANDSHAKE_FAILED");
      await vi.waitFor(() => expect(raw.isClosed).toBe(true), soon);
    },
  );

  test("that speaks TLS 1.2 is cut in the handshake", async () => {
    const a = await site.open("a");
    const credentials = site.credentials("b", "south");
    await expect(RawPeer.dial(a.port, credentials, { maxVersion: "TLSv1.2" })).rejects.toThrow();
    await expectCode(a, "PEER_HANDSHAKE_FAILED");
  });

  test("resumes no session: its certificate is asked for each time", async () => {
    const a = await site.open("a");
    const credentials = site.credentials("b", "south");
    const sessions: Buffer[] = [];
    const dial = (session?: Buffer) => {
      const socket = connect({
        host: "127.0.0.1",
        port: a.port,
        key: credentials.key,
        cert: credentials.certificates,
        rejectUnauthorized: false,
        ...(session === undefined ? {} : { session }),
      });
      socket.on("session", (given) => sessions.push(given));
      return socket;
    };
    const first = new RawPeer(dial());
    await vi.waitFor(() => expect(first.of("hello")).toHaveLength(1), soon);
    const again = dial(sessions.at(-1));
    const second = new RawPeer(again);
    await vi.waitFor(() => expect(second.of("hello")).toHaveLength(1), soon);
    expect(again.isSessionReused()).toBe(false);
  });

  test.each<[PeerCode, () => ReturnType<typeof site.credentials> | undefined]>([
    ["PEER_CERTIFICATE_MISSING", () => undefined],
    ["PEER_CERTIFICATE_UNTRUSTED", () => site.credentials("b", "west")],
    ["PEER_ORGANISATION_WRONG", () => site.credentials("b", "north")],
    ["PEER_NOT_MEMBER", () => site.credentials("z", "south")],
    ["PEER_SELF", () => site.credentials("a", "north")],
    [
      "PEER_CERTIFICATE_ROLE",
      () =>
        site.credentials("b", "south", {
          uris: [roleUri("gateway-tls", { channel: consortium, name: name("b") })],
        }),
    ],
  ])("is refused with %s, and told so", async (code, credentials) => {
    const a = await site.open("a");
    const raw = await RawPeer.dial(a.port, credentials());
    raw.hello("b");
    await vi.waitFor(() => expect(raw.refusal).toBe(code), soon);
    await vi.waitFor(() => expect(raw.isClosed).toBe(true), soon);
    expect(strangersOf(a, code)).toBe(1);
    expect(a.status("b").connection.kind).toBe("none");
  });

  test("that never says hello is cut in time, whether it shook hands or not", async () => {
    const a = await site.open("a", { limits: { helloMsMax: 300 } });
    const silent = new RawPeer(connectPlain(a.port, "127.0.0.1"));
    const slow = await RawPeer.dial(a.port, site.credentials("b", "south"));
    for (const byte of u32(40)) slow.socket.write(Uint8Array.of(byte));
    await vi.waitFor(() => expect([silent.isClosed, slow.isClosed]).toEqual([true, true]), soon);
    expect(strangersOf(a, "PEER_HELLO_LATE")).toBe(2);
    expect(strangersOf(a, "PEER_HANDSHAKE_FAILED")).toBe(0);
  });

  test("has a bounded number of likes, of one address first", async () => {
    const a = await site.open("a", {
      limits: { strangersPerAddressMax: 3, handshakesPerAddressPerSecondMax: 6 },
    });
    const knock = () => new RawPeer(connectPlain(a.port, "127.0.0.1"));
    const crowd = Array.from({ length: 10 }, knock);
    await vi.waitFor(() => expect(crowd.filter((raw) => raw.isClosed)).toHaveLength(7), soon);
    expect(strangersOf(a, "PEER_ADDRESS_FULL")).toBe(7);
    for (const raw of crowd) raw.socket.destroy();
    await vi.waitFor(() => expect(strangersOf(a, "PEER_HANDSHAKE_FAILED")).toBe(3), soon);
    const next = Array.from({ length: 10 }, () => {
      const raw = knock();
      raw.socket.end();
      return raw;
    });
    await vi.waitFor(() => expect(next.every((raw) => raw.isClosed)).toBe(true), soon);
    expect(
      strangersOf(a, "PEER_HANDSHAKES_TOO_FAST") + strangersOf(a, "PEER_ADDRESS_FULL"),
    ).toBeGreaterThan(10);
  });
});

describe("a member", () => {
  test("whose certificate has expired comes in, and that is counted", async () => {
    const a = await site.open("a");
    const old = site.credentials("b", "south", { notAfter: day("2026-01-01") });
    const b = await site.open("b", { listen: false, dials: { a: a.port }, credentials: old });
    b.send("a", "late but here");
    await vi.waitFor(
      () => expect(a.received.map(({ text }) => text)).toEqual(["late but here"]),
      soon,
    );
    expect(countOf(a, "b", "PEER_CERTIFICATE_EXPIRED")).toBe(1);
    await site.close(b);
  });

  test.each<[PeerCode, (raw: RawPeer) => void]>([
    ["PEER_OTHER_VERSION", (raw) => raw.send("hello", encodeCbor(["tamga-peer/2", 1]))],
    ["PEER_OTHER_CONSORTIUM", (raw) => raw.hello("b", { consortium: "others" })],
    ["PEER_NAME_MISMATCH", (raw) => raw.hello("c")],
    ["PEER_FRAME_MALFORMED", (raw) => raw.send("hello", utf8("hi"))],
    ["PEER_FRAME_OUT_OF_PLACE", (raw) => raw.send("message", main, utf8("hi"))],
    ["PEER_FRAME_TOO_LONG", (raw) => raw.socket.write(Uint8Array.of(255, 255, 255, 255, 1))],
    ["PEER_FRAME_UNKNOWN", (raw) => raw.socket.write(Uint8Array.of(0, 0, 0, 0, 77))],
  ])("is refused with %s instead of a hello", async (code, speak) => {
    const a = await site.open("a");
    const raw = await RawPeer.dial(a.port, site.credentials("b", "south"));
    speak(raw);
    await vi.waitFor(() => expect(raw.refusal).toBe(code), soon);
    expect(countOf(a, "b", code)).toBe(1);
    expect(a.status("b").connection.kind).toBe("none");
  });

  test.each<[PeerCode, (raw: RawPeer) => void]>([
    [
      "PEER_FRAME_TOO_LONG",
      (raw) => raw.socket.write(Uint8Array.of(255, 255, 255, 255, frameTypes.message)),
    ],
    ["PEER_FRAME_OUT_OF_PLACE", (raw) => raw.hello("b")],
    ["PEER_FRAME_MALFORMED", (raw) => raw.send("message", utf8("no channel"))],
    ["PEER_FRAME_MALFORMED", (raw) => raw.send("ping", utf8("short"))],
    ["PEER_FRAME_MALFORMED", (raw) => raw.send("relayOpen", u32(1), utf8("no target"))],
  ])("is refused with %s after its hello", async (code, speak) => {
    const a = await site.open("a");
    const raw = await dialAsB(a);
    speak(raw);
    await vi.waitFor(() => expect(raw.refusal).toBe(code), soon);
    expect(countOf(a, "b", code)).toBe(1);
  });

  test("gets nothing of a channel that it is not in, and what it sends of one is dropped", async () => {
    await using mixed = new PeerConsortium({
      a: { organisation: "north", channels: ["main", "side"] },
      b: { organisation: "south" },
    });
    const a = await mixed.open("a");
    const raw = await RawPeer.dial(a.port, mixed.credentials("b", "south"));
    raw.hello("b");
    raw.send("message", channelId("side"), utf8("spy"));
    raw.send("message", main, utf8("fair"));
    await vi.waitFor(() => expect(a.received.map(({ text }) => text)).toEqual(["fair"]), soon);
    a.send("b", "secret", { channel: "side" });
    a.send("b", "shared");
    await vi.waitFor(() => expect(raw.of("message")).toHaveLength(1), soon);
    expect(raw.of("message")[0]?.body.subarray(32)).toEqual(utf8("shared"));
    expect(a.status("b").counts.get("PEER_CHANNEL_FOREIGN")).toBe(2);
  });

  test("that floods is made to wait while its frames are worked on, and starves nobody", async () => {
    let unfinished = 0;
    let mostUnfinished = 0;
    const finish: (() => void)[] = [];
    const inboundBytesMax = 256 * 1_024;
    const a = await site.open("a", {
      limits: { inboundBytesMax },
      received: (peer, _channel, payload) => {
        if (peer !== "b") return undefined;
        unfinished += payload.length + 32;
        mostUnfinished = Math.max(mostUnfinished, unfinished);
        return new Promise((resolve) => {
          finish.push(() => {
            unfinished -= payload.length + 32;
            resolve();
          });
        });
      },
    });
    const raw = await dialAsB(a);
    const payload = new Uint8Array(60_000);
    const total = 400;
    for (let sent = 0; sent < total; sent++) raw.send("message", main, payload);
    const c = await site.open("c", { listen: false, dials: { a: a.port } });
    c.send("a", "quiet");
    await vi.waitFor(() => expect(a.received.some(({ peer }) => peer === "c")).toBe(true), soon);
    await vi.waitFor(() => expect(unfinished).toBeGreaterThanOrEqual(inboundBytesMax), soon);
    expect(raw.socket.writableLength).toBeGreaterThan(10_000_000);
    await vi.waitFor(() => {
      for (const done of finish.splice(0)) done();
      expect(a.received.filter(({ peer }) => peer === "b")).toHaveLength(total);
    }, soon);
    expect(mostUnfinished).toBeLessThan(inboundBytesMax + payload.length + 33);
    expect(a.status("b").connection.kind).toBe("accepted");
    await site.close(c);
  });

  test("that floods with pings is answered as fast as it reads, not more", async () => {
    const a = await site.open("a");
    const raw = await dialAsB(a);
    for (let ping = 0; ping < 5_000; ping++) raw.send("ping", new Uint8Array(8).fill(ping));
    raw.send("message", main, utf8("done"));
    await vi.waitFor(() => expect(a.received).toHaveLength(1), soon);
    await vi.waitFor(() => expect(raw.of("pong").length).toBeGreaterThan(0), soon);
    expect(raw.of("pong").length).toBeLessThan(5_000);
  });

  test("that reads nothing costs a bounded queue, and is cut after a while", async () => {
    const queueBytesMax = 4_000_000;
    const payload = new Uint8Array(1_000_000);
    const a = await site.open("a", {
      limits: { queueBytesMax, silentMsMax: 600, keepAliveMs: 100 },
    });
    const raw = await dialAsB(a);
    raw.socket.pause();
    const pinging = setInterval(() => raw.send("ping", new Uint8Array(8)), 50);
    const send = () => a.network.send(name("b"), { channel: main, payload, urgency: "bulk" });
    for (let sent = 0; sent < 400; sent++) send();
    expect(a.status("b").queued.bytes).toBeLessThanOrEqual(queueBytesMax);
    expect(a.status("b").dropped.bulk).toBeGreaterThan(300);
    const fill = setInterval(send, 5);
    await vi.waitFor(() => {
      const { counts, connection } = a.status("b");
      expect(connection.kind, JSON.stringify([...counts])).toBe("none");
    }, soon);
    expect([...a.status("b").counts.keys()]).toContain("PEER_STALLED");
    clearInterval(fill);
    clearInterval(pinging);
    expect(a.status("b").queued.bytes).toBeLessThanOrEqual(queueBytesMax);
    expect(a.status("b").connection.kind).toBe("none");
    raw.socket.destroy();
  });

  test("that connects again and again keeps its newest link, and one more to drain", async () => {
    const a = await site.open("a", { limits: { retireMsMax: 60_000, silentMsMax: 60_000 } });
    const raws: RawPeer[] = [];
    for (let index = 0; index < 5; index++) {
      const credentials = site.credentials("b", "south");
      const raw = await RawPeer.dial(a.port, credentials);
      raw.socket.allowHalfOpen = true;
      raw.hello("b");
      raw.send("message", main, utf8(`${index}`));
      await vi.waitFor(() => expect(a.received).toHaveLength(index + 1), soon);
      raws.push(raw);
    }
    await vi.waitFor(() => {
      // Who leaves its side open learns by writing that the other one is gone.
      for (const raw of raws) raw.send("ping", new Uint8Array(8));
      expect(raws.map(({ isClosed }) => isClosed)).toEqual([true, true, true, false, false]);
    }, soon);
    raws[3]?.send("message", main, utf8("still on its way"));
    await vi.waitFor(() => expect(a.received).toHaveLength(6), soon);
    expect(countOf(a, "b", "PEER_LINK_REPLACED")).toBeGreaterThanOrEqual(4);
  });

  test("that does not let go of a link which gave way is cut from it", async () => {
    const a = await site.open("a", { limits: { retireMsMax: 100 } });
    const credentials = site.credentials("b", "south");
    const first = await RawPeer.dial(a.port, credentials);
    first.socket.allowHalfOpen = true;
    first.hello("b");
    await vi.waitFor(() => expect(first.of("hello")).toHaveLength(1), soon);
    await dialAsB(a);
    await vi.waitFor(() => {
      first.send("ping", new Uint8Array(8));
      expect(first.isClosed).toBe(true);
    }, soon);
  });

  test("from whom nothing comes any more is cut", async () => {
    const a = await site.open("a", { limits: { silentMsMax: 200, keepAliveMs: 50 } });
    const raw = await dialAsB(a);
    await vi.waitFor(() => expect(countOf(a, "b", "PEER_SILENT")).toBe(1), soon);
    expect(raw.of("ping").length).toBeGreaterThan(0);
  });

  test("that is dialled and turns out to be another is left", async () => {
    const c = await site.open("c");
    const a = await site.open("a", { listen: false, dials: { b: c.port } });
    await vi.waitFor(
      () => expect(countOf(a, "b", "PEER_NAME_UNEXPECTED")).toBeGreaterThan(0),
      soon,
    );
    await vi.waitFor(() => expect(countOf(a, "b", "PEER_UNREACHABLE")).toBeGreaterThan(0), soon);
    await site.close(c);
  });
});
