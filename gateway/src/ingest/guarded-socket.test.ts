import { Duplex } from "node:stream";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { describe, expect, test } from "vitest";
import { identifier } from "../lane/lane-fixture.ts";
import { packetBytesMax, packetMsMax } from "../limits.ts";
import { ByteBudget } from "./byte-budget.ts";
import { guardSocket } from "./guarded-socket.ts";

const device = identifier("meter-1");
const connectPacket = Uint8Array.of(0x10, 0x02, 0x00, 0x00);

/** The head of a PUBLISH that declares 2^20 bytes, and the first of them. */
const begunPacket = Uint8Array.of(0x32, 0x80, 0x80, 0x40, 0x00);
const declared = 1_048_576;

function rig(limits: { readonly totalMax: number; readonly shareMax: number }) {
  const budget = new ByteBudget(limits);
  const clock = new ManualClock();
  const cuts: string[] = [];
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  guardSocket(socket, {
    device,
    budget,
    clock,
    cut: (code) => {
      cuts.push(code);
      socket.destroy();
    },
  });
  const arrive = (bytes: Uint8Array) => socket.push(Buffer.from(bytes));
  const take = (): number => socket.read()?.length ?? 0;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return { budget, clock, cuts, socket, arrive, take, closed };
}

const roomy = { totalMax: 64 * packetBytesMax, shareMax: 8 * packetBytesMax };

describe("guardSocket", () => {
  test("holds the budget for a packet that has begun, until it has come or the client goes", async () => {
    const { budget, arrive, take, socket, closed } = rig(roomy);
    arrive(connectPacket);
    take();
    expect(budget.total).toBe(0);
    arrive(begunPacket);
    take();
    expect(budget.total).toBe(declared);
    arrive(new Uint8Array(declared - 1));
    while (take() > 0);
    expect(budget.total).toBe(0);
    arrive(begunPacket);
    take();
    socket.destroy();
    await closed;
    expect(budget.total).toBe(0);
  });

  test("gives each packet a deadline of its own", async () => {
    const { arrive, take, clock, cuts, closed } = rig(roomy);
    arrive(connectPacket);
    arrive(begunPacket);
    take();
    await clock.advance(packetMsMax - 1);
    arrive(new Uint8Array(declared - 1));
    arrive(begunPacket);
    while (take() > 0);
    await clock.advance(packetMsMax - 1);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual(["MQTT_PACKET_TOO_SLOW"]);
    await closed;
  });

  test("reads nothing new without room, and goes on by itself when there is some", async () => {
    const { budget, arrive, take, socket, cuts } = rig(roomy);
    budget.take(device, roomy.shareMax - packetBytesMax);
    arrive(connectPacket);
    expect(take()).toBe(0);
    const readable = new Promise<void>((resolve) => socket.once("readable", () => resolve()));
    budget.give(device, packetBytesMax);
    await readable;
    expect(take()).toBe(connectPacket.length);
    expect(cuts).toEqual([]);
    socket.destroy();
  });

  test("reads a packet on that has begun, and not a byte of the next", () => {
    const { budget, arrive, take, socket, cuts } = rig(roomy);
    arrive(connectPacket);
    arrive(begunPacket);
    take();
    const others = roomy.totalMax - budget.total;
    for (let i = 0; i < 8; i++) budget.take(`other-${i}`, Math.floor(others / 8));
    arrive(new Uint8Array(declared - 1));
    arrive(begunPacket);
    let came = 0;
    for (let bytes = take(); bytes > 0; bytes = take()) came += bytes;
    expect(came).toBe(declared - 1);
    expect(socket.readableLength).toBe(begunPacket.length);
    expect(cuts).toEqual([]);
    socket.destroy();
  });

  test("cuts off whoever declares too much", async () => {
    const { arrive, take, cuts, closed } = rig(roomy);
    arrive(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f));
    expect(take()).toBe(0);
    await closed;
    expect(cuts).toEqual(["MQTT_CONNECT_TOO_LONG"]);
  });
});
