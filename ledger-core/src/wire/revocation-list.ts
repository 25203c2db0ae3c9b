/** The channel's list of revoked device keys as a Merkle tree over kids in order (WIRE.md §8.2). */

import type { Digest } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";

/** One revoked key. `reason` indexes `revocationReasons`; `since` is in milliseconds since 1970. */
export type RevokedKey = { readonly kid: Digest; readonly reason: number; readonly since: bigint };

/** The entry whose leaf hash (RFC 9162) stands in the list's tree; keys are sorted by kid. */
export function encodeRevokedKey(key: RevokedKey): Uint8Array {
  return encodeCbor([key.kid, key.reason, key.since]);
}
