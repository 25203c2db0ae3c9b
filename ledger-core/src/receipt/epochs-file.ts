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
import { transactionBytesMax } from "../wire/transaction.ts";
import {
  epochsBytesMax,
  epochsMax,
  recoveryHeadersMax,
  stateCommitmentBytesMax,
} from "./limits.ts";

/** First field of the file: names format and version. The second is of files with a recovery in them. */
export const epochsMagic = "tamga-epochs/1";
export const epochsMagicRecovered = "tamga-epochs/2";

/** The block with which an epoch ended, and what made it final. Nothing of it is verified. */
export type BoundaryProof = {
  /** Exact bytes of the header: its digest is what was voted for. */
  readonly header: Uint8Array;
  readonly finalization: Certificate;
};

/** The statement that a channel was recovered by, and what it rests on. Nothing of it is verified. */
export type RecoveryProof = {
  /** The transaction (§13) of the channel-recovery statement. */
  readonly recovery: Uint8Array;
  /** Headers from the block that it names to one that was made final, each the parent of the next. */
  readonly headers: readonly Uint8Array[];
  readonly finalization: Certificate;
  /** What the state root of the first header is the hash of (§13.1). */
  readonly state: Uint8Array;
};

export type EpochItem = BoundaryProof | RecoveryProof;

export type EpochsFormatFault =
  | CborFault
  | FieldFault
  | { readonly code: "EPOCHS_VERSION_UNKNOWN"; readonly found: string };

export function isRecovery(item: EpochItem): item is RecoveryProof {
  return "recovery" in item;
}

/** Undefined where the channel was recovered: then not all of its changes are boundaries. */
export function boundariesOf(items: readonly EpochItem[]): readonly BoundaryProof[] | undefined {
  const boundaries = items.flatMap((item) => (isRecovery(item) ? [] : [item]));
  return boundaries.length === items.length ? boundaries : undefined;
}

/** @param items in their order, without a gap. Without a recovery it is a file of version 1. */
export function encodeEpochs(items: readonly EpochItem[]): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [0, items.some(isRecovery) ? epochsMagicRecovered : epochsMagic],
      [1, items.map(itemValue)],
    ]),
  );
}

function itemValue(item: EpochItem): CborValue {
  if (!isRecovery(item)) return proofValue(item);
  return [item.recovery, item.headers, certificateValue(item.finalization), item.state];
}

/** `boundary-proof`. */
export function proofValue({ header, finalization }: BoundaryProof): CborValue {
  return [header, certificateValue(finalization)];
}

/** Faults: CBOR_*, FIELD_*, EPOCHS_VERSION_UNKNOWN. `followEpochs` verifies what this reads. */
export function parseEpochs(bytes: Uint8Array): Result<readonly EpochItem[], EpochsFormatFault> {
  const decoded = decodeCbor(bytes, epochsBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const magic = fields.text(0);
  const isKnown = magic === epochsMagic || magic === epochsMagicRecovered;
  if (magic.startsWith("tamga-epochs/") && !isKnown)
    return err({ code: "EPOCHS_VERSION_UNKNOWN", found: magic });
  if (!isKnown) fields.refuse(0);
  const items = fields.list(1, epochsMax, (item) => readItem(item.nested(0)));
  const read = fields.finish(items);
  if (!read.ok || items.some(isRecovery) === (magic === epochsMagicRecovered)) return read;
  // One form for what can be said in version 1, and no recovery in it.
  return err({ code: "EPOCHS_VERSION_UNKNOWN", found: magic });
}

function readItem(fields: FieldReader): EpochItem {
  if (!fields.has(2)) return readProof(fields);
  const item = {
    recovery: fields.bytes(0, transactionBytesMax),
    headers: fields.byteStrings(1, recoveryHeadersMax, headerBytesMax),
    finalization: readCertificate(fields.nested(2)),
    state: fields.bytes(3, stateCommitmentBytesMax),
  };
  fields.close();
  return item;
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
