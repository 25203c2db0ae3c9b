/** What the registry never lets happen: a key of two devices, a request replaced under an operator's eyes. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, beforeEach, expect, it } from "vitest";
import { createDeviceKeys } from "../../../test/support/device-keys.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { enrolmentsPendingMax, keysPerDeviceMax } from "../limits.ts";
import { DeviceRegistry } from "./device-registry.ts";
import type { SiteFacts } from "./enrolment.ts";
import { approveEnrolment, receiveEnrolment, renewCertificates } from "./enrolment.ts";
import { SiteCa } from "./site-ca.ts";

const folder = mkdtempSync(join(tmpdir(), "registry-"));
afterAll(() => rmSync(folder, { recursive: true }));
const now = unixMillis(1_780_000_000_000);
const ca = await SiteCa.open({
  dir: join(folder, "ca"),
  organisation: name("dairy-north"),
  now,
  create: true,
});
const facts: SiteFacts = {
  channel: name("milk"),
  gateway: name("gateway-1"),
  uplink: [],
  trust: "{}",
  certificateDays: 30,
};
const device = name("meter-1");
let files = 0;
let registry: DeviceRegistry;

beforeEach(() => {
  registry = new DeviceRegistry(join(folder, `registry-${files++}.db`));
  return () => registry.close();
});

const parts = () => ({ ca, registry });

it("refuses a key that another device has, and leaves that one's certificate alone", async () => {
  const keys = await createDeviceKeys(device);
  expect(await approveEnrolment(parts(), facts, { request: keys.request, now })).toMatchObject({
    ok: true,
  });
  const before = registry.keysOf(device);
  const clone = await createDeviceKeys(name("meter-2"), keys);
  const approved = await approveEnrolment(parts(), facts, { request: clone.request, now });
  expect(approved).toEqual({ ok: false, fault: { code: "DEVICE_KEY_TAKEN" } });
  expect(registry.keysOf(device)).toEqual(before);
  expect(registry.keysOf(name("meter-2"))).toEqual([]);
});

it("refuses one key for statements and TLS", async () => {
  const { request } = await createDeviceKeys(device);
  const same = { ...request, tls: request.signing };
  const approved = await approveEnrolment(parts(), facts, { request: same, now });
  expect(approved).toEqual({ ok: false, fault: { code: "CSR_KEYS_EQUAL" } });
});

it("keeps the newest certificates, also when the clock was set back since", async () => {
  const keys = await createDeviceKeys(device);
  await approveEnrolment(parts(), facts, { request: keys.request, now });
  const renewal = { device, message: keys.renewal };
  const later = unixMillis(now + 10 * 365 * 86_400_000);
  for (let i = 0; i < keysPerDeviceMax; i++)
    await renewCertificates(parts(), facts, { ...renewal, now: later });
  const renewed = await renewCertificates(parts(), facts, { ...renewal, now });
  const tls = present(renewed.ok ? renewed.value.tls[0] : undefined, "certificate");
  expect(registry.tls(nodeCrypto.sha256(tls))).toMatchObject({ device, revoked: false });
  expect(registry.tlsCertificate(device)).toEqual(tls);
});

it("keeps the first request of a name until an operator drops it", async () => {
  const first = await createDeviceKeys(device);
  const second = await createDeviceKeys(device);
  expect(await receiveEnrolment(parts(), { request: first.request, now })).toMatchObject({
    ok: true,
  });
  expect(await receiveEnrolment(parts(), { request: first.request, now })).toMatchObject({
    ok: true,
  });
  expect(await receiveEnrolment(parts(), { request: second.request, now })).toEqual({
    ok: false,
    fault: { code: "ENROLMENT_OTHER_KEY" },
  });
  expect(registry.pending(device)).toEqual(first.request);
  expect(registry.drop(device)).toEqual({ ok: true, value: null });
  expect(registry.drop(device)).toEqual({ ok: false, fault: { code: "DEVICE_UNKNOWN" } });
  expect(await receiveEnrolment(parts(), { request: second.request, now })).toMatchObject({
    ok: true,
  });
});

it("lists a waiting key by the thumbprint that it is approved with", async () => {
  const { request } = await createDeviceKeys(device);
  await receiveEnrolment(parts(), { request, now });
  const [waiting] = registry.list();
  expect(waiting).toMatchObject({ device, state: "pending" });
  await approveEnrolment(parts(), facts, { request, now });
  expect(registry.list()).toMatchObject([{ device, state: "approved", kid: waiting?.kid }]);
});

it("stores no request that its keys did not sign, nor more than the limit", async () => {
  const { request } = await createDeviceKeys(device);
  const forged = { ...request, signing: utf8("no request") };
  expect(await receiveEnrolment(parts(), { request: forged, now })).toEqual({
    ok: false,
    fault: { code: "CSR_MALFORMED" },
  });
  const other = { ...request, device: name("meter-2") };
  expect(await receiveEnrolment(parts(), { request: other, now })).toEqual({
    ok: false,
    fault: { code: "CSR_WRONG_NAME" },
  });
  for (let i = 0; i < enrolmentsPendingMax; i++) {
    const filler = await createDeviceKeys(name(`filler-${i}`));
    await receiveEnrolment(parts(), { request: filler.request, now });
  }
  expect(await receiveEnrolment(parts(), { request, now })).toEqual({
    ok: false,
    fault: { code: "ENROLMENT_PENDING_FULL" },
  });
});

it("asks the ledger again for the revocations that it does not hold", async () => {
  const { request } = await createDeviceKeys(device);
  await approveEnrolment(parts(), facts, { request, now });
  const kid = present(registry.keysOf(device)[0], "key").kid;
  const statement = utf8("revocation");
  registry.revoke(device, { reason: "compromised", since: now }, [{ kid, statement }]);
  registry.markRevocationOrdered(kid);
  expect(registry.unorderedRevocations()).toEqual([]);
  registry.reviveRevocations((known) => known.every((byte, i) => byte === kid[i]));
  expect(registry.unorderedRevocations()).toEqual([]);
  registry.reviveRevocations(() => false);
  expect(registry.unorderedRevocations()).toEqual([{ kid, statement }]);
});
