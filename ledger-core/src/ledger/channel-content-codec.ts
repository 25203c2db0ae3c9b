/** A channel's whole content as bytes, for a snapshot: one form of it, re-rooted by whoever reads it. Pure. */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborFault } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { parseCertificate } from "../receipt/x509-certificate.ts";
import { thumbprint } from "../wire/algorithm.ts";
import { parseTreeHead } from "../wire/device-claims.ts";
import { keyKinds } from "../wire/enrolment.ts";
import { certificateBytesMax } from "../wire/limits.ts";
import type {
  Anchor,
  ChannelContent,
  Device,
  DeviceKey,
  Lane,
  Opening,
} from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { ChannelState } from "./channel-state.ts";
import { governanceValue, parseGovernance } from "./governance.ts";
import type { LedgerLimits } from "./limits.ts";
import { contentBytesMax, ledgerLimits } from "./limits.ts";

export const contentMagic = "tamga/content/1";

export type ContentFault =
  | CborFault
  | FieldFault
  | { readonly code: "CONTENT_OTHER_CHANNEL" }
  /** It is whole, and is not the content that this state root commits to. */
  | { readonly code: "CONTENT_ROOT_MISMATCH" };

/** Each list in the order in which `ChannelState` gives it, so that equal states have equal bytes. */
export function encodeContent(state: ChannelState): Uint8Array {
  const content = state.content();
  return encodeCbor([
    contentMagic,
    state.genesis.identity.id,
    content.lanes.map((lane) => [
      lane.gateway,
      lane.organisation,
      lane.certificate,
      lane.incarnation,
      [lane.head.size, lane.head.root],
      lane.index,
      lane.frozen,
    ]),
    content.openings.map((of) => [of.incarnation, of.gateway, of.kid, of.root]),
    content.revocations.map((key) => [key.kid, key.reason, key.since]),
    content.devices.map((of) => [
      of.name,
      of.organisation,
      of.kid,
      of.certificate,
      keyKinds.indexOf(of.keyKind),
    ]),
    content.deviceKeys.map((key) => [key.kid, key.device, key.organisation]),
    content.anchors.map((of) => [of.target, [of.head.size, of.head.root], of.index]),
    governanceValue(content.governance),
  ]);
}

/** SHA-256 over the bytes: what a file of them is known by. It is not the state root. */
export function contentDigest(crypto: Pick<CryptoPort, "sha256">, content: Uint8Array): Digest {
  return crypto.sha256(content);
}

/**
 * Reads a content back and hashes it anew.
 *
 * @param stateRoot of a header that is trusted: nothing of the bytes is believed beyond it.
 * Faults: CBOR_*, FIELD_*, CONTENT_*.
 */
export function parseContent(
  { crypto, genesis }: { readonly crypto: CryptoPort; readonly genesis: ChannelGenesis },
  { bytes, stateRoot }: { readonly bytes: Uint8Array; readonly stateRoot: Digest },
  limits: LedgerLimits = ledgerLimits,
): Result<ChannelState, ContentFault> {
  const decoded = decodeCbor(bytes, contentBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  if (fields.text(0) !== contentMagic) fields.refuse(0);
  const channel = fields.digest(1);
  const parsed = fields.finish(readContent(fields, { crypto, genesis, limits }));
  if (!parsed.ok) return parsed;
  if (!equal(channel, genesis.identity.id)) return err({ code: "CONTENT_OTHER_CHANNEL" });
  const state = ChannelState.of({ crypto, genesis }, parsed.value, limits);
  // The root does not say in what order a list stands; there is one form all the same.
  return equal(state.root(), stateRoot) && equal(encodeContent(state), bytes)
    ? ok(state)
    : err({ code: "CONTENT_ROOT_MISMATCH" });
}

function readContent(
  fields: FieldReader,
  of: {
    readonly crypto: CryptoPort;
    readonly genesis: ChannelGenesis;
    readonly limits: LedgerLimits;
  },
): ChannelContent {
  const { crypto, genesis, limits } = of;
  const governance = parseGovernance(fields.nested(8), genesis);
  if (governance === undefined) fields.refuse(8);
  return {
    lanes: fields.list(2, limits.lanesMax, (item) => readLane(crypto, item)),
    openings: fields.list(3, limits.laneOpeningsMax, (item) => readOpening(item.nested(0))),
    revocations: fields.list(4, limits.revocationsMax, (item) => readRevocation(item.nested(0))),
    devices: fields.list(5, limits.devicesMax, (item) => readDevice(item.nested(0))),
    deviceKeys: fields.list(6, limits.deviceKeysMax, (item) => readDeviceKey(item.nested(0))),
    anchors: fields.list(7, limits.anchorTargetsMax, (item) => readAnchor(item.nested(0))),
    governance,
  };
}

function readLane(crypto: CryptoPort, item: FieldReader): Lane {
  const fields = item.nested(0);
  const certificate = fields.bytes(2, certificateBytesMax);
  const parsed = parseCertificate(certificate);
  if (!parsed.ok) fields.refuse(2);
  const key = parsed.ok ? parsed.value.publicKey : noKey;
  const head = fields.nested(4);
  const lane: Lane = {
    gateway: fields.identifier(0),
    organisation: fields.identifier(1),
    certificate,
    key,
    kid: thumbprint((bytes) => crypto.sha256(bytes), key),
    incarnation: fields.fixed(3, 16),
    head: parseTreeHead(head),
    index: fields.counter(5),
    frozen: fields.boolean(6),
  };
  fields.close();
  return lane;
}

/** Stands in for a key that could not be read; the fault is noted, and nothing comes of the rest. */
const noKey = { algorithm: "EdDSA", point: new Uint8Array(32) } as const;

function readOpening(fields: FieldReader): Opening {
  const opening = {
    incarnation: fields.fixed(0, 16),
    gateway: fields.identifier(1),
    kid: fields.digest(2),
    root: fields.digest(3),
  };
  fields.close();
  return opening;
}

function readRevocation(fields: FieldReader): ChannelContent["revocations"][number] {
  const revoked = { kid: fields.digest(0), reason: fields.uint(1, 255), since: fields.counter(2) };
  fields.close();
  return revoked;
}

function readDevice(fields: FieldReader): Device {
  const device = {
    name: fields.identifier(0),
    organisation: fields.identifier(1),
    kid: fields.digest(2),
    certificate: fields.digest(3),
    keyKind: keyKinds[fields.uint(4, keyKinds.length - 1)] ?? "file",
  };
  fields.close();
  return device;
}

function readDeviceKey(fields: FieldReader): DeviceKey {
  const key = {
    kid: fields.digest(0),
    device: fields.identifier(1),
    organisation: fields.identifier(2),
  };
  fields.close();
  return key;
}

function readAnchor(fields: FieldReader): Anchor {
  const anchor = {
    target: fields.identifier(0),
    head: parseTreeHead(fields.nested(1)),
    index: fields.counter(2),
  };
  fields.close();
  return anchor;
}
