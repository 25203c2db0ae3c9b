/** What organisations state of a channel: its opening, and revoked device keys (WIRE.md §8). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { TreeHead } from "./device-claims.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import { secondKeysMax, validatorsMax } from "./limits.ts";

/** Bytes of an ML-DSA-44 public key (FIPS 204). */
export const mlDsa44KeyBytes = 1_312;

/** A validator of the channel: its Ed25519 key, and whose it is. */
export type Validator = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  readonly publicKey: Uint8Array;
};

/** Leaf 0 of a channel's log; its identity is the channel's id. */
export type ChannelOpenClaims = {
  readonly kind: "channel-open";
  readonly consortium: Identifier;
  /** 16 random bytes. */
  readonly incarnation: Uint8Array;
  readonly validators: readonly Validator[];
  /** Names, and SHA-256 of the DER of each organisation's CA certificate. */
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Digest }[];
  /** A channel that is opened anew after a loss names the last head known of the old one. */
  readonly predecessor?: { readonly channelId: Digest; readonly head: TreeHead };
  readonly at: UnixMillis;
  /** ML-DSA-44 keys, 1,312 bytes, of validators that cosign with one beside Ed25519; at least one. */
  readonly secondKeys?: readonly SecondPublicKey[];
};

/** Whose it is, by the validator's name. */
export type SecondPublicKey = { readonly validator: Identifier; readonly publicKey: Uint8Array };

export const revocationReasons = ["retired", "compromised"] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** Revokes one device key. */
export type DeviceClaims = {
  readonly kind: "device";
  readonly device: Identifier;
  readonly kid: Digest;
  readonly reason: RevocationReason;
  readonly since: UnixMillis;
};

export type ChannelClaims = ChannelOpenClaims | DeviceClaims;

export function encodeChannelClaims(claims: ChannelClaims): CborValue {
  switch (claims.kind) {
    case "channel-open": {
      const fields = new Map<number, CborValue>([
        [1, claims.consortium],
        [2, claims.incarnation],
        [3, claims.validators.map((v) => [v.name, v.organisation, v.publicKey])],
        [4, claims.organisations.map((o) => [o.name, o.ca])],
        [6, claims.at],
      ]);
      if (claims.predecessor !== undefined) {
        const { channelId, head } = claims.predecessor;
        fields.set(5, [channelId, head.size, head.root]);
      }
      if (claims.secondKeys !== undefined)
        fields.set(
          7,
          claims.secondKeys.map(({ validator, publicKey }) => [validator, publicKey]),
        );
      return fields;
    }
    case "device":
      return new Map<number, CborValue>([
        [1, claims.device],
        [2, claims.kid],
        [3, revocationReasons.indexOf(claims.reason)],
        [4, claims.since],
      ]);
  }
}

/** Faults: FIELD_* with the field's path. */
export function parseChannelClaims<K extends ChannelClaims["kind"]>(
  kind: K,
  value: CborValue,
): Result<Extract<ChannelClaims, { kind: K }>, FieldFault>;
export function parseChannelClaims(
  kind: ChannelClaims["kind"],
  value: CborValue,
): Result<ChannelClaims, FieldFault> {
  const fields = new FieldReader(value);
  switch (kind) {
    case "channel-open":
      return fields.finish({
        kind,
        consortium: fields.identifier(1),
        incarnation: fields.fixed(2, 16),
        validators: fields.list(3, validatorsMax, (item) => parseValidator(item.nested(0))),
        organisations: fields.list(4, validatorsMax, (item) => parseOrganisation(item.nested(0))),
        ...(fields.has(5) ? { predecessor: parsePredecessor(fields.nested(5)) } : {}),
        at: fields.time(6),
        ...(fields.has(7) ? { secondKeys: parseSecondKeys(fields) } : {}),
      });
    case "device":
      return fields.finish({
        kind,
        device: fields.identifier(1),
        kid: fields.digest(2),
        reason: revocationReasons[fields.uint(3, revocationReasons.length - 1)] ?? "compromised",
        since: fields.time(4),
      });
  }
}

/** Reads `[name, organisation, public key]` to its end. */
export function parseValidator(fields: FieldReader): Validator {
  const validator = {
    name: fields.identifier(0),
    organisation: fields.identifier(1),
    publicKey: fields.fixed(2, 32),
  };
  fields.close();
  return validator;
}

function parseSecondKeys(fields: FieldReader): readonly SecondPublicKey[] {
  const keys = fields.list(7, secondKeysMax, (item) => {
    const inner = item.nested(0);
    const key = { validator: inner.identifier(0), publicKey: inner.fixed(1, mlDsa44KeyBytes) };
    inner.close();
    return key;
  });
  if (keys.length === 0) fields.refuse(7);
  return keys;
}

/** Reads `[name, SHA-256 of the CA]` to its end. */
export function parseOrganisation(fields: FieldReader): { name: Identifier; ca: Digest } {
  const organisation = { name: fields.identifier(0), ca: fields.digest(1) };
  fields.close();
  return organisation;
}

function parsePredecessor(fields: FieldReader): NonNullable<ChannelOpenClaims["predecessor"]> {
  const predecessor = {
    channelId: fields.digest(0),
    head: { size: fields.counter(1), root: fields.digest(2) },
  };
  fields.close();
  return predecessor;
}
