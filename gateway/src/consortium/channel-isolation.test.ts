/** Two channels in the same gateways, over real TLS: what reaches a peer that is a member of one of them. */

import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, toHex, u32, utf8 } from "@tamga/ledger-core/base/bytes";
import { encodeRelayOpen } from "@tamga/ledger-core/peers/message";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { RawPeer } from "../../../test/support/raw-peer.ts";
import { soon } from "../../../test/support/soon.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { readGatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";

const both = ["b", "c", "d"];
/** Of five three others and `a` are a quorum, of four three: `e` and `f` say nothing. */
const members = { herd: ["a", ...both, "f"], power: [...both, "e"] };
type Channel = keyof typeof members;

let consortium: GatewayConsortium;
beforeEach(async () => {
  const names = ["a", ...both, "e", "f"];
  const directory = mkdtempSync(join(tmpdir(), "tamga-isolation-"));
  consortium = await GatewayConsortium.create(directory, names);
  for (const node of members.power) consortium.configure(node, names, { power: ["meter-*"] });
  await consortium.open(members.herd);
  await consortium.open(members.power, "power");
  for (const node of ["a", ...both]) await consortium.start(node);
}, 60_000);
afterEach(() => consortium.close());

const pathsIn = (node: string, channel: Channel) =>
  pathsOf(readGatewayConfig({ data: consortium.directoryOf(node), forChannel: { name: channel } }));

function idOf(channel: Channel): string {
  const trust = readFileSync(pathsIn("b", channel).trust, "utf8");
  return z.object({ channelId: z.string() }).parse(JSON.parse(trust)).channelId;
}

/** A node with its own keys and nothing else: it counts what it is sent. */
async function listen(node: "e" | "f", at: string): Promise<RawPeer> {
  const { peerKey, peerCertificate } = pathsIn(node, node === "e" ? "power" : "herd");
  const raw = await RawPeer.dial(consortium.peerPort(at), {
    key: readFileSync(peerKey, "utf8"),
    certificates: readFileSync(peerCertificate, "utf8"),
  });
  raw.hello(node, { consortium: "test" });
  await vi.waitFor(() => expect(raw.of("hello")).toHaveLength(1), soon);
  return raw;
}

/** Frames and bytes by the id of the channel that they are for. */
function counted(raw: RawPeer): ReadonlyMap<string, { frames: number; bytes: number }> {
  const counts = new Map<string, { frames: number; bytes: number }>();
  for (const { body } of raw.of("message")) {
    const id = toHex(body.subarray(0, 32));
    const count = counts.get(id) ?? { frames: 0, bytes: 0 };
    counts.set(id, { frames: count.frames + 1, bytes: count.bytes + body.length });
  }
  return counts;
}

const holds = (raw: RawPeer, bytes: Uint8Array) =>
  raw.frames.some(({ body }) => Buffer.from(body).includes(Buffer.from(bytes)));

it("sends a peer frames of the channels that it is in, and of no other, whatever it asks for", async () => {
  const [herd, power] = [idOf("herd"), idOf("power")];
  const peers = { e: await listen("e", "b"), f: await listen("f", "b") };
  await consortium.orderOne("a", "herd");
  await consortium.orderOne("c", "power");
  // Votes, blocks, gossip, seals and keep-alives of both channels were under way.
  await vi.waitFor(() => {
    expect(counted(peers.e).get(power)?.frames).toBeGreaterThan(5);
    expect(counted(peers.f).get(herd)?.frames).toBeGreaterThan(5);
  }, soon);

  // What a member says in its channel, said in the other one, and in one that there is not.
  const said = present(peers.e.of("message").at(-1), "a message of power").body.subarray(32);
  const nowhere = "5a".repeat(32);
  for (const id of [herd, nowhere]) peers.e.send("message", Buffer.from(id, "hex"), said);
  peers.f.send("message", Buffer.from(power, "hex"), said);
  const refusals = async (node: string) => {
    const channel = node === "e" ? "power" : "herd";
    const schema = z.object({
      validators: z.array(z.object({ name: z.string(), refusals: z.record(z.string(), z.int()) })),
    });
    const report = schema.parse(await consortium.json("b", "status", "--channel", channel));
    return report.validators.find((one) => one.name === node)?.refusals;
  };
  await vi.waitFor(async () => {
    expect(await refusals("e")).toMatchObject({ PEER_CHANNEL_FOREIGN: 2 });
    expect(await refusals("f")).toMatchObject({ PEER_CHANNEL_FOREIGN: 1 });
  }, soon);

  // A relay to a member of the other channel is refused as one to a name that nobody has.
  for (const [stream, target] of [
    [1, "a"],
    [3, "nobody"],
    [5, "f"],
  ] as const)
    peers.e.send("relayOpen", ...encodeRelayOpen(stream, { target: name(target), relays: 1 }));
  await vi.waitFor(() => expect(peers.e.of("relayClose")).toHaveLength(3), soon);
  for (const [at, { body }] of peers.e.of("relayClose").entries())
    expect(body).toEqual(concat(u32(2 * at + 1), utf8("PEER_RELAY_TARGET_UNKNOWN")));
  // One to a fellow member is opened.
  peers.e.send("relayOpen", ...encodeRelayOpen(7, { target: name("c"), relays: 1 }));
  peers.e.send("ping", u32(1), u32(2));
  await vi.waitFor(() => expect(peers.e.of("pong").length).toBeGreaterThan(0), soon);
  expect(peers.e.of("relayClose")).toHaveLength(3);

  // Both channels go on, and neither peer has had a frame or a byte of the other.
  await consortium.orderOne("b", "power");
  expect([...counted(peers.e).keys()]).toEqual([power]);
  expect([...counted(peers.f).keys()]).toEqual([herd]);
  expect(peers.e.isClosed || peers.f.isClosed).toBe(false);
  expect(holds(peers.e, Buffer.from(herd, "hex"))).toBe(false);
  expect(holds(peers.f, Buffer.from(power, "hex"))).toBe(false);
  expect(holds(peers.f, utf8("power"))).toBe(false);
}, 120_000);
