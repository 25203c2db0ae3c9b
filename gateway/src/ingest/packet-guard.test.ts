import { concat } from "@tamga/ledger-core/base/bytes";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PacketGuard } from "./packet-guard.ts";

const limits = { packetBytesMax: 300_000, connectBytesMax: 100 };

/** The digits of an MQTT length (MQTT 3.1.1 §2.2.3). */
function digits(length: number): Uint8Array {
  const bytes: number[] = [];
  let left = length;
  do {
    const more = left > 127 ? 0x80 : 0;
    bytes.push((left % 128) | more);
    left = Math.floor(left / 128);
  } while (left > 0);
  return Uint8Array.from(bytes);
}

const packet = (length: number) =>
  concat(Uint8Array.of(0x30), digits(length), new Uint8Array(length));

describe("PacketGuard", () => {
  test("says the same of a stream however it is cut", () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 });
    const cuts = fc.array(fc.nat(2_000), { maxLength: 8 });
    fc.assert(
      fc.property(lengths, cuts, fc.nat(400), (bodies, at, dropped) => {
        const whole = concat(packet(90), ...bodies.map(packet));
        const stream = whole.subarray(0, Math.max(1, whole.length - dropped));
        const atOnce = new PacketGuard(limits);
        const expected = atOnce.push(stream);
        const inPieces = new PacketGuard(limits);
        const ends = [...at, stream.length].map((end) => Math.min(end, stream.length));
        let from = 0;
        let last = inPieces.push(new Uint8Array(0));
        for (const end of ends.sort((a, b) => a - b)) {
          last = inPieces.push(stream.subarray(from, end));
          from = end;
        }
        expect(last).toEqual(expected);
        expect(inPieces.left).toBe(atOnce.left);
      }),
    );
  });

  test.each([0, 127, 128, 16_383, 16_384, 300_000])("reads a length of %i", (length) => {
    const guard = new PacketGuard(limits);
    guard.push(packet(10));
    const head = concat(Uint8Array.of(0x30), digits(length));
    const openBytes = length;
    expect(guard.push(head)).toMatchObject({ ok: true, value: { openBytes } });
    expect(guard.left).toBe(length);
    if (length > 0) guard.push(new Uint8Array(length - 1));
    const last = guard.push(new Uint8Array(length > 0 ? 1 : 0));
    expect(last).toMatchObject({ ok: true, value: { openBytes: 0 } });
  });

  test("counts packets, so that equal ones can be told apart", () => {
    const guard = new PacketGuard(limits);
    const half = packet(50).subarray(0, 10);
    const rest = packet(50).subarray(10);
    expect(guard.push(half)).toMatchObject({ value: { openBytes: 50, packet: 1 } });
    expect(guard.push(concat(rest, half))).toMatchObject({ value: { openBytes: 50, packet: 2 } });
  });

  test("stops a CONNECT and a packet at the byte that declares too much", () => {
    const fresh = new PacketGuard(limits);
    expect(fresh.push(packet(100).subarray(0, 2))).toMatchObject({ ok: true });
    const first = new PacketGuard(limits).push(concat(Uint8Array.of(0x10), digits(101)));
    expect(first).toEqual({ ok: false, fault: { code: "MQTT_CONNECT_TOO_LONG", declared: 101 } });
    const guard = new PacketGuard(limits);
    guard.push(packet(100));
    const next = guard.push(concat(Uint8Array.of(0x30), digits(300_001)));
    expect(next).toEqual({ ok: false, fault: { code: "MQTT_PACKET_TOO_LONG", declared: 300_001 } });
  });

  test("refuses a length of more than four digits, and no sooner", () => {
    const guard = new PacketGuard({ ...limits, connectBytesMax: 268_435_455 });
    expect(guard.push(Uint8Array.of(0x10, 0xff, 0xff, 0xff))).toMatchObject({ ok: true });
    expect(guard.push(Uint8Array.of(0x7f))).toMatchObject({ value: { openBytes: 268_435_455 } });
    const long = new PacketGuard(limits).push(Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80));
    expect(long).toMatchObject({ ok: false, fault: { code: "MQTT_LENGTH_MALFORMED" } });
  });
});
