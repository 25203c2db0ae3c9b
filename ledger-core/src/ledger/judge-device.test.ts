/** Device keys: who may state them, what has to travel along, and whose they are. */

import { describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import type { Member } from "../../../test/support/consortium.ts";
import { at, Consortium, kidOf } from "../../../test/support/consortium.ts";
import { signStatement } from "../../../test/support/ledger-site.ts";
import { present } from "../base/assert.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { DeviceKeyClaims } from "../wire/governance-claims.ts";
import { parseStatement } from "../wire/statement.ts";
import type { LedgerLimits } from "./limits.ts";

const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));

async function open(limits: Partial<LedgerLimits> = {}) {
  const channel = await Consortium.of(["dairy", "farm"], limits);
  const [dairy, farm] = channel.members;
  const [a, b] = [present(dairy, "dairy"), present(farm, "farm")];
  const enrol = (
    by: Member,
    of: ReturnType<Member["device"]>,
    more: Partial<DeviceKeyClaims> = {},
  ) => {
    const { device, kid, certificate, chain } = of;
    const claims = { kind: "device-key", device, kid, certificate, keyKind: "tpm", at } as const;
    return channel.order(by.say({ ...claims, ...more }, { certificates: chain }));
  };
  return { channel, a, b, enrol };
}

describe("a device's key", () => {
  it("is stated with its certificate, and followed by others of the same organisation", async () => {
    const { channel, a, enrol } = await open();
    const first = a.device("meter");
    expect(enrol(a, first)).toBe("OK");
    expect(enrol(a, first, { at: unixMillis(at + 1) })).toBe("DEVICE_KEY_KNOWN");
    const again = a.device("meter", first.key);
    expect(again.certificate).not.toEqual(first.certificate);
    expect(enrol(a, again)).toBe("OK");
    const next = a.device("meter");
    expect(enrol(a, next)).toBe("OK");
    const { devices, deviceKeys } = channel.state.channel;
    expect(devices.get("meter")).toMatchObject({ kid: next.kid, certificate: next.certificate });
    expect(devices.size).toBe(1);
    expect(deviceKeys.get(toHex(first.kid))?.device).toBe("meter");
    expect(deviceKeys.size).toBe(2);
  });

  it("is what its certificate says", async () => {
    const { channel, a, b, enrol } = await open();
    const meter = a.device("meter");
    expect(enrol(a, { ...meter, chain: [] })).toBe("DEVICE_CHAIN_BAD CHAIN_EMPTY");
    expect(enrol(a, b.device("meter"))).toBe("DEVICE_CHAIN_BAD CHAIN_NOT_TRUSTED");
    for (const more of [
      { device: a.device("other").device },
      { kid: digestOf("x") },
      { certificate: digestOf("x") },
      { keyKind: "file" as const },
    ])
      expect(enrol(a, meter, more)).toBe("DEVICE_CERTIFICATE_MISMATCH");
    const empty = signStatement(a.signer, "device-key", new Map());
    expect(channel.order({ statement: empty, consistency: [], certificates: meter.chain })).toBe(
      "FIELD_MISSING",
    );
    const admin = a.admin();
    const byAdmin = signStatement(admin.signer, "device-key", new Map());
    expect(channel.order({ statement: byAdmin, consistency: [], certificates: [] })).toBe(
      "SIGNATURE_WRONG",
    );
  });

  it("and its device belong to the organisation that came first", async () => {
    const { a, b, enrol } = await open();
    const meter = a.device("meter");
    expect(enrol(a, meter)).toBe("OK");
    expect(enrol(b, b.device("meter"))).toBe("DEVICE_OTHER_ORGANISATION");
    expect(enrol(b, b.device("theirs", meter.key))).toBe("DEVICE_OTHER_ORGANISATION");
    expect(enrol(a, a.device("second", meter.key))).toBe("DEVICE_KEY_OF_OTHER");
    expect(enrol(b, b.device("theirs"))).toBe("OK");
  });

  it("is not stated again once it was revoked, and the device gets another", async () => {
    const { channel, a, enrol } = await open();
    const meter = a.device("meter");
    expect(enrol(a, meter)).toBe("OK");
    expect(channel.order(a.owner.revoke(meter.kid, { device: "meter" }))).toBe("OK");
    expect(enrol(a, a.device("meter", meter.key))).toBe("KEY_REVOKED");
    expect(enrol(a, a.device("meter"))).toBe("OK");
  });

  it("stops at the bounds of devices and of keys", async () => {
    const devices = await open({ devicesMax: 1 });
    expect(devices.enrol(devices.a, devices.a.device("one"))).toBe("OK");
    expect(devices.enrol(devices.a, devices.a.device("two"))).toBe("DEVICES_FULL");
    expect(devices.enrol(devices.a, devices.a.device("one"))).toBe("OK");
    const keys = await open({ deviceKeysMax: 1 });
    const one = keys.a.device("one");
    expect(keys.enrol(keys.a, one)).toBe("OK");
    expect(keys.enrol(keys.a, keys.a.device("one"))).toBe("DEVICE_KEYS_FULL");
    expect(keys.enrol(keys.a, keys.a.device("one", one.key))).toBe("OK");
  });
});

describe("a revocation among several organisations", () => {
  it("is by the one that the key belongs to, as it was enrolled or opened a lane", async () => {
    const { channel, a, b, enrol } = await open();
    const meter = a.device("meter");
    expect(enrol(a, meter)).toBe("OK");
    const revoke = (by: Member, ...of: Parameters<Member["owner"]["revoke"]>) =>
      channel.order(by.owner.revoke(...of));
    expect(revoke(b, meter.kid, { device: "anything" })).toBe("DEVICE_OTHER_ORGANISATION");
    expect(revoke(b, digestOf("x"), { device: "meter" })).toBe("DEVICE_OTHER_ORGANISATION");
    const gateway = a.owner.gateway("g");
    expect(channel.order(gateway.open(channel.id))).toBe("OK");
    expect(revoke(b, gateway.kid, { device: "g" })).toBe("DEVICE_OTHER_ORGANISATION");
    expect(revoke(a, gateway.kid, { device: "g" })).toBe("OK");
    expect(revoke(a, meter.kid, { device: "meter" })).toBe("OK");
    expect(revoke(b, kidOf(createKey("ES256")), { device: "unknown" })).toBe("OK");
  });

  it("may be an administrator's", async () => {
    const { channel, a } = await open();
    const admin = a.admin();
    const { statement } = a.owner.revoke(digestOf("x"));
    const again = signStatement(admin.signer, "device", claimsOf(statement));
    const transaction = { statement: again, consistency: [], certificates: admin.chain };
    expect(channel.order(transaction)).toBe("OK");
  });
});

function claimsOf(statement: Uint8Array) {
  const parsed = parseStatement(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value.claims;
}
