/** A device's key as `registry.db` stores it. */

import { assert } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { RevocationReason } from "@tamga/ledger-core/wire/channel-claims";
import type { KeyKind, TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { keyKinds, parseTpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { FieldReader } from "@tamga/ledger-core/wire/field-reader";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { certificateBytesMax, chainLengthMax } from "@tamga/ledger-core/wire/limits";

/** A signing key of a device, with the chain that proves it (leaf first). */
export type DeviceKey = {
  readonly device: Identifier;
  readonly kid: Digest;
  readonly publicKey: PublicKey;
  readonly keyKind: KeyKind;
  readonly chain: readonly Uint8Array[];
  readonly notAfter: UnixMillis;
  readonly revoked?: { readonly reason: RevocationReason; readonly since: UnixMillis };
};

export type KeyRow = {
  kid: Uint8Array;
  device: Identifier;
  algorithm: string;
  public_key: Uint8Array;
  key_kind: string;
  certificate: Uint8Array;
  not_after: number;
  revoked_reason: string | null;
  revoked_since: number | null;
  /** CBOR, an array of DER; of a key that an organisation's own CA certified. */
  intermediates: Uint8Array | null;
};

export function toKey(row: KeyRow): DeviceKey {
  const bytes = new Uint8Array(row.public_key);
  const reason = row.revoked_reason === "retired" ? "retired" : "compromised";
  return {
    device: row.device,
    kid: mint<Digest>(new Uint8Array(row.kid)),
    publicKey: toPublicKey(row.algorithm, bytes),
    keyKind: keyKindOf(row.key_kind),
    chain: storedChain(row),
    notAfter: unixMillis(row.not_after),
    ...(row.revoked_reason === null
      ? {}
      : { revoked: { reason, since: unixMillis(row.revoked_since ?? 0) } }),
  };
}

/** Leaf first. */
export function storedChain(
  row: Pick<KeyRow, "certificate" | "intermediates">,
): readonly Uint8Array[] {
  const leaf = new Uint8Array(row.certificate);
  if (row.intermediates === null) return [leaf];
  const decoded = decodeCbor(new Uint8Array(row.intermediates), chainBytesMax);
  const fields = new FieldReader([decoded.ok ? decoded.value : null]);
  const above = fields.byteStrings(0, chainLengthMax, certificateBytesMax);
  const read = fields.finish(above);
  assert(read.ok, "a stored chain can be read");
  return [leaf, ...read.value];
}

/** What stands above the leaf, for its column; null where nothing does. */
export function storedIntermediates(chain: readonly Uint8Array[]): Uint8Array | null {
  return chain.length > 1 ? encodeCbor(chain.slice(1)) : null;
}

const chainBytesMax = chainLengthMax * (certificateBytesMax + 16);

/** Bytes of a key for its column; the algorithm stands beside it. */
export function storedKey(publicKey: PublicKey): Uint8Array {
  return publicKey.algorithm === "PS256" ? publicKey.spki : publicKey.point;
}

/** A claim was judged before it was stored: one that cannot be read is a damaged file. */
export function storedClaim(text: string): TpmClaim {
  const claim = parseTpmClaim(text);
  assert(claim.ok, "a stored claim can be read");
  return claim.value;
}

export function keyKindOf(text: string): KeyKind {
  return keyKinds.find((kind) => kind === text) ?? "file";
}

function toPublicKey(algorithm: string, bytes: Uint8Array): PublicKey {
  if (algorithm === "PS256") return { algorithm, spki: bytes };
  const isKnown = algorithm === "EdDSA" || algorithm === "SM2-SM3";
  return { algorithm: isKnown ? algorithm : "ES256", point: bytes };
}
