import { once } from "node:events";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { LinkTap } from "../../../test/support/link-tap.ts";
import type { RunningPeer } from "../../../test/support/peer-consortium.ts";
import { channelId, PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { peerLimits } from "./limits.ts";

const pair = { a: { organisation: "north" }, b: { organisation: "south" } };
const texts = (node: RunningPeer) => node.received.map(({ text }) => text);
const isLinked = (node: RunningPeer, peer: string) =>
  vi.waitFor(() => expect(node.status(peer).connection.kind).not.toBe("none"), soon);

describe("two peers", () => {
  test("exchange frames, whoever dialled, and tell how long a round trip takes", async () => {
    await using site = new PeerConsortium(pair);
    const b = await site.open("b");
    const a = await site.open("a", { listen: false, dials: { b: b.port } });
    a.send("b", "from a");
    b.send("a", "from b");
    await vi.waitFor(() => expect([texts(a), texts(b)]).toEqual([["from b"], ["from a"]]), soon);
    expect(a.status("b").connection.kind).toBe("dialled");
    expect(b.status("a").connection.kind).toBe("accepted");
    await vi.waitFor(() => expect(a.status("b").roundTripMs).toBeDefined(), soon);
    expect(a.status("b")).toMatchObject({ sent: 1, received: 1, queued: { frames: 0, bytes: 0 } });
  });

  test("use Ed25519 keys as well, and a chain with its CA at the end", async () => {
    await using site = new PeerConsortium(pair);
    const credentials = site.credentials("b", "south", { algorithm: "EdDSA" });
    const b = await site.open("b", { credentials });
    const a = await site.open("a", { listen: false, dials: { b: b.port } });
    a.send("b", "hello");
    await vi.waitFor(() => expect(texts(b)).toEqual(["hello"]), soon);
  });

  test("keep one link where both dial at once, the same on both sides, and lose nothing", async () => {
    await using site = new PeerConsortium(pair);
    const rounds = 8;
    for (let round = 0; round < rounds; round++) {
      const first = await site.open("a");
      const second = await site.open("b");
      // Each is told the other's port before either has dialled.
      await using toB = await LinkTap.open(second.port);
      await using toA = await LinkTap.open(first.port);
      await Promise.all([site.close(first), site.close(second)]);
      const [a, b] = await Promise.all([
        site.open("a", { port: first.port, dials: { b: toB.port } }),
        site.open("b", { port: second.port, dials: { a: toA.port } }),
      ]);
      const expected = Array.from({ length: 200 }, (_, index) => `${index}`);
      for (const text of expected) {
        a.send("b", text, { urgency: "bulk" });
        b.send("a", text, { urgency: "bulk" });
        if (Number(text) % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const sorted = (node: RunningPeer) => texts(node).toSorted((x, y) => Number(x) - Number(y));
      await vi.waitFor(() => expect([sorted(a), sorted(b)]).toEqual([expected, expected]), soon);
      await vi.waitFor(() => {
        const kinds = [a.status("b").connection.kind, b.status("a").connection.kind];
        expect(kinds.toSorted()).toEqual(["accepted", "dialled"]);
        if (toA.connections > 0 && toB.connections > 0)
          expect(a.status("b").connection.kind).toBe("dialled");
      }, soon);
      await Promise.all([site.close(a), site.close(b)]);
    }
  });

  test("find each other again after a cut, with what was queued meanwhile", async () => {
    await using site = new PeerConsortium(pair);
    const b = await site.open("b");
    await using tap = await LinkTap.open(b.port);
    const a = await site.open("a", { listen: false, dials: { b: tap.port } });
    a.send("b", "before");
    await vi.waitFor(() => expect(texts(b)).toEqual(["before"]), soon);
    tap.cut();
    await vi.waitFor(() => expect(a.status("b").connection.kind).toBe("none"), soon);
    for (const text of ["1", "2", "3"]) a.send("b", text);
    expect(a.status("b").queued.frames).toBe(3);
    await vi.waitFor(
      () => expect(a.status("b").counts.get("PEER_UNREACHABLE")).toBeGreaterThan(0),
      soon,
    );
    tap.mend();
    await vi.waitFor(() => expect(texts(b)).toEqual(["before", "1", "2", "3"]), soon);
    expect(a.status("b").counts.get("PEER_LINK_LOST")).toBe(1);
  });

  test("find each other again after one was closed and opened anew", async () => {
    await using site = new PeerConsortium(pair);
    const b = await site.open("b");
    const a = await site.open("a", { listen: false, dials: { b: b.port } });
    await isLinked(a, "b");
    await site.close(b);
    await vi.waitFor(() => expect(a.status("b").connection.kind).toBe("none"), soon);
    a.send("b", "are you there?");
    const again = await site.open("b", { port: b.port });
    await vi.waitFor(() => expect(texts(again)).toEqual(["are you there?"]), soon);
  });

  test("send the longest frame, and drop a longer one", async () => {
    await using site = new PeerConsortium(pair);
    const sizes: number[] = [];
    const received = (_peer: unknown, _channel: unknown, payload: Uint8Array) => {
      sizes.push(payload.length);
      return undefined;
    };
    const b = await site.open("b", { received });
    const a = await site.open("a", { listen: false, dials: { b: b.port } });
    const most = peerLimits.frameBytesMax - 32;
    for (const size of [most, most + 1, 0])
      a.network.send(name("b"), {
        channel: channelId("main"),
        payload: new Uint8Array(size),
        urgency: "bulk",
      });
    await vi.waitFor(() => expect(sizes).toEqual([most, 0]), soon);
    expect(a.status("b").counts.get("PEER_FRAME_TOO_LONG")).toBe(1);
  });

  test("drop the oldest bulk while there is no link, and say so", async () => {
    await using site = new PeerConsortium(pair);
    const a = await site.open("a", { listen: false, limits: { queueFramesMax: 3 } });
    a.send("b", "old bulk", { urgency: "bulk" });
    for (const text of ["1", "2", "3"]) a.send("b", text);
    a.network.send(name("nobody"), {
      channel: channelId("main"),
      payload: new Uint8Array(1),
      urgency: "vote",
    });
    expect(a.status("b").dropped).toEqual({ vote: 0, bulk: 1 });
    expect(a.status("b").counts.get("PEER_QUEUE_FULL")).toBe(1);
    expect(a.network.strangers().get("PEER_NOT_MEMBER")).toBe(1);
  });
});

describe("the members", () => {
  test("may change: who is out loses its link, who is in gets one", async () => {
    await using site = new PeerConsortium({ ...pair, c: { organisation: "south" } });
    const [a, b, c] = site.members;
    if (a === undefined || b === undefined || c === undefined) throw new Error("members");
    site.members = [a, b];
    const north = await site.open("a");
    const south = await site.open("b", { listen: false, dials: { a: north.port } });
    await isLinked(north, "b");
    site.members = [a, c];
    north.network.review();
    await vi.waitFor(
      () => expect(south.status("a").counts.get("PEER_REFUSED_THERE")).toBeGreaterThan(0),
      soon,
    );
    expect(south.status("a").counts.get("PEER_NOT_MEMBER")).toBeGreaterThan(0);
    expect(north.network.peers().map((status) => status.name)).toEqual(["c"]);
    const third = await site.open("c", { listen: false, dials: { a: north.port } });
    third.send("a", "new here");
    await vi.waitFor(() => expect(texts(north)).toEqual(["new here"]), soon);
  });

  test("whose key was taken back lose their link at the next review", async () => {
    await using site = new PeerConsortium(pair);
    const b = await site.open("b");
    const a = await site.open("a", { listen: false, dials: { b: b.port } });
    await isLinked(b, "a");
    site.revokeAll();
    b.network.review();
    await vi.waitFor(
      () => expect(a.status("b").counts.get("PEER_CERTIFICATE_REVOKED")).toBeGreaterThan(0),
      soon,
    );
    expect(b.status("a").connection.kind).toBe("none");
  });
});

test("a node without an address of anybody, and one that nobody can dial, still say so and close", async () => {
  await using site = new PeerConsortium(pair);
  const a = await site.open("a", { listen: false });
  expect(a.status("b")).toMatchObject({ connection: { kind: "none" } });
  const b = await site.open("b");
  await expect(site.open("a", { port: b.port })).rejects.toMatchObject({ code: "PEER_PORT_TAKEN" });
});

test("a key that does not go with its certificate is refused before anything is opened", async () => {
  await using site = new PeerConsortium(pair);
  const { key } = site.credentials("a", "north");
  const { certificates } = site.credentials("a", "north");
  const opening = site.open("a", { credentials: { key, certificates } });
  await expect(opening).rejects.toMatchObject({ code: "PEER_CREDENTIALS_BAD" });
});

test("who takes a connection and says nothing is let go after dialMsMax, and dialled again", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket.resume());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const dialMsMax = 200;
  await using site = new PeerConsortium({
    a: { organisation: "north" },
    b: { organisation: "south" },
  });
  const from = performance.now();
  const a = await site.open("a", { dials: { b: address.port }, limits: { dialMsMax } });
  await vi.waitFor(() => expect(sockets[0]?.closed).toBe(true), soon);
  expect(performance.now() - from).toBeGreaterThanOrEqual(dialMsMax - 5);
  await vi.waitFor(() => expect(sockets.length).toBeGreaterThan(1), soon);
  await vi.waitFor(() => {
    expect(a.status("b").counts.get("PEER_UNREACHABLE")).toBeGreaterThan(0);
  }, soon);
  expect(a.status("b").connection.kind).toBe("none");
  await site.close(a);
  server.close();
});
