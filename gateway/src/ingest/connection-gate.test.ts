import { monotonicMillis } from "@tamga/ledger-core/base/time";
import { describe, expect, test } from "vitest";
import { connectionsMax, handshakesPerSecondMax } from "../limits.ts";
import { ConnectionGate } from "./connection-gate.ts";

const at = monotonicMillis;

describe("ConnectionGate", () => {
  test("lets as many in as may be open, and the next when one goes", () => {
    const gate = new ConnectionGate({ openMax: 2, perSecond: 100 });
    expect(gate.enter(at(0))).toBe("open");
    expect(gate.enter(at(0))).toBe("open");
    expect(gate.enter(at(0))).toBe("CONNECTIONS_FULL");
    gate.leave();
    expect(gate.enter(at(0))).toBe("open");
    expect(gate.open).toBe(2);
  });

  test("spends one second's worth at once, then goes by the clock", () => {
    const gate = new ConnectionGate({ openMax: 1_000, perSecond: 10 });
    const tries = (now: number, count: number) =>
      Array.from({ length: count }, () => gate.enter(at(now))).filter(
        (verdict) => verdict === "open",
      );
    expect(tries(0, 20)).toHaveLength(10);
    expect(tries(100, 20)).toHaveLength(1);
    expect(tries(600, 20)).toHaveLength(5);
    expect(tries(60_000, 20)).toHaveLength(10);
    expect(gate.enter(at(60_000))).toBe("HANDSHAKES_TOO_FAST");
  });

  test("reaches its named limits", () => {
    const gate = new ConnectionGate({ openMax: connectionsMax, perSecond: handshakesPerSecondMax });
    let now = 0;
    let open = 0;
    while (gate.enter(at(now)) !== "CONNECTIONS_FULL") {
      open = gate.open;
      now += 5;
    }
    expect(open).toBe(connectionsMax);
  });
});
