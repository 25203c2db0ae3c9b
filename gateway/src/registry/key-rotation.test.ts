/** Who gets a certificate for another signing key, who waits for an operator, and who is refused by which code. */

import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { encodeRotationMessage, rotationIdentity } from "@tamga/ledger-core/wire/key-rotation";
import { parseRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { encodeRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import { afterAll, beforeEach, expect, it } from "vitest";
import type { DeviceKeys } from "../../../test/support/device-keys.ts";
import { createDeviceKeys } from "../../../test/support/device-keys.ts";
import { kidOf, rotationRequest } from "../../../test/support/rotation-request.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { renewOverLine } from "../ingest/renew.ts";
import { keysPerDeviceMax } from "../limits.ts";
import { DeviceRegistry } from "./device-registry.ts";
import type { SiteFacts } from "./enrolment.ts";
import { approveEnrolment, renewCertificates, repeatAnswer } from "./enrolment.ts";
import type { RotationPolicy } from "./key-rotation.ts";
import { approveAsked, approveRotation, rotateKey } from "./key-rotation.ts";
import { SiteCa } from "./site-ca.ts";

const folder = mkdtempSync(join(tmpdir(), "rotation-"));
afterAll(() => rmSync(folder, { recursive: true }));
const now = unixMillis(1_780_000_000_000);
const ca = await SiteCa.open({
  dir: join(folder, "ca"),
  organisation: name("dairy-north"),
  now,
  create: true,
});
const channel = name("milk");
const facts: SiteFacts = {
  channel,
  gateway: name("gateway-1"),
  uplink: [],
  trust: "{}",
  certificateDays: 30,
};
const device = name("meter-1");
let files = 0;
let registry: DeviceRegistry;
let first: DeviceKeys;
let second: DeviceKeys;
let third: DeviceKeys;

beforeEach(async () => {
  registry = new DeviceRegistry(join(folder, `registry-${files++}.db`));
  first = await createDeviceKeys(device);
  second = await createDeviceKeys(device);
  third = await createDeviceKeys(device);
  unwrap(await approveEnrolment({ ca, registry }, facts, { request: first.request, now }));
  return () => registry.close();
});

const parts = (policy: RotationPolicy = "proven") => ({ ca, registry, policy });
const request = (
  from: DeviceKeys,
  to: DeviceKeys,
  over: Partial<Parameters<typeof rotationRequest>[2]> = {},
) => rotationRequest(from, to, { channel, now, ...over });
const rotate = (message: ReturnType<typeof request>, policy?: RotationPolicy, of = device) =>
  rotateKey(parts(policy), facts, { device: of, message, now });
const refusedBy = (code: string) => ({ ok: false, fault: { code } });
const certified = { ok: true, value: { type: "certified" } };
const waits = { ok: true, value: { type: "waiting" } };

it("certifies the next key, and both keys may sign", async () => {
  const rotated = unwrap(await rotate(request(first, second)));
  if (rotated.type !== "certified") throw new Error(rotated.type);
  const leaf = unwrap(parseCertificate(present(rotated.certificates.signing[0], "certificate")));
  expect(leaf.publicKey).toEqual(second.signing.publicKey);
  expect(registry.keysOf(device).map(({ kid }) => kid)).toEqual([kidOf(first), kidOf(second)]);
  const tls = present(rotated.certificates.tls[0], "certificate");
  expect(registry.tls(nodeCrypto.sha256(tls))).toMatchObject({ device, revoked: false });
  expect(repeatAnswer({ ca, registry }, facts, device)).toMatchObject({
    value: { signingChain: rotated.certificates.signing },
  });
});

it("gives the same certificates to the same request, and certificates to one made anew", async () => {
  const message = request(first, second);
  const answered = await rotate(message);
  expect(await rotate(message)).toEqual(answered);
  // The device was put back to a time before its request.
  expect(await rotate(request(first, second))).toMatchObject(certified);
  expect(registry.keysOf(device)).toHaveLength(2);
});

it("refuses an old request, and the way back to a key that was replaced", async () => {
  const old = request(first, second);
  expect(await rotate(old)).toMatchObject(certified);
  expect(await rotate(request(second, third))).toMatchObject(certified);
  expect(await rotate(old)).toEqual(refusedBy("ROTATION_REPLAYED"));
  expect(await rotate(request(third, second))).toEqual(refusedBy("ROTATION_REPLAYED"));
  expect(await rotate(request(first, second), "automatic")).toEqual(refusedBy("ROTATION_REPLAYED"));
});

it("lets a replaced key name no other one without an operator", async () => {
  expect(await rotate(request(first, second))).toMatchObject(certified);
  expect(await rotate(request(first, third), "automatic")).toEqual(waits);
  expect(registry.keysOf(device)).toHaveLength(2);
  expect(await approveRotation(parts(), facts, { device, now })).toMatchObject(certified);
  expect(registry.keysOf(device)).toHaveLength(3);
});

it.each([
  ["proven", "file", certified],
  ["proven", "pkcs11", waits],
  ["operator", "file", waits],
  ["automatic", "pkcs11", certified],
] as const)("with the policy %s a %s key goes on: %o", async (policy, keyKind, expected) => {
  expect(await rotate(request(first, second, { keyKind }), policy)).toMatchObject(expected);
});

it("has a key of a token wait, whatever the next one is said to be", async () => {
  const keys = await createDeviceKeys(name("meter-9"));
  const enrolled = { ...keys.request, keyKind: "pkcs11" } as const;
  unwrap(await approveEnrolment({ ca, registry }, facts, { request: enrolled, now }));
  const next = await createDeviceKeys(name("meter-9"));
  for (const keyKind of ["file", "pkcs11"] as const)
    expect(await rotate(request(keys, next, { keyKind }), "proven", keys.device)).toEqual(waits);
});

it("has a device wait whose key another CA certified", async () => {
  const dir = join(folder, "other-ca");
  const other = await SiteCa.open({ dir, organisation: name("dairy-south"), now, create: true });
  const keys = await createDeviceKeys(name("meter-8"));
  const asked = { request: keys.request, now };
  unwrap(await approveEnrolment({ ca: other, registry }, facts, asked));
  const message = request(keys, await createDeviceKeys(keys.device));
  expect(await rotate(message, "proven", keys.device)).toEqual(waits);
  expect(await rotate(message, "automatic", keys.device)).toMatchObject(certified);
});

it("tells what became of a request that waited", async () => {
  const message = request(first, second, { keyKind: "pkcs11" });
  expect(await rotate(message)).toEqual(waits);
  expect(registry.rotations.waiting()).toMatchObject([
    { device, from: kidOf(first), to: kidOf(second) },
  ]);
  const approved = await approveRotation(parts(), facts, { device, now });
  expect(approved).toMatchObject(certified);
  expect(await rotate(message)).toEqual(approved);
  expect(registry.rotations.waiting()).toEqual([]);
  expect(registry.keysOf(device).at(-1)?.keyKind).toBe("pkcs11");
  expect(await approveRotation(parts(), facts, { device, now })).toEqual(
    refusedBy("DEVICE_UNKNOWN"),
  );
});

it("tells a device that an operator dropped its request, and takes another one", async () => {
  const message = request(first, second, { keyKind: "pkcs11" });
  expect(await rotate(message)).toEqual(waits);
  expect(registry.rotations.drop(device, "ROTATION_DROPPED")).toBe(true);
  expect(registry.rotations.drop(device, "ROTATION_DROPPED")).toBe(false);
  const dropped = { ok: true, value: { type: "refused", code: "ROTATION_DROPPED" } };
  expect(await rotate(message)).toEqual(dropped);
  expect(await rotate(request(first, third))).toMatchObject(certified);
});

it("keeps one waiting request of a device, the newest", async () => {
  expect(await rotate(request(first, second), "operator")).toEqual(waits);
  expect(await rotate(request(first, third), "operator")).toEqual(waits);
  expect(registry.rotations.waiting()).toMatchObject([{ to: kidOf(third) }]);
});

it("refuses what one key alone asks for", async () => {
  const whole = request(first, second);
  expect(await rotate({ ...whole, byOld: whole.byNew })).toEqual(
    refusedBy("ROTATION_OLD_SIGNATURE_WRONG"),
  );
  expect(await rotate({ ...whole, byNew: whole.byOld })).toEqual(
    refusedBy("ROTATION_NEW_SIGNATURE_WRONG"),
  );
  expect(await rotate(request(first, second, { byNew: third }))).toEqual(
    refusedBy("ROTATION_NEW_SIGNATURE_WRONG"),
  );
  expect(registry.keysOf(device)).toHaveLength(1);
});

it("refuses the key of another device, on either side", async () => {
  const other = await createDeviceKeys(name("meter-2"));
  unwrap(await approveEnrolment({ ca, registry }, facts, { request: other.request, now }));
  // Another device's old key, in the name of this one.
  const stranger = await createDeviceKeys(device, other);
  expect(await rotate(request({ ...other, device }, second))).toEqual(
    refusedBy("ROTATION_KEY_UNKNOWN"),
  );
  expect(await rotate(request(first, stranger))).toEqual(refusedBy("DEVICE_KEY_TAKEN"));
  expect(registry.key(kidOf(other))?.device).toBe("meter-2");
});

it("refuses the same key, a TLS key for statements, and requests in another name", async () => {
  expect(await rotate(request(first, first))).toEqual(refusedBy("ROTATION_SAME_KEY"));
  const shared = { ...second, request: { ...second.request, tls: second.request.signing } };
  expect(await rotate(request(first, shared))).toEqual(refusedBy("CSR_KEYS_EQUAL"));
  const named = await createDeviceKeys(name("meter-3"));
  expect(await rotate(request(first, named))).toEqual(refusedBy("CSR_WRONG_NAME"));
  const elsewhere = request(first, second, { channel: name("other") });
  expect(await rotate(elsewhere)).toEqual(refusedBy("ROTATION_OTHER_DEVICE"));
});

it("refuses a TPM's key without the TPM's word, and a word that nobody knows", async () => {
  expect(await rotate(request(first, second, { keyKind: "tpm" }))).toEqual(
    refusedBy("TPM_CLAIM_MISSING"),
  );
  const tpm = {
    signingKey: new Uint8Array(1),
    certified: new Uint8Array(1),
    signature: new Uint8Array(1),
  };
  expect(await rotate({ ...request(first, second), tpm })).toEqual(
    refusedBy("ROTATION_TPM_UNKNOWN"),
  );
});

it("refuses a revoked device, and an unknown one", async () => {
  const message = request(first, second);
  unwrap(registry.revoke(device, { reason: "compromised", since: now }, []));
  expect(await rotate(message)).toEqual(refusedBy("DEVICE_REVOKED"));
  const unknown = await createDeviceKeys(name("meter-7"));
  const of = unknown.device;
  expect(await rotate(request(unknown, second), "automatic", of)).toEqual(
    refusedBy("RENEWAL_DEVICE_UNKNOWN"),
  );
});

it.each([
  ["RSA of 1024 bits", { modulusLength: 1_024 }],
  ["RSA of 4224 bits", { modulusLength: 4_224 }],
])("refuses a weak or endless key: %s", async (_, kind) => {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", ...kind };
  const publicExponent = Uint8Array.of(1, 0, 1);
  const keys = await webcrypto.subtle.generateKey({ ...algorithm, publicExponent }, true, ["sign"]);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${device}`,
    keys: keys as webcrypto.CryptoKeyPair,
    signingAlgorithm: algorithm,
  });
  const weak = { ...second.request, signing: new Uint8Array(csr.rawData) };
  expect(await rotate(request(first, { ...second, request: weak }))).toMatchObject({
    fault: { code: expect.stringMatching(/^(CSR|ROTATION)_/) },
  });
  expect(registry.keysOf(device)).toHaveLength(1);
});

it("looks at no dates: a device comes back after years, with a certificate that has expired", async () => {
  const later = unixMillis(now + 10 * 365 * 86_400_000);
  const message = request(first, second, { now: later });
  expect(await rotateKey(parts(), facts, { device, message, now: later })).toMatchObject(certified);
});

it("an operator who holds a request in his hand approves it, once replaced no more", async () => {
  const message = request(first, second, { keyKind: "pkcs11" });
  const asked = { device, message, now };
  const approved = await approveAsked(parts(), facts, asked);
  expect(approved).toMatchObject(certified);
  expect(await approveAsked(parts(), facts, asked)).toEqual(approved);
  expect(await rotate(request(second, third), "automatic")).toMatchObject(certified);
  expect(await approveAsked(parts(), facts, asked)).toEqual(refusedBy("ROTATION_REPLAYED"));
});

it("refuses one key more than a device may have", async () => {
  let last = first;
  for (let keys = 1; keys < keysPerDeviceMax; keys++) {
    const next = await createDeviceKeys(device);
    expect(await rotate(request(last, next))).toMatchObject(certified);
    last = next;
  }
  const more = await createDeviceKeys(device);
  expect(await rotate(request(last, more))).toEqual(refusedBy("DEVICE_KEYS_FULL"));
  expect(registry.keysOf(device)).toHaveLength(keysPerDeviceMax);
});

it("renews the certificate of either key, as the kind that it is", async () => {
  expect(await rotate(request(first, second, { keyKind: "pkcs11" }), "automatic")).toMatchObject(
    certified,
  );
  for (const [keys, kind] of [
    [first, "file"],
    [second, "pkcs11"],
  ] as const) {
    const renewed = await renewCertificates(parts(), facts, {
      device,
      message: keys.renewal,
      now: unixMillis(now + 86_400_000),
    });
    const leaf = present(renewed.ok ? renewed.value.signing[0] : undefined, "certificate");
    expect(Buffer.from(leaf).toString("latin1")).toContain(`urn:x-tamga:key:${kind}`);
  }
  // The key that it goes on with is still the second, though the first one's certificate is as new.
  expect(registry.keysOf(device).at(-1)?.kid).toEqual(kidOf(second));
});

it("answers over the line: always to another key, by the request's identity", async () => {
  const message = request(first, second);
  const line = (payload: Uint8Array) => renewOverLine(parts(), facts, { device, payload, now });
  const good = await line(encodeRotationMessage(message));
  const answer = unwrap(parseRenewedMessage(present(good.down, "answer").payload));
  expect(good.refused).toBeUndefined();
  expect(answer).toMatchObject({
    request: rotationIdentity(nodeCrypto, message),
    outcome: { type: "certified" },
  });
  const bad = await line(encodeRotationMessage({ ...message, byOld: message.byNew }));
  expect(bad.refused).toBe("ROTATION_OLD_SIGNATURE_WRONG");
  expect(parseRenewedMessage(present(bad.down, "answer").payload)).toMatchObject({
    value: { outcome: { type: "refused", code: "ROTATION_OLD_SIGNATURE_WRONG" } },
  });
  const junk = encodeRotationMessage({ ...message, byOld: new Uint8Array(3) });
  expect(await line(junk)).toEqual({ refused: "CBOR_MALFORMED" });
  const same = await line(encodeRenewMessage(first.renewal));
  expect(same.down?.kind).toBe("certificate");
});
