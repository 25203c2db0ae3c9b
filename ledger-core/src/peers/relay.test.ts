import { describe, expect, test, vi } from "vitest";
import { LinkTap } from "../../../test/support/link-tap.ts";
import type { RunningPeer } from "../../../test/support/peer-consortium.ts";
import { PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { RawPeer } from "../../../test/support/raw-peer.ts";
import { soon } from "../../../test/support/soon.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { concat, u32, utf8 } from "../base/bytes.ts";
import { encodeRelayOpen, parseStream } from "./message.ts";

const trio = {
  a: { organisation: "north" },
  b: { organisation: "south" },
  r: { organisation: "east", channels: ["other"] },
};
const texts = (node: RunningPeer) => node.received.map(({ text }) => text);
const linked = (node: RunningPeer, peer: string, kind: string) =>
  vi.waitFor(() => expect(node.status(peer).connection.kind).toBe(kind), soon);

describe("a relay", () => {
  test("joins two that nobody can dial, and sees ciphertext alone", async () => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", { relays: true });
    const a = await site.open("a", { listen: false, dials: { r: r.port }, via: { b: ["r"] } });
    const b = await site.open("b", { listen: false, dials: { r: r.port } });
    a.send("b", "through the relay");
    b.send("a", "and back");
    await vi.waitFor(
      () => expect([texts(a), texts(b)]).toEqual([["and back"], ["through the relay"]]),
      soon,
    );
    expect(a.status("b").connection).toEqual({ kind: "relayed", via: "r" });
    expect(b.status("a").connection).toEqual({ kind: "relayed", via: "r" });
    await vi.waitFor(() => expect(a.status("b").roundTripMs).toBeDefined(), soon);
    expect(r.received).toEqual([]);
    expect([r.status("a").received, r.status("b").received]).toEqual([0, 0]);
    expect(r.status("a").relayedBytes).toBeGreaterThan(0);
    expect(r.status("b").relayedBytes).toBeGreaterThan(0);
  });

  test("carries long frames both ways at once, in bounded windows", async () => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", { relays: true });
    const limits = { relayWindowBytes: 32_768, relayDataBytesMax: 4_096 };
    const way = { listen: false, dials: { r: r.port }, limits };
    const a = await site.open("a", { ...way, via: { b: ["r"] } });
    const b = await site.open("b", way);
    const long = "x".repeat(1_100_000);
    for (let sent = 0; sent < 3; sent++) {
      a.send("b", long, { urgency: "bulk" });
      b.send("a", long, { urgency: "bulk" });
    }
    await vi.waitFor(() => {
      expect(a.received).toHaveLength(3);
      expect(b.received).toHaveLength(3);
    }, soon);
    expect(texts(a).every((text) => text === long)).toBe(true);
    expect(r.status("a").relayedBytes).toBeGreaterThan(3 * long.length);
  });

  test("gives way to a direct link as soon as there can be one", async () => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", { relays: true });
    const b = await site.open("b", { dials: { r: r.port } });
    await using tap = await LinkTap.open(b.port);
    tap.cut();
    const dials = { r: r.port, b: tap.port };
    const a = await site.open("a", { listen: false, dials, via: { b: ["r"] } });
    await linked(a, "b", "relayed");
    tap.mend();
    await linked(a, "b", "dialled");
    await linked(b, "a", "accepted");
    a.send("b", "straight");
    await vi.waitFor(() => expect(texts(b)).toEqual(["straight"]), soon);
  });

  test("comes back with its streams after it was gone", async () => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", { relays: true });
    const a = await site.open("a", { listen: false, dials: { r: r.port }, via: { b: ["r"] } });
    const b = await site.open("b", { listen: false, dials: { r: r.port } });
    await linked(a, "b", "relayed");
    await site.close(r);
    await linked(a, "b", "none");
    b.send("a", "waits");
    await site.open("r", { relays: true, port: r.port });
    await vi.waitFor(() => expect(texts(a)).toEqual(["waits"]), soon);
  });

  test("books what each peer has it carry, and makes it wait beyond its share", async () => {
    await using site = new PeerConsortium(trio);
    const share = 200_000;
    const r = await site.open("r", { relays: true, limits: { relayBytesPerSecondMax: share } });
    const a = await site.open("a", { listen: false, dials: { r: r.port }, via: { b: ["r"] } });
    const b = await site.open("b", { listen: false, dials: { r: r.port } });
    await linked(a, "b", "relayed");
    const from = performance.now();
    a.send("b", "x".repeat(500_000), { urgency: "bulk" });
    await vi.waitFor(() => expect(b.received).toHaveLength(1), soon);
    // A second's worth at once and a window on credit; the rest at the share's pace.
    const leastSeconds = (500_000 - share - 2 * 128 * 1_024) / share;
    expect(performance.now() - from).toBeGreaterThan(leastSeconds * 1_000);
  });

  test.each([
    ["PEER_RELAY_OFF", "b", { relays: false }],
    ["PEER_RELAY_TARGET_UNKNOWN", "nobody", { relays: true }],
    ["PEER_RELAY_TARGET_UNKNOWN", "a", { relays: true }],
    ["PEER_RELAY_TARGET_ABSENT", "b", { relays: true }],
  ] as const)("refuses with %s a stream to %s", async (code, target, options) => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", options);
    const raw = await RawPeer.dial(r.port, site.credentials("a", "north"));
    raw.hello("a");
    await linked(r, "a", "accepted");
    raw.send("relayOpen", ...encodeRelayOpen(1, { target: name(target), relays: 1 }));
    await vi.waitFor(() => expect(raw.of("relayClose")).toHaveLength(1), soon);
    expect(raw.of("relayClose")[0]?.body).toEqual(concat(u32(1), utf8(code)));
    expect(r.status("a").counts.get(code)).toBe(1);
    expect(r.status("a").connection.kind).toBe("accepted");
  });

  test("ends a link that sends more than its window, or floods it with streams", async () => {
    await using site = new PeerConsortium(trio);
    const r = await site.open("r", { relays: true, limits: { relayWindowBytes: 10_000 } });
    const b = await RawPeer.dial(r.port, site.credentials("b", "south"));
    b.hello("b");
    await linked(r, "b", "accepted");
    const dialA = async () => {
      const raw = await RawPeer.dial(r.port, site.credentials("a", "north"));
      raw.hello("a");
      await linked(r, "a", "accepted");
      return raw;
    };
    const a = await dialA();
    a.send("relayOpen", ...encodeRelayOpen(1, { target: name("b"), relays: 1 }));
    await vi.waitFor(() => expect(b.of("relayOpen")).toHaveLength(1), soon);
    // B grants nothing, so that what is relayed stays within one window each.
    for (let sent = 0; sent < 5; sent++) a.send("relayData", u32(1), new Uint8Array(8_000));
    await vi.waitFor(() => expect(a.refusal).toBe("PEER_RELAY_OVERRUN"), soon);
    await vi.waitFor(() => expect(b.of("relayClose")).toHaveLength(1), soon);
    await linked(r, "a", "none");
    const again = await dialA();
    for (let stream = 1; stream < 5_000; stream += 2)
      again.send("relayOpen", ...encodeRelayOpen(stream, { target: name("b"), relays: 1 }));
    await vi.waitFor(() => {
      const full = again
        .of("relayClose")
        .filter(({ body }) => new TextDecoder().decode(body.subarray(4)).includes("STREAMS_FULL"));
      expect(full.length > 0 || again.refusal === "PEER_RELAY_STREAMS_FULL").toBe(true);
    }, soon);
  });

  test("has no part in who is at the two ends: a stranger behind it is refused", async () => {
    await using site = new PeerConsortium(trio);
    const b = await site.open("b");
    const r = await RawPeer.dial(b.port, site.credentials("r", "east"));
    r.hello("r");
    await linked(b, "r", "accepted");
    r.send("relayOpen", ...encodeRelayOpen(1, { target: name("b"), relays: 0 }));
    r.send("relayData", u32(1), utf8("GET / HTTP/1.1\r\n\r\n"));
    await vi.waitFor(
      () => expect(b.network.strangers().get("PEER_HANDSHAKE_FAILED")).toBe(1),
      soon,
    );
    await vi.waitFor(() => expect(r.of("relayClose")).toHaveLength(1), soon);
    const closed = r.of("relayClose")[0];
    expect(closed === undefined ? undefined : parseStream(closed.body)).toMatchObject({ ok: true });
    expect(b.status("r").connection.kind).toBe("accepted");
  });
});
