import { expect, test, vi } from "vitest";
import { LinkTap } from "../../../test/support/link-tap.ts";
import type { RunningPeer } from "../../../test/support/peer-consortium.ts";
import { PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { RawPeer } from "../../../test/support/raw-peer.ts";
import { soon } from "../../../test/support/soon.ts";

/** Two organisations of three nodes with one border gateway each; a2 is not in the channel. */
const borders = {
  a1: { organisation: "north", border: false, channels: ["main", "inside"] },
  a2: { organisation: "north", border: false, channels: ["inside"] },
  ag: { organisation: "north", border: true, channels: ["inside"] },
  b1: { organisation: "south", border: false },
  b2: { organisation: "south", border: false },
  bg: { organisation: "south", border: true },
};
type Node = keyof typeof borders;
const nodes = Object.keys(borders).filter((key): key is Node => key in borders);
const texts = (node: RunningPeer) => node.received.map(({ text }) => text);

test("an organisation's traffic stays inside it, and its border gateways alone talk to the others", async () => {
  await using site = new PeerConsortium(borders);
  // Ports first, so that each pair of nodes can have a line of its own that counts.
  const ports = new Map<Node, number>();
  for (const node of nodes) {
    const opened = await site.open(node);
    ports.set(node, opened.port);
    await site.close(opened);
  }
  const taps = new Map<string, LinkTap>();
  await using stack = new AsyncDisposableStack();
  const running = new Map<Node, RunningPeer>();
  for (const node of nodes) {
    const dials: Record<string, number> = {};
    for (const peer of nodes) {
      if (peer === node) continue;
      // Everybody knows an address of everybody: it is the route that keeps them from using it.
      const tap = stack.use(await LinkTap.open(ports.get(peer) ?? 0));
      taps.set(`${node} → ${peer}`, tap);
      dials[peer] = tap.port;
    }
    running.set(
      node,
      await site.open(node, { port: ports.get(node) ?? 0, dials, relays: borders[node].border }),
    );
  }
  const at = (node: Node) => {
    const peer = running.get(node);
    if (peer === undefined) throw new Error(node);
    return peer;
  };

  const sent = 20;
  for (let index = 0; index < sent; index++) {
    at("a1").send("b1", `a1 to b1 ${index}`);
    at("b1").send("a1", `b1 to a1 ${index}`);
    at("a1").send("bg", `a1 to bg ${index}`);
    at("a1").send("a2", `inside ${index}`, { channel: "inside" });
    at("a1").send("a2", `never ${index}`);
    at("a1").send("b2", `never ${index}`, { channel: "inside" });
  }
  await vi.waitFor(() => {
    expect(at("b1").received).toHaveLength(sent);
    expect(at("a1").received).toHaveLength(sent);
    expect(at("bg").received).toHaveLength(sent);
    expect(at("a2").received).toHaveLength(sent);
  }, soon);

  const across = [...taps].filter(([pair]) => pair[0] !== pair.at(-2));
  expect(across).toHaveLength(18);
  for (const [pair, tap] of across) {
    const isBorder = pair === "ag → bg" || pair === "bg → ag";
    if (!isBorder) expect(tap.connections, pair).toBe(0);
  }
  expect(across.reduce((sum, [, tap]) => sum + tap.connections, 0)).toBeGreaterThan(0);

  // Frames on each link, by who counts them: what was sent came in where it was meant, and nowhere else.
  for (const from of nodes)
    for (const to of nodes) {
      if (from === to) continue;
      const flows: Readonly<Record<string, number>> = {
        "a1 b1": sent,
        "b1 a1": sent,
        "a1 bg": sent,
        "a1 a2": sent,
      };
      const expected = flows[`${from} ${to}`] ?? 0;
      expect(at(from).status(to).sent, `${from} sent ${to}`).toBe(expected);
      expect(at(to).status(from).received, `${to} received from ${from}`).toBe(expected);
    }
  expect(at("a1").status("b1").connection).toEqual({ kind: "relayed", via: "ag" });
  expect(at("b1").status("a1").connection).toEqual({ kind: "relayed", via: "bg" });
  expect(at("ag").status("a1").relayedBytes).toBeGreaterThan(0);
  expect(at("a1").status("a2").counts.get("PEER_CHANNEL_FOREIGN")).toBe(sent);
  for (const node of nodes)
    expect(texts(at(node)).some((text) => text.startsWith("never"))).toBe(false);
}, 60_000);

test("an inner node refuses another organisation that dials it", async () => {
  await using site = new PeerConsortium(borders);
  const a1 = await site.open("a1");
  const raw = await RawPeer.dial(a1.port, site.credentials("bg", "south"));
  raw.hello("bg");
  await vi.waitFor(() => expect(raw.refusal).toBe("PEER_BORDER_CROSSED"), soon);
  expect(a1.status("bg").counts.get("PEER_BORDER_CROSSED")).toBe(1);
});
