/** Connections that no honest agent makes: each refused by its code, before it costs anything. */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { encodeHaveMessage, encodeRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import Database from "better-sqlite3";
import type { IClientOptions } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HonestDevice } from "../support/honest-device.ts";
import { RawLine } from "../support/raw-line.ts";
import type { TestDevice } from "../support/test-device.ts";
import { TestSite } from "../support/test-site.ts";

const residentGrowthMax = 96 * 1_024 * 1_024;

let site: TestSite;
let honest: HonestDevice;
let mallory: TestDevice;
let residentBefore = 0;

beforeAll(async () => {
  site = await TestSite.start();
  const [first, second] = await site.enrolMany(["honest", "mallory"]);
  if (first === undefined || second === undefined) throw new Error("two devices");
  await first.connect(site.mqttPort);
  mallory = second;
  honest = new HonestDevice(first);
  await honest.proveAlive();
  residentBefore = site.residentBytes();
});

afterAll(async () => site.close());

/** Runs `work` and expects that the gateway counted this refusal meanwhile, and still serves. */
async function refuses(code: string, work: () => Promise<void>): Promise<void> {
  const before = await site.refusals(code);
  await work();
  expect(await site.refusals(code)).toBeGreaterThan(before);
  await honest.proveAlive();
}

describe("a CONNECT", () => {
  const connects: readonly (readonly [string, string, IClientOptions])[] = [
    ["with another device's client id", "CLIENT_ID_NOT_CERTIFIED", { clientId: "honest" }],
    [
      "with a will",
      "CLIENT_WILL_REFUSED",
      { will: { topic: "a", payload: Buffer.from("x"), qos: 0, retain: false } },
    ],
    ["for a session that outlives it", "CLIENT_SESSION_REFUSED", { clean: false }],
  ];
  test.each(connects)("%s is answered by not authorized: %s", async (_what, code, options) => {
    await refuses(code, async () => {
      await expect(mallory.connect(site.mqttPort, options)).rejects.toThrow(/Not authorized/);
    });
  });

  test("without a client id is refused", async () => {
    await refuses("CLIENT_ID_EMPTY", async () => {
      const line = await RawLine.open(mallory.tls(site.mqttPort));
      expect(await line.connect("")).toBe(5);
      await line.closed();
    });
  });

  test("that declares 256 MiB is cut at its first bytes", async () => {
    await refuses("MQTT_CONNECT_TOO_LONG", async () => {
      const line = await RawLine.open(mallory.tls(site.mqttPort));
      line.write(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f));
      await line.closed();
    });
  });

  test("with a length of five digits is cut", async () => {
    await refuses("MQTT_LENGTH_MALFORMED", async () => {
      const line = await RawLine.open(mallory.tls(site.mqttPort));
      line.write(Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x01));
      await line.closed();
    });
  });
});

describe("a TLS client", () => {
  test("without a certificate is cut before MQTT", async () => {
    await refuses("CLIENT_CERTIFICATE_MISSING", async () => {
      const { host, port, ca } = mallory.tls(site.mqttPort);
      const line = new RawLine((await RawLine.open({ host, port, ca })).socket);
      await line.closed();
    });
  });

  test("with a certificate that the site did not give out is cut before MQTT", async () => {
    const other = await TestSite.start();
    try {
      const [stranger] = await other.enrolMany(["honest"]);
      if (stranger === undefined) throw new Error("one device");
      await refuses("CLIENT_CERTIFICATE_UNKNOWN", async () => {
        const { key, cert } = stranger.tls(site.mqttPort);
        const line = await RawLine.open({ ...mallory.tls(site.mqttPort), key, cert });
        await line.closed();
      });
    } finally {
      await other.close();
    }
  });
});

