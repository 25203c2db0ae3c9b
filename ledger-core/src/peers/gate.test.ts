import { describe, expect, test } from "vitest";
import { monotonicMillis } from "../base/time.ts";
import { PeerGate } from "./gate.ts";
import { peerLimits } from "./limits.ts";

const at = monotonicMillis;
const address = (index: number) => `10.0.${index >> 8}.${index & 255}`;

describe("PeerGate", () => {
  test("bounds strangers in all and from one address, and lets others in meanwhile", () => {
    const gate = new PeerGate({ ...peerLimits, handshakesPerSecondMax: 1_000 });
    const same = Array.from({ length: 20 }, () => gate.enter(address(0), at(0)));
    expect(same.filter((verdict) => verdict === "open")).toHaveLength(
      peerLimits.strangersPerAddressMax,
    );
    expect(same.at(-1)).toBe("PEER_ADDRESS_FULL");
    expect(gate.enter(address(1), at(0))).toBe("open");
    for (let index = 2; gate.open < peerLimits.strangersMax; index++)
      expect(gate.enter(address(index), at(0))).toBe("open");
    expect(gate.enter(address(99), at(0))).toBe("PEER_CONNECTIONS_FULL");
    gate.leave(address(1));
    expect(gate.enter(address(99), at(0))).toBe("open");
  });

  test("bounds handshakes a second, from one address first", () => {
    const gate = new PeerGate(peerLimits);
    const knock = (from: string, now: number) => {
      const verdict = gate.enter(from, at(now));
      if (verdict === "open") gate.leave(from);
      return verdict;
    };
    const loud = Array.from({ length: 1_000 }, () => knock(address(0), 0));
    expect(loud.filter((verdict) => verdict === "open")).toHaveLength(
      peerLimits.handshakesPerAddressPerSecondMax,
    );
    expect(loud.at(-1)).toBe("PEER_HANDSHAKES_TOO_FAST");
    expect(knock(address(1), 0)).toBe("open");
    expect(knock(address(0), 500)).toBe("open");
    const many = Array.from({ length: 200 }, (_, index) => knock(address(index + 2), 500));
    expect(many.filter((verdict) => verdict === "open").length).toBeLessThanOrEqual(
      peerLimits.handshakesPerSecondMax,
    );
    expect(many.at(-1)).toBe("PEER_HANDSHAKES_TOO_FAST");
  });

  test("remembers a bounded number of addresses, and forgets those at rest first", () => {
    const gate = new PeerGate({ ...peerLimits, addressesMax: 8, handshakesPerSecondMax: 1_000 });
    for (let index = 0; index < 8; index++) gate.enter(address(index), at(0));
    for (let index = 1; index < 8; index++) gate.leave(address(index));
    expect(gate.enter(address(8), at(10))).toBe("PEER_HANDSHAKES_TOO_FAST");
    expect(gate.enter(address(8), at(1_000))).toBe("open");
    expect(gate.addresses).toBe(2);
    expect(gate.open).toBe(2);
  });
});
