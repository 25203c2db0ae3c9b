import { unixMillis } from "@tamga/ledger-core/base/time";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { describe, expect, test } from "vitest";
import { deviceKey } from "../../../test/support/wire-samples.ts";
import { identifier } from "../lane/lane-fixture.ts";
import { devicesCachedMax, registryLookMs } from "../limits.ts";
import { RegistryWatch } from "./registry-watch.ts";

const meter = identifier("meter-1");
const key = {
  device: meter,
  kid: thumbprint((bytes) => nodeCrypto.sha256(bytes), deviceKey),
  publicKey: deviceKey,
  keyKind: "file",
  chain: [],
  notAfter: unixMillis(2_000_000_000_000),
} as const;

function rig() {
  const state = { version: 1, isRevoked: false, asked: 0, changes: 0 };
  const clock = new ManualClock();
  const watch = new RegistryWatch({
    registry: {
      version: () => state.version,
      keysOf: () => {
        state.asked++;
        const revoked = { reason: "retired", since: unixMillis(1) } as const;
        return state.isRevoked ? [{ ...key, revoked }] : [key];
      },
    },
    changed: () => {
      state.changes++;
    },
    clock,
  });
  return { state, clock, watch };
}

describe("RegistryWatch", () => {
  test("answers from memory until another process has written", async () => {
    const { state, clock, watch } = rig();
    const ended = new AbortController();
    const running = watch.run({ signal: ended.signal }).catch(() => "ended");
    expect(watch.keysOf(meter)).toEqual([key]);
    expect(watch.maySign(meter)).toBe(true);
    expect(state.asked).toBe(1);
    state.isRevoked = true;
    await clock.advance(registryLookMs);
    expect(watch.maySign(meter)).toBe(true);
    state.version++;
    await clock.advance(registryLookMs);
    expect(state.changes).toBe(1);
    expect(watch.maySign(meter)).toBe(false);
    expect(state.asked).toBe(2);
    ended.abort();
    expect(await running).toBe("ended");
  });

  test("forgets when this process itself has written", () => {
    const { state, watch } = rig();
    watch.keysOf(meter);
    watch.forget();
    watch.keysOf(meter);
    expect(state.asked).toBe(2);
    watch.look();
    expect(state.changes).toBe(0);
  });

  test("remembers a bounded number of devices", () => {
    const { state, watch } = rig();
    for (let i = 0; i <= devicesCachedMax; i++) watch.keysOf(identifier(`meter-${i}`));
    watch.keysOf(identifier("meter-0"));
    expect(state.asked).toBe(devicesCachedMax + 2);
  });
});
