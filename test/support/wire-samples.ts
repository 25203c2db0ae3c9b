/** One sample of every signed or hashed form, with fixed keys and times: what the vectors pin. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeChannelClaims } from "@tamga/ledger-core/wire/channel-claims";
import type { DeviceClaims, StreamPosition } from "@tamga/ledger-core/wire/device-claims";
import { encodeDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { Reading } from "@tamga/ledger-core/wire/reading";
import { encodeReading } from "@tamga/ledger-core/wire/reading";
import { saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import type { StatementType } from "@tamga/ledger-core/wire/statement";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import { finishLogSignature } from "./finish-log-signature.ts";

/** Test keys, public on purpose: SHA-256 of these words. */
export const deviceSecret = nobleCrypto.sha256(utf8("tamga test vector: device"));
export const gatewaySecret = nobleCrypto.sha256(utf8("tamga test vector: gateway"));
export const organisationSecret = nobleCrypto.sha256(utf8("tamga test vector: organisation"));
export const validatorSecret = nobleCrypto.sha256(utf8("tamga test vector: validator"));

export const p256Key = (secret: Uint8Array): PublicKey => ({
  algorithm: "ES256",
  point: p256.getPublicKey(secret, false),
});
export const deviceKey = p256Key(deviceSecret);
export const gatewayKey = p256Key(gatewaySecret);
export const organisationKey = p256Key(organisationSecret);
export const validatorKey: PublicKey = {
  algorithm: "EdDSA",
  point: ed25519.getPublicKey(validatorSecret),
};

export const name = (text: string): Identifier => {
  const parsed = parseIdentifier(text);
  if (!parsed.ok) throw new Error(`not an identifier: ${text}`);
  return parsed.value;
};

const sha256 = (bytes: Uint8Array): Digest => nobleCrypto.sha256(bytes);
export const digestOf = (text: string): Digest => sha256(utf8(text));
const bytes = (hex: string): Uint8Array => present(fromHex(hex), "hexadecimal");
const at = unixMillis(1_780_000_000_000);
const incarnation = bytes("000102030405060708090a0b0c0d0e0f");
const bootId = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
export const seed = digestOf("tamga test vector: seed");

export const meterReading: Reading = {
  source: {
    stream: name("p1"),
    protocol: "dsmr-p1",
    id: "E0000000000000001",
    maker: "TMG",
    emulated: true,
  },
  clock: "ntp",
  frameStatus: { checksum: "ok", decrypted: false, authenticated: false },
  registers: [
    {
      key: { obis: Uint8Array.of(1, 0, 1, 8, 1, 255) },
      value: { quantity: { mantissa: 123_456_789n, scaler: 0, unit: 30 } },
    },
    {
      key: { obis: Uint8Array.of(0, 1, 24, 2, 1, 255) },
      value: { quantity: { mantissa: 12_785_123n, scaler: -3, unit: 13 } },
      captureTime: { at: unixMillis(at - 300_000), offsetMinutes: 60, quality: "unknown" },
    },
    { key: { obis: Uint8Array.of(0, 0, 96, 13, 0, 255) }, value: { text: "hello" }, status: 8n },
  ],
  captureTime: { at: unixMillis(at - 1_000), offsetMinutes: 120, quality: "valid" },
  receiveTime: at,
  monotonic: monotonicMillis(5_000),
  frameDigest: digestOf("frame"),
};

export const tagReading: Reading = {
  source: { stream: name("stick"), protocol: "iso11784-stick", id: "", maker: "", emulated: false },
  clock: "unsynchronised",
  frameStatus: {
    checksum: "absent",
    decrypted: true,
    authenticated: true,
    invocationCounter: 2n ** 32n,
  },
  tags: [
    {
      scheme: "iso11784",
      bits: bytes("8000f9c000000001"),
      uri: "urn:x-tamga:iso11784:999000000000001",
      antenna: 1,
      rssi: -61,
      firstSeen: at,
      lastSeen: unixMillis(at + 400),
      count: 17,
      readPoint: "gate 1",
    },
  ],
  event: { bizStep: "inspecting", disposition: "active", bizLocation: "barn", epcs: ["urn:x"] },
  files: [{ name: "a.jpg", mediaType: "image/jpeg", size: 12n, digest: digestOf("file") }],
  receiveTime: at,
  monotonic: monotonicMillis(5_001),
  frameDigest: digestOf("frame 2"),
};

export const readings = [meterReading, tagReading].map(encodeReading);
const hasher = treeHasher(sha256);
export const bundleRoot = rootOf(hasher, saltedLeaves(sha256, seed, readings));

const position = (first: bigint, count: number, more: Partial<StreamPosition> = {}) => ({
  incarnation,
  range: { first, count },
  bootId,
  ...more,
});
const time = { from: at, to: unixMillis(at + 1_000) };