describe("a PUBLISH", () => {
  const own = "tamga/v1/readings/mallory/up";
  const publishes: readonly (readonly [
    string,
    string,
    string,
    { readonly qos?: 0 | 1 | 2; readonly retain?: boolean },
  ])[] = [
    ["in another device's branch", "TOPIC_FOREIGN", "tamga/v1/readings/honest/up/statement", {}],
    ["in another channel", "TOPIC_FOREIGN", "tamga/v1/other/mallory/up/statement", {}],
    ["downwards", "TOPIC_FOREIGN", "tamga/v1/readings/honest/down/proof", {}],
    ["of an unknown kind", "TOPIC_FOREIGN", `${own}/firmware`, {}],
    ["to the broker itself", "TOPIC_FOREIGN", "$SYS/broker/uptime", {}],
    ["with QoS 0", "PUBLISH_QOS_REFUSED", `${own}/statement`, { qos: 0 }],
    ["with QoS 2", "PUBLISH_QOS_REFUSED", `${own}/statement`, { qos: 2 }],
    ["to be retained", "PUBLISH_RETAIN_REFUSED", `${own}/statement`, { retain: true }],
  ];
  test.each(publishes)("%s cuts the line: %s", async (_what, code, topic, options) => {
    await mallory.connect(site.mqttPort);
    await refuses(code, async () => {
      const published = mallory.publishRaw(topic, mallory.stream().start().payload, options);
      await Promise.allSettled([published]);
      await mallory.untilCut();
    });
  });

  test("that declares 256 MiB is cut at its first bytes", async () => {
    await refuses("MQTT_PACKET_TOO_LONG", async () => {
      const line = await RawLine.open(mallory.tls(site.mqttPort));
      expect(await line.connect("mallory")).toBe(0);
      line.write(Uint8Array.of(0x32, 0xff, 0xff, 0xff, 0x7f));
      await line.closed();
    });
  });

  test("that never comes to its end holds its share of the byte budget, until it goes", async () => {
    const inFlight = async () =>
      (await site.metrics()).get("tamga_gateway_bytes_in_flight_bytes") ?? Number.NaN;
    const line = await RawLine.open(mallory.tls(site.mqttPort));
    expect(await line.connect("mallory")).toBe(0);
    const declared = 1_048_576;
    // 2^20 in MQTT's digits of seven bits; then a few bytes of a topic, and silence.
    line.write(Uint8Array.of(0x32, 0x80, 0x80, 0x40, 0x00, 0x05, 0x61));
    line.packet({ cmd: "pingreq" });
    await expect.poll(inFlight).toBeGreaterThanOrEqual(declared);
    await honest.proveAlive();
    line.end();
    await expect.poll(inFlight).toBeLessThan(declared);
  });
});

describe("a SUBSCRIBE", () => {
  test.each([
    "#",
    "tamga/v1/readings/+/down/+",
    "tamga/v1/readings/honest/down/+",
    "tamga/v1/readings/mallory/up/+",
    "$SYS/#",
  ])("to %s cuts the line", async (filter) => {
    await refuses("TOPIC_FOREIGN", async () => {
      const line = await RawLine.open(mallory.tls(site.mqttPort));
      expect(await line.connect("mallory")).toBe(0);
      line.packet({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: filter, qos: 1 }] });
      await line.closed();
    });
  });
});

describe("a message beside statements", () => {
  test.each(["have", "renew"] as const)("%s that cannot be read does no harm", async (kind) => {
    const code = kind === "have" ? "HAVE_MALFORMED" : "CBOR_MALFORMED";
    await mallory.connect(site.mqttPort);
    await refuses(code, async () => {
      await Promise.allSettled([mallory.publish(kind, new Uint8Array([0xff, 0x00]))]);
    });
    await mallory.disconnect();
  });

  test("a have without an end is cut at its page limit", async () => {
    await mallory.connect(site.mqttPort);
    await refuses("HAVE_TOO_MANY_PAGES", async () => {
      const page = { nonce: new Uint8Array(8), last: false, pending: [], kept: [] };
      const pages = Array.from({ length: 65 }, () =>
        mallory.publish("have", encodeHaveMessage(page)),
      );
      await Promise.allSettled(pages);
      await mallory.untilCut();
    });
  });

  test("a have over all sequences there are is answered in bounded time and size", async () => {
    await mallory.connect(site.mqttPort);
    const { incarnation, name } = mallory.stream();
    const range = { first: 0n, count: Number.MAX_SAFE_INTEGER };
    const nonce = new Uint8Array(8).fill(7);
    const pending = [{ stream: name, incarnation, ranges: [range] }];
    await mallory.publish("have", encodeHaveMessage({ nonce, last: true, pending, kept: [] }));
    const want = await mallory.untilReceived(({ want }) => want.find((one) => one.nonce[0] === 7));
    expect(want.want[0]?.ranges).toEqual([range]);
    await honest.proveAlive();
    await mallory.disconnect();
  });
});

