/** `down/epochs`: how a channel's validators changed, told to a device (WIRE.md §11.2). */

import { assert } from "../base/assert.ts";
import type { CborFault } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import type { BoundaryProof } from "./epochs-file.ts";
import { proofValue, readProof } from "./epochs-file.ts";
import { boundariesPerMessageMax, epochsMax, epochsMessageBytesMax } from "./limits.ts";

/** A part of the epochs file. Nothing of it is verified. */
export type EpochsMessage = {
  /** Changes of validators that the gateway knows of, all told. */
  readonly total: number;
  /** The epoch that the first of these ends. */
  readonly from: number;
  readonly boundaries: readonly BoundaryProof[];
};

/**
 * The messages that tell of all changes from one on, in their order; none where there are none.
 *
 * @param boundaries all that are known, of epoch 0, 1, …
 * @returns with each how many are told once it has come.
 */
export function epochsMessages(
  boundaries: readonly BoundaryProof[],
  from: number,
): readonly { readonly bytes: Uint8Array; readonly until: number }[] {
  const total = boundaries.length;
  const messages: { readonly bytes: Uint8Array; readonly until: number }[] = [];
  let first = from;
  while (first < total) {
    let count = 1;
    let size = messageHeadBytes + sizeOf(boundaries[first]);
    for (;;) {
      const next = boundaries[first + count];
      if (next === undefined || count === boundariesPerMessageMax) break;
      size += sizeOf(next);
      if (size > epochsMessageBytesMax) break;
      count++;
    }
    const page = boundaries.slice(first, first + count);
    const bytes = encodeEpochsMessage({ total, from: first, boundaries: page });
    first += count;
    messages.push({ bytes, until: first });
  }
  return messages;
}

export function encodeEpochsMessage({ total, from, boundaries }: EpochsMessage): Uint8Array {
  return encodeCbor([total, from, boundaries.map(proofValue)]);
}

/** Faults: CBOR_*, FIELD_*, the last also where more changes are there than `total` says. */
export function parseEpochsMessage(
  bytes: Uint8Array,
): Result<EpochsMessage, CborFault | FieldFault> {
  const decoded = decodeCbor(bytes, epochsMessageBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const total = fields.uint(0, epochsMax);
  const from = fields.uint(1, epochsMax);
  const boundaries = fields.list(2, boundariesPerMessageMax, (item) => readProof(item.nested(0)));
  if (from + boundaries.length > total) fields.refuse(2);
  return fields.finish({ total, from, boundaries });
}

/** Bytes of the three heads around the changes, at most. */
const messageHeadBytes = 16;

function sizeOf(proof: BoundaryProof | undefined): number {
  assert(proof !== undefined, "a change that is known");
  return encodeCbor(proofValue(proof)).length;
}
