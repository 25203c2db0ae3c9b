/** The whole way of a reading: device, gateway, ledger, receipt, verifier; every step a real one. */

import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";

describe("first light", () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(async () => site.close());

  test("a reading becomes a receipt that verifies offline, and no longer with a byte changed", async () => {
    const device = await site.online("meter-1");
    const stream = device.stream();
    const start = stream.start();
    await device.send(start);
    expect((await device.until(start, "final")).kind).toBe("final");

    const bundle = stream.bundle(5);
    await device.send(bundle);
    expect(["provisional", "final"]).toContain((await device.until(bundle, "provisional")).kind);
    const final = await device.until(bundle, "final");
    expect(final.kind).toBe("final");

    const file = await site.receipt(device.name, stream.incarnation, bundle.range.first + 3n);
    const verified = unwrap(verifyReceipt(nodeCrypto, device.policy, unwrap(parseReceipt(file))));
    expect(verified.signer).toMatchObject({ role: "device", name: "meter-1", keyKind: "file" });
    expect(verified.reading?.index).toBe(3);
    expect(verified.final?.notAfter).toBeGreaterThan(0);

    let believed = 0;
    for (let at = 0; at < file.length; at += 97) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const parsed = parseReceipt(changed);
      if (parsed.ok && verifyReceipt(nodeCrypto, device.policy, parsed.value).ok) believed++;
    }
    expect(believed).toBe(0);
  });

  test("what has to wait for its head has the gateway's own signature at once", async () => {
    const slow = await TestSite.start({ config: 'ledger = { order_every = "1h" }' });
    try {
      const device = await slow.online("meter-3");
      const stream = device.stream();
      const start = stream.start();
      // After idleness it is ordered at once; what comes then waits for the next head.
      await device.send(start);
      await device.until(start, "final");
      const bundle = stream.bundle(5);
      await device.send(bundle);
      expect((await device.until(bundle, "provisional")).kind).toBe("provisional");
      expect(device.received.proof.at(-1)?.signature).toBeDefined();
    } finally {
      await slow.close();
    }
  });

  test("what was acknowledged survives kill -9", async () => {
    const device = await site.online("meter-2");
    const stream = device.stream();
    const made = [stream.start(), stream.bundle(20), stream.bundle(1), stream.heartbeat()];
    await Promise.all(made.map((one) => device.send(one)));
    await site.restart("SIGKILL");
    await device.connect(site.mqttPort);
    const again = made.map((one) => device.send(one));
    await Promise.all(again);
    const size = (await site.status()).lane.size;
    for (const one of made) expect((await device.until(one, "final")).kind).toBe("final");
    await Promise.all(made.map((one) => device.send(one)));
    expect((await site.status()).lane.size).toBe(size);
  });

  test("ends with 0 on SIGTERM", async () => {
    expect(await site.stop("SIGTERM")).toBe(0);
    await site.launch();
    expect(site.isRunning).toBe(true);
  });
});
