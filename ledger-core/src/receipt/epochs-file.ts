/** The epochs file: every change of a channel's validators, from its opening on (WIRE.md §18.5). */

import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import { certificateValue, readCertificate } from "../consensus/ballot-codec.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { headerBytesMax } from "../consensus/limits.ts";
import { epochsBytesMax, epochsMax } from "./limits.ts";

/** First field of the file: names format and version. */
export const epochsMagic = "tamga-epochs/1";

/** The block with which an epoch ended, and what made it final. Nothing of it is verified. */
export type BoundaryProof = {
  /** Exact bytes of the header: its digest is what was voted for. */
  readonly header: Uint8Array;
  readonly finalization: Certificate;
};

export type EpochsFormatFault =
  | CborFault
  | FieldFault
  | { readonly code: "EPOCHS_VERSION_UNKNOWN"; readonly found: string };

/** @param boundaries of epoch 0, 1, …, without a gap. */
export function encodeEpochs(boundaries: readonly BoundaryProof[]): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [0, epochsMagic],
      [1, boundaries.map(proofValue)],
    ]),
  );
}

/** Faults: CBOR_*, FIELD_*, EPOCHS_VERSION_UNKNOWN. `followEpochs` verifies what this reads. */
export function parseEpochs(
  bytes: Uint8Array,
): Result<readonly BoundaryProof[], EpochsFormatFault> {
  const decoded = decodeCbor(bytes, epochsBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const magic = fields.text(0);
  if (magic.startsWith("tamga-epochs/") && magic !== epochsMagic)
    return err({ code: "EPOCHS_VERSION_UNKNOWN", found: magic });
  if (magic !== epochsMagic) fields.refuse(0);
  return fields.finish(fields.list(1, epochsMax, (item) => readProof(item.nested(0))));
}

/** `boundary-proof`. */
export function proofValue({ header, finalization }: BoundaryProof): CborValue {
  return [header, certificateValue(finalization)];
}

/** Of `boundary-proof`; what is not of that form is refused through the reader. */
export function readProof(fields: FieldReader): BoundaryProof {
  const proof = {
    header: fields.bytes(0, headerBytesMax),
    finalization: readCertificate(fields.nested(1)),
  };
  fields.close();
  return proof;
}
