import { unixMillis } from "@tamga/ledger-core/base/time";
import { describe, expect, test } from "vitest";
import { identifier } from "../lane/lane-fixture.ts";
import type { ClientAccess } from "./client-access.ts";
import { admitClient, admitPublish, admitSubscribe } from "./client-access.ts";

const channel = identifier("energy");
const device = identifier("meter-1");
const now = unixMillis(1_750_000_000_000);
const certificate = { device, notAfter: unixMillis(now + 1), revoked: false };
const good = { clientId: "meter-1", hasWill: false, cleanSession: true, certificate } as const;
const access: ClientAccess = { channel, device, rights: "full" };

describe("admitClient", () => {
  test("gives a known device its own branch", () => {
    expect(admitClient(good, { channel, now })).toEqual({ ok: true, value: access });
  });

  test("gives an expired one the right to renew, to the millisecond", () => {
    const rights = (notAfter: number) => {
      const at = { ...certificate, notAfter: unixMillis(notAfter) };
      const judged = admitClient({ ...good, certificate: at }, { channel, now });
      return judged.ok ? judged.value.rights : judged.fault.code;
    };
    expect(rights(now)).toBe("full");
    expect(rights(now - 1)).toBe("renew-only");
  });

  test.each([
    [{ certificate: "missing" }, "CLIENT_CERTIFICATE_MISSING"],
    [{ certificate: "unknown" }, "CLIENT_CERTIFICATE_UNKNOWN"],
    [{ certificate: { ...certificate, revoked: true } }, "CLIENT_REVOKED"],
    [{ clientId: "" }, "CLIENT_ID_EMPTY"],
    [{ clientId: "meter-2" }, "CLIENT_ID_NOT_CERTIFIED"],
    [{ hasWill: true }, "CLIENT_WILL_REFUSED"],
    [{ cleanSession: false }, "CLIENT_SESSION_REFUSED"],
  ] as const)("refuses %o: %s", (change, code) => {
    const judged = admitClient({ ...good, ...change }, { channel, now });
    expect(judged).toEqual({ ok: false, fault: { code } });
  });
});

describe("admitPublish", () => {
  const packet = { topic: "tamga/v1/energy/meter-1/up/statement", qos: 1, retain: false };

  test.each(["statement", "have", "renew"])("takes its own %s", (kind) => {
    const topic = `tamga/v1/energy/meter-1/up/${kind}`;
    expect(admitPublish(access, { ...packet, topic })).toEqual({ ok: true, value: kind });
  });

  test.each([
    [{ topic: "tamga/v1/energy/meter-2/up/statement" }, "TOPIC_FOREIGN"],
    [{ topic: "tamga/v1/other/meter-1/up/statement" }, "TOPIC_FOREIGN"],
    [{ topic: "tamga/v1/energy/meter-1/down/proof" }, "TOPIC_FOREIGN"],
    [{ topic: "tamga/v2/energy/meter-1/up/statement" }, "TOPIC_FOREIGN"],
    [{ topic: "tamga/v1/energy/meter-1/up/statement/x" }, "TOPIC_FOREIGN"],
    [{ topic: "" }, "TOPIC_FOREIGN"],
    [{ qos: 0 }, "PUBLISH_QOS_REFUSED"],
    [{ qos: 2 }, "PUBLISH_QOS_REFUSED"],
    [{ retain: true }, "PUBLISH_RETAIN_REFUSED"],
  ])("refuses %o: %s", (change, code) => {
    expect(admitPublish(access, { ...packet, ...change })).toEqual({ ok: false, fault: { code } });
  });

  test("lets an expired device renew and nothing else", () => {
    const late: ClientAccess = { ...access, rights: "renew-only" };
    const to = (kind: string) => ({ ...packet, topic: `tamga/v1/energy/meter-1/up/${kind}` });
    expect(admitPublish(late, to("renew")).ok).toBe(true);
    for (const kind of ["statement", "have"]) {
      const judged = admitPublish(late, to(kind));
      expect(judged).toEqual({ ok: false, fault: { code: "TOPIC_RENEW_ONLY" } });
    }
  });
});

describe("admitSubscribe", () => {
  test("takes the one filter of the device's own downlink", () => {
    expect(admitSubscribe(access, "tamga/v1/energy/meter-1/down/+").ok).toBe(true);
  });

  test.each([
    "#",
    "+/#",
    "tamga/v1/energy/+/down/+",
    "tamga/v1/energy/meter-1/down/proof",
    "$SYS/#",
  ])("refuses %s", (filter) => {
    const judged = admitSubscribe(access, filter);
    expect(judged).toEqual({ ok: false, fault: { code: "TOPIC_FOREIGN" } });
  });
});