describe("a device whose certificate has expired", () => {
  test("may renew and nothing else; once renewed its backlog drains", async () => {
    const [late] = await site.enrolMany(["late"]);
    if (late === undefined) throw new Error("one device");
    const registry = new Database(join(site.dir, "registry.db"));
    registry
      .prepare("UPDATE tls_certificate SET not_after = ? WHERE device = 'late'")
      .run(Date.now() - 1_000);
    registry.close();
    const stream = late.stream();
    const backlog = [stream.start(), stream.bundle(3), stream.bundle(3)];
    await late.connect(site.mqttPort);
    await refuses("TOPIC_RENEW_ONLY", async () => {
      const sent = backlog.slice(0, 1).map((made) => late.send(made));
      expect((await Promise.allSettled(sent))[0]?.status).toBe("rejected");
      await late.untilCut();
    });
    await late.connect(site.mqttPort);
    await late.publish("renew", encodeRenewMessage(late.keys.renewal));
    const certificate = await late.untilReceived(({ certificate }) => certificate[0]);
    await late.disconnect();
    late.renewed(certificate);
    await late.connect(site.mqttPort);
    await Promise.all(backlog.map((made) => late.send(made)));
    for (const made of backlog) expect((await late.until(made, "final")).kind).toBe("final");
  });

  test("gets no certificate for a key that the site has not approved", async () => {
    const [late, other] = await site.enrolMany(["swap-a", "swap-b"]);
    if (late === undefined || other === undefined) throw new Error("two devices");
    await late.connect(site.mqttPort);
    await refuses("CSR_WRONG_NAME", () =>
      late.publish("renew", encodeRenewMessage(other.keys.renewal)),
    );
    expect(late.received.certificate).toEqual([]);
  });
});

describe("a device that is revoked", () => {
  test("is cut off at once, refused from then on, and revoked in the ledger", async () => {
    const lost = await site.online("lost");
    const stream = lost.stream();
    const start = stream.start();
    await lost.send(start);
    await lost.until(start, "final");
    await refuses("CLIENT_REVOKED", async () => {
      await site.cli("devices", "revoke", "lost", "--reason", "compromised");
      await lost.untilCut();
    });
    await refuses("CLIENT_REVOKED", async () => {
      await expect(lost.connect(site.mqttPort)).rejects.toThrow(/Not authorized/);
    });
    const device = (await site.status()).devices.find((one) => one.device === "lost");
    expect(device?.state).toBe("revoked");
    const isOrdered = () => {
      const db = new Database(join(site.dir, "registry.db"), { readonly: true });
      const waiting = db.prepare("SELECT count(*) FROM revocation WHERE ordered = 0").pluck().get();
      db.close();
      return waiting === 0;
    };
    await expect.poll(isOrdered).toBe(true);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "gets nowhere with a session of %s from before, with its certificate or without",
    async (version) => {
      const id = version.replace(".", "-");
      const [device] = await site.enrolMany([id]);
      if (device === undefined) throw new Error("one device");
      const { key, cert, ...rest } = device.tls(site.mqttPort);
      const tls = { ...rest, minVersion: version, maxVersion: version };
      const first = await RawLine.open({ ...tls, key, cert });
      expect(await first.connect(id)).toBe(0);
      const session = present(first.session, "a session of TLS");
      first.socket.destroy();
      await site.cli("devices", "revoke", id, "--reason", "compromised");
      await refuses("CLIENT_REVOKED", async () => {
        const again = await RawLine.open({ ...tls, key, cert, session });
        expect(again.isReused).toBe(false);
        expect(await again.connect(id)).not.toBe(0);
      });
      await refuses("CLIENT_CERTIFICATE_MISSING", async () => {
        // Cut right behind the handshake: the line is seen to be open or not at all.
        const bare = await RawLine.open({ ...tls, session }).catch(() => undefined);
        expect(bare?.isReused ?? false).toBe(false);
        await expect(bare?.connect(id) ?? Promise.reject(new Error("cut"))).rejects.toThrow("cut");
      });
    },
  );
});

describe("after all of it", () => {
  test("the honest device was served throughout, and the gateway's memory is bounded", async () => {
    const report = await honest.stop();
    expect(report.failure).toBeUndefined();
    expect(report.latenciesMs.length).toBeGreaterThan(10);
    expect(site.residentBytes() - residentBefore).toBeLessThan(residentGrowthMax);
    expect(site.isRunning).toBe(true);
  });
});
