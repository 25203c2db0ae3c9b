/** A lane head that the ledger ordered and sealed, with all that a receipt says of it, as stored. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { Result } from "@tamga/ledger-core/base/result";
import { revocationsMax } from "@tamga/ledger-core/ledger/limits";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { parseTreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { ChannelEvidence, MessageFault } from "@tamga/ledger-core/wire/downlink-message";
import {
  encodeChannelEvidence,
  parseChannelEvidence,
} from "@tamga/ledger-core/wire/downlink-message";
import { FieldReader } from "@tamga/ledger-core/wire/field-reader";
import { logSignatureBytesMax, statementBytesMax } from "@tamga/ledger-core/wire/limits";
import type { RevokedKey } from "@tamga/ledger-core/wire/revocation-list";

/**
 * `revocations` is the channel's list that the head names, in kid order: the ledger goes on to a
 * newer list, and a receipt under this head needs this one.
 */
export type OrderedHead = {
  readonly head: TreeHead;
  /** Exact bytes of the lane-head statement. */
  readonly statement: Uint8Array;
  readonly evidence: ChannelEvidence;
  readonly revocations: readonly RevokedKey[];
};

/** With the gateway's own signature over the head's root. */
export type SignedOrderedHead = OrderedHead & { readonly signature: Uint8Array };

export function encodeOrderedHead(ordered: SignedOrderedHead): Uint8Array {
  assert(ordered.revocations.length <= revocationsMax, "revocation list within the limit");
  const revocations: CborValue = ordered.revocations.map((key) => [key.kid, key.reason, key.since]);
  return encodeCbor([
    [ordered.head.size, ordered.head.root],
    ordered.statement,
    encodeChannelEvidence(ordered.evidence),
    ordered.signature,
    revocations,
  ]);
}

/** Faults: CBOR_*, FIELD_*; of our own file, so whoever calls takes them for damage. */
export function parseOrderedHead(bytes: Uint8Array): Result<SignedOrderedHead, MessageFault> {
  const decoded = decodeCbor(bytes, orderedHeadBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish({
    head: parseTreeHead(fields.nested(0)),
    statement: fields.bytes(1, statementBytesMax),
    evidence: parseChannelEvidence(fields.nested(2)),
    signature: fields.bytes(3, logSignatureBytesMax),
    revocations: fields.list(4, revocationsMax, (item) => parseRevokedKey(item.nested(0))),
  });
}

/** 48 bytes a revoked key, and room for statement, seals and signature. */
const orderedHeadBytesMax = 48 * revocationsMax + 262_144;

function parseRevokedKey(fields: FieldReader): RevokedKey {
  const key = { kid: fields.digest(0), reason: fields.uint(1, 255), since: fields.counter(2) };
  fields.close();
  return key;
}
