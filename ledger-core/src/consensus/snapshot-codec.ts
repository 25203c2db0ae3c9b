/** The fields of snapshot messages (WIRE.md §18.3); `message-codec.ts` puts them into a message. */

import type { CborValue } from "../base/cbor.ts";
import type { FieldReader } from "../base/field-reader.ts";
import { certificateValue, readCertificate } from "./ballot-codec.ts";
import { blockValue, readBlock } from "./block.ts";
import {
  answerBytesMax,
  boundariesPerPartMax,
  entriesPerPartMax,
  partEntryBytesMax,
  pathPerPartMax,
  sealPayloadBytesMax,
  validatorsPerEpochMax,
} from "./limits.ts";
import type { SnapshotMessage, SnapshotSeal } from "./snapshot-message.ts";
import { snapshotParts } from "./snapshot-message.ts";

/** Each message's fields, in their order. */
export function snapshotFields(message: SnapshotMessage): CborValue {
  switch (message.type) {
    case "pruned":
      return [message.below];
    case "fetch-snapshot":
      return [message.height, snapshotParts.indexOf(message.part), message.from];
    case "snapshot":
      return [
        blockValue(message.block),
        certificateValue(message.certificate),
        message.contentBytes,
        message.seal === undefined ? null : sealValue(message.seal),
      ];
    case "snapshot-boundaries":
      return [
        message.height,
        message.from,
        message.boundaries.map(({ block, certificate }) => [
          blockValue(block),
          certificateValue(certificate),
        ]),
      ];
    case "snapshot-content":
      return [message.height, message.from, message.bytes];
    case "snapshot-entries":
      return [message.height, message.from, message.entries, message.path];
  }
}

function sealValue({ epoch, height, size, seals }: SnapshotSeal): CborValue {
  return [epoch, height, size, seals.map(({ validator, payload }) => [validator, payload])];
}

const counter = Number.MAX_SAFE_INTEGER;

/** By the message's type; the caller closes and finishes. */
export const snapshotReaders: {
  readonly [T in SnapshotMessage["type"]]: (fields: FieldReader) => SnapshotMessage;
} = {
  pruned: (fields) => ({ type: "pruned", below: fields.uint(0, counter) }),
  "fetch-snapshot": (fields) => ({
    type: "fetch-snapshot",
    height: fields.uint(0, counter),
    part: snapshotParts[fields.uint(1, snapshotParts.length - 1)] ?? "head",
    from: fields.uint(2, counter),
  }),
  snapshot: (fields) => ({
    type: "snapshot",
    block: closed(fields.nested(0), readBlock),
    certificate: readCertificate(fields.nested(1)),
    contentBytes: fields.uint(2, counter),
    ...(fields.given(3) ? { seal: closed(fields.nested(3), readSeal) } : {}),
  }),
  "snapshot-boundaries": (fields) => ({
    type: "snapshot-boundaries",
    height: fields.uint(0, counter),
    from: fields.uint(1, counter),
    boundaries: fields.list(2, boundariesPerPartMax, (item) =>
      closed(item.nested(0), (pair) => ({
        block: closed(pair.nested(0), readBlock),
        certificate: readCertificate(pair.nested(1)),
      })),
    ),
  }),
  "snapshot-content": (fields) => ({
    type: "snapshot-content",
    height: fields.uint(0, counter),
    from: fields.uint(1, counter),
    bytes: fields.bytes(2, answerBytesMax),
  }),
  "snapshot-entries": (fields) => ({
    type: "snapshot-entries",
    height: fields.uint(0, counter),
    from: fields.uint(1, counter),
    entries: fields.byteStrings(2, entriesPerPartMax, partEntryBytesMax),
    path: fields.digests(3, pathPerPartMax),
  }),
};

function readSeal(fields: FieldReader): SnapshotSeal {
  return {
    epoch: fields.uint(0, counter),
    height: fields.uint(1, counter),
    size: fields.counter(2),
    seals: fields.list(3, validatorsPerEpochMax, (item) =>
      closed(item.nested(0), (seal) => ({
        validator: seal.uint(0, validatorsPerEpochMax - 1),
        payload: seal.bytes(1, sealPayloadBytesMax),
      })),
    ),
  };
}

function closed<T>(fields: FieldReader, read: (fields: FieldReader) => T): T {
  const value = read(fields);
  fields.close();
  return value;
}
