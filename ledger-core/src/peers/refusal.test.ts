/** A refused connection may still send so much that it can read why, and no more, and not for long. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { connect, createServer } from "node:tls";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PeerConsortium } from "../../../test/support/peer-consortium.ts";
import { RawPeer } from "../../../test/support/raw-peer.ts";
import { soon } from "../../../test/support/soon.ts";
import { present } from "../base/assert.ts";
import { ManualClock } from "../daemon/manual-clock.ts";
import { refusalBytesMax, refusalMsMax, refuseSocket } from "./refusal.ts";

const site = new PeerConsortium({ a: { organisation: "north" } });
const { key, certificates } = site.credentials("a", "north");
let server: Server;

beforeAll(async () => {
  server = createServer({ key, cert: certificates });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(async () => {
  server.close();
  await site[Symbol.asyncDispose]();
});

/** A connection that was just refused, by a clock that stands still. */
async function refused() {
  const clock = new ManualClock();
  const { port } = addressOf(server);
  const accepted = once(server, "secureConnection");
  // Half open, so that it may go on sending after it was refused.
  const options = { host: "127.0.0.1", port, rejectUnauthorized: false, allowHalfOpen: true };
  const client = connect(options);
  const raw = new RawPeer(client);
  const [socket]: TLSSocket[] = await accepted;
  const there = present(socket, "an accepted connection");
  there.on("error", () => undefined);
  let read = 0;
  refuseSocket(there, "PEER_NOT_MEMBER", clock);
  there.on("data", (chunk: Uint8Array) => {
    read += chunk.length;
  });
  await vi.waitFor(() => expect(raw.refusal).toBe("PEER_NOT_MEMBER"), soon);
  return { clock, raw, there, read: () => read };
}

function addressOf(of: Server): AddressInfo {
  const address = of.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address;
}

test("refusalBytesMax bytes are thrown away, and one more ends it at once", async () => {
  const { raw, there, read } = await refused();
  raw.socket.write(new Uint8Array(refusalBytesMax));
  await vi.waitFor(() => expect(read()).toBe(refusalBytesMax), soon);
  expect(there.destroyed).toBe(false);
  raw.socket.write(new Uint8Array(1));
  await vi.waitFor(() => expect(there.destroyed).toBe(true), soon);
});

test("who neither reads nor ends has refusalMsMax", async () => {
  const { clock, there } = await refused();
  await clock.advance(refusalMsMax - 1);
  expect(there.destroyed).toBe(false);
  await clock.advance(1);
  expect(there.destroyed).toBe(true);
});

test("who ends it leaves nothing that waits", async () => {
  const { clock, raw, there } = await refused();
  raw.socket.end();
  await vi.waitFor(() => expect(there.destroyed).toBe(true), soon);
  await vi.waitFor(() => expect(clock.sleeperCount).toBe(0), soon);
});