/** Claims of every device statement, by the name of its vector. */
export const deviceSamples: Readonly<Record<string, DeviceClaims>> = {
  start: {
    kind: "start",
    position: position(0n, 1),
    predecessor: { incarnation: bootId, next: 77n, last: digestOf("last") },
    agentVersion: "0.1.0",
    keyKind: "file",
    protocol: "dsmr-p1",
    emulated: true,
  },
  "start-first": {
    kind: "start",
    position: position(0n, 1),
    agentVersion: "0.1.0",
    keyKind: "pkcs11",
    protocol: "iso11784-stick",
    emulated: false,
  },
  bundle: {
    kind: "bundle",
    position: position(1n, 2, {
      previous: digestOf("start"),
      checkpoint: { size: 9n, root: digestOf("root") },
      attestation: digestOf("result"),
    }),
    hash: "sha-256",
    root: bundleRoot,
    time,
  },
  gap: {
    kind: "gap",
    position: position(2n ** 40n, 1, { previous: digestOf("bundle") }),
    missing: [
      { first: 3n, count: 100_000 },
      { first: 200_000n, count: 1 },
    ],
    reason: "shed-oldest",
    time,
  },
  heartbeat: {
    kind: "heartbeat",
    position: position(100_003n, 1, { previous: digestOf("gap") }),
    now: at,
    monotonic: monotonicMillis(5_000),
    clock: "rtc",
    backlog: 12n,
  },
};

/** Signs with RFC 6979, so that the bytes are the same everywhere. */
export function signSample(
  type: StatementType,
  claims: CborValue,
  by: { readonly secret: Uint8Array; readonly issuer: string; readonly subject: string },
): Uint8Array {
  const unsigned = prepareStatement(
    {
      algorithm: "ES256",
      kid: thumbprint(sha256, p256Key(by.secret)),
      type,
      channel: name("meters"),
      issuer: name(by.issuer),
      subject: name(by.subject),
      issuedAt: 1_780_000_000,
    },
    claims,
  );
  return finishStatement(unsigned, p256.sign(unsigned.toBeSigned, by.secret));
}

const gateway = { secret: gatewaySecret, issuer: "gateway-1", subject: "lane" };
const organisation = { secret: organisationSecret, issuer: "acme", subject: "channel" };
const head = { size: 9n, root: digestOf("root") };

/** Every statement's exact bytes by the name of its vector. */
export function statementSamples(): ReadonlyMap<string, Uint8Array> {
  const samples = new Map<string, Uint8Array>();
  for (const [label, claims] of Object.entries(deviceSamples)) {
    const by = { secret: deviceSecret, issuer: "meter-box-1", subject: "p1" };
    samples.set(label, signSample(claims.kind, encodeDeviceClaims(claims), by));
  }
  const rejection = {
    kind: "rejection",
    device: name("meter-box-1"),
    refused: digestOf("refused"),
    code: "SEQUENCE_CONFLICT",
    at,
  } as const;
  const open = { kind: "lane-open", incarnation, channelId: digestOf("channel") } as const;
  const add = (label: string, type: StatementType, claims: CborValue, by: typeof gateway) =>
    samples.set(label, signSample(type, claims, by));
  add("rejection", "rejection", encodeGatewayClaims(rejection), gateway);
  const where = { stream: name("p1"), incarnation, range: { first: 1n, count: 2 } };
  add(
    "rejection-placed",
    "rejection",
    encodeGatewayClaims({ ...rejection, position: where }),
    gateway,
  );
  add("lane-open", "lane-open", encodeGatewayClaims(open), gateway);
  const reopened = { ...open, predecessor: { incarnation: bootId, head } };
  add("lane-open-again", "lane-open", encodeGatewayClaims(reopened), gateway);
  const revocations = { size: 0n, root: hasher.empty };
  const laneHead = { kind: "lane-head", incarnation, head, revocations } as const;
  add("lane-head", "lane-head", encodeGatewayClaims(laneHead), gateway);
  const channelOpen = {
    kind: "channel-open",
    consortium: name("pilot"),
    incarnation,
    validators: [
      {
        name: name("v1"),
        organisation: name("acme"),
        publicKey: validatorKey.algorithm === "EdDSA" ? validatorKey.point : new Uint8Array(),
      },
    ],
    organisations: [{ name: name("acme"), ca: digestOf("ca") }],
    at,
  } as const;
  add("channel-open", "channel-open", encodeChannelClaims(channelOpen), organisation);
  const again = { ...channelOpen, predecessor: { channelId: digestOf("channel"), head } };
  add("channel-open-again", "channel-open", encodeChannelClaims(again), organisation);
  const revoke = {
    kind: "device",
    device: name("meter-box-1"),
    kid: thumbprint(sha256, deviceKey),
    reason: "compromised",
    since: at,
  } as const;
  add("device", "device", encodeChannelClaims(revoke), organisation);
  return samples;
}

/** An RFC 9942 log signature by the gateway over a lane root, and one by the validator. */
export function logSignatureSamples() {
  const lane = { origin: `pilot/meters/gateway-1/${"00".repeat(16)}`, ...head };
  const channel = { origin: "pilot/meters", ...head };
  return {
    lane: { ...lane, ...finishLogSignature(lane, gatewayKey, (m) => p256.sign(m, gatewaySecret)) },
    channel: {
      ...channel,
      ...finishLogSignature(channel, validatorKey, (m) => ed25519.sign(m, validatorSecret)),
    },
  };
}
