import { describe, expect, test } from "vitest";
import { u64 } from "../base/bytes.ts";
import { peerLimits } from "./limits.ts";
import { PeerPulse } from "./pulse.ts";

const intervals = Math.ceil(peerLimits.silentMsMax / peerLimits.keepAliveMs);

describe("PeerPulse", () => {
  test("measures a round trip by the ping that was sent, and by no other answer", () => {
    const pulse = new PeerPulse(peerLimits);
    expect(pulse.next(0)).toBeUndefined();
    expect(pulse.tick(false)).toBeUndefined();
    const ping = pulse.next(20);
    expect(ping).toEqual({ type: "ping", body: u64(0n) });
    expect(pulse.next(21)).toBeUndefined();
    pulse.ponged(u64(7n), 30);
    expect(pulse.roundTripMs).toBeUndefined();
    pulse.ponged(u64(0n), 50);
    expect(pulse.roundTripMs).toBe(30);
    pulse.ponged(u64(0n), 90);
    expect(pulse.roundTripMs).toBe(30);
  });

  test("answers the newest of many pings alone", () => {
    const pulse = new PeerPulse(peerLimits);
    for (let ping = 0n; ping < 1_000n; ping++) pulse.pinged(u64(ping));
    expect(pulse.next(0)).toEqual({ type: "pong", body: u64(999n) });
    expect(pulse.next(0)).toBeUndefined();
  });

  test("finds a link dead where nothing comes, or nothing goes, but not where we do not listen", () => {
    const pulse = new PeerPulse(peerLimits);
    const ticks = (count: number, isDeaf = false) =>
      Array.from({ length: count }, () => pulse.tick(isDeaf)).find((code) => code !== undefined);
    expect(ticks(intervals)).toBeUndefined();
    expect(ticks(9, true)).toBeUndefined();
    expect(ticks(1)).toBe("PEER_SILENT");
    pulse.heard();
    pulse.blocked();
    expect(ticks(intervals)).toBeUndefined();
    pulse.heard();
    expect(ticks(1)).toBe("PEER_STALLED");
    pulse.unblocked();
    expect(ticks(1)).toBeUndefined();
    pulse.blocked();
    pulse.heard();
    expect(ticks(intervals)).toBeUndefined();
  });
});
