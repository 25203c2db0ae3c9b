/** Messages between validators as deterministic CBOR: `[version, type, fields …]` (WIRE.md §18.3). */

import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import { certificateValue, readCertificate, readVote, voteValue } from "./ballot-codec.ts";
import { blockValue, readBlock } from "./block.ts";
import type { Certificate } from "./certificate.ts";
import { encodeEquivocation, parseEquivocation } from "./equivocation-proof.ts";
import {
  blocksPerAnswerMax,
  blockTransactionsMax,
  fetchItemsMax,
  messageBytesMax,
  nullificationsPerProposalMax,
  sealPayloadBytesMax,
  transactionBytesMax,
  validatorsPerEpochMax,
  votesPerStatusMax,
} from "./limits.ts";
import type { Message, Propose, Status } from "./message.ts";
import { snapshotFields, snapshotReaders } from "./snapshot-codec.ts";
import type { NullifyBallot } from "./vote.ts";

/** Another version is refused by name, before anything in it is read. */
export const messageVersion = 1;

export type MessageFault =
  | CborFault
  | FieldFault
  | { readonly code: "MESSAGE_OTHER_VERSION"; readonly version: number }
  | { readonly code: "MESSAGE_TYPE_UNKNOWN"; readonly type: number };

const types = {
  propose: 1,
  vote: 2,
  certificate: 3,
  "fetch-blocks": 4,
  "fetch-heights": 5,
  "fetch-certificates": 6,
  blocks: 7,
  "final-blocks": 8,
  status: 9,
  seal: 10,
  sealed: 11,
  transactions: 12,
  equivocation: 13,
  "fetch-ancestors": 14,
  pruned: 15,
  "fetch-snapshot": 16,
  snapshot: 17,
  "snapshot-boundaries": 18,
  "snapshot-content": 19,
  "snapshot-entries": 20,
} as const satisfies Record<Message["type"], number>;

export function encodeMessage(message: Message): Uint8Array {
  return encodeCbor([messageVersion, types[message.type], fieldsOf(message)]);
}

/** Faults: CBOR_*, FIELD_*, MESSAGE_*. No signature is checked. */
export function parseMessage(bytes: Uint8Array): Result<Message, MessageFault> {
  const decoded = decodeCbor(bytes, messageBytesMax);
  if (!decoded.ok) return decoded;
  const outer = new FieldReader(decoded.value);
  const version = outer.uint(0, Number.MAX_SAFE_INTEGER);
  const number = outer.uint(1, Number.MAX_SAFE_INTEGER);
  const fields = outer.nested(2);
  if (outer.fault !== undefined) return err(outer.fault);
  if (version !== messageVersion) return err({ code: "MESSAGE_OTHER_VERSION", version });
  const type = names.get(number);
  if (type === undefined) return err({ code: "MESSAGE_TYPE_UNKNOWN", type: number });
  const message = readers[type](fields);
  fields.close();
  return outer.finish(message);
}

const names = new Map<number, Message["type"]>();
for (const [name, number] of Object.entries(types)) if (isType(name)) names.set(number, name);

function isType(name: string): name is Message["type"] {
  return name in types;
}

function fieldsOf(message: Message): CborValue {
  switch (message.type) {
    case "propose":
      return [
        message.epoch,
        message.view,
        message.parentView,
        blockValue(message.block),
        message.signature,
        message.parent === undefined ? null : certificateValue(message.parent),
        message.nullifications.map(certificateValue),
      ];
    case "vote":
      return [message.epoch, voteValue(message.vote)];
    case "certificate":
      return [certificateValue(message.certificate)];
    case "fetch-blocks":
      return [message.epoch, message.digests];
    case "fetch-heights":
      return [message.from];
    case "fetch-ancestors":
      return [message.height];
    case "fetch-certificates":
      return [message.epoch, message.from, message.to];
    case "blocks":
      return [message.blocks.map(blockValue)];
    case "final-blocks":
      return [message.blocks.map(blockValue), certificateValue(message.certificate)];
    case "status":
      return statusFields(message);
    case "seal":
      return [message.epoch, message.size, message.payload];
    case "sealed":
      return [
        message.epoch,
        message.size,
        message.seals.map(({ validator, payload }) => [validator, payload]),
      ];
    case "transactions":
      return [message.transactions];
    case "equivocation":
      return [encodeEquivocation(message.proof)];
    default:
      return snapshotFields(message);
  }
}

function statusFields(status: Status): CborValue {
  const { entry, final, question, answer } = status;
  return [
    status.epoch,
    status.view,
    status.finalHeight,
    status.sealedSize,
    entry === undefined ? null : certificateValue(entry),
    final === undefined ? null : certificateValue(final),
    question ?? null,
    answer === undefined ? null : [answer.question, answer.votes.map(voteValue)],
  ];
}

const counter = Number.MAX_SAFE_INTEGER;

const readers: { readonly [T in Message["type"]]: (fields: FieldReader) => Message } = {
  propose: readPropose,
  vote: (fields) => ({
    type: "vote",
    epoch: fields.uint(0, counter),
    vote: readVote(fields.nested(1)),
  }),
  certificate: (fields) => ({
    type: "certificate",
    certificate: readCertificate(fields.nested(0)),
  }),
  "fetch-blocks": (fields) => ({
    type: "fetch-blocks",
    epoch: fields.uint(0, counter),
    digests: fields.list(1, fetchItemsMax, (item) => item.digest(0)),
  }),
  "fetch-heights": (fields) => ({ type: "fetch-heights", from: fields.uint(0, counter) }),
  "fetch-ancestors": (fields) => ({ type: "fetch-ancestors", height: fields.uint(0, counter) }),
  "fetch-certificates": (fields) => ({
    type: "fetch-certificates",
    epoch: fields.uint(0, counter),
    from: fields.uint(1, counter),
    to: fields.uint(2, counter),
  }),
  blocks: (fields) => ({
    type: "blocks",
    blocks: fields.list(0, blocksPerAnswerMax, (item) => closed(item.nested(0), readBlock)),
  }),
  "final-blocks": (fields) => ({
    type: "final-blocks",
    blocks: fields.list(0, blocksPerAnswerMax, (item) => closed(item.nested(0), readBlock)),
    certificate: readCertificate(fields.nested(1)),
  }),
  status: readStatus,
  seal: (fields) => ({
    type: "seal",
    epoch: fields.uint(0, counter),
    size: fields.counter(1),
    payload: fields.bytes(2, sealPayloadBytesMax),
  }),
  sealed: (fields) => ({
    type: "sealed",
    epoch: fields.uint(0, counter),
    size: fields.counter(1),
    seals: fields.list(2, validatorsPerEpochMax, (item) =>
      closed(item.nested(0), (seal) => ({
        validator: seal.uint(0, validatorsPerEpochMax - 1),
        payload: seal.bytes(1, sealPayloadBytesMax),
      })),
    ),
  }),
  transactions: (fields) => ({
    type: "transactions",
    transactions: fields.byteStrings(0, blockTransactionsMax, transactionBytesMax),
  }),
  equivocation: (fields) => ({ type: "equivocation", proof: parseEquivocation(fields.nested(0)) }),
  ...snapshotReaders,
};

function readPropose(fields: FieldReader): Propose {
  return {
    type: "propose",
    epoch: fields.uint(0, counter),
    view: fields.uint(1, counter),
    parentView: fields.uint(2, counter),
    block: closed(fields.nested(3), readBlock),
    signature: fields.fixed(4, 64),
    ...(fields.given(5) ? { parent: readCertificate(fields.nested(5)) } : {}),
    nullifications: fields
      .list(6, nullificationsPerProposalMax, (item) => {
        const certificate = readCertificate(item.nested(0));
        if (!isNullification(certificate)) item.refuse(0);
        return certificate;
      })
      .filter(isNullification),
  };
}

function readStatus(fields: FieldReader): Status {
  return {
    type: "status",
    epoch: fields.uint(0, counter),
    view: fields.uint(1, counter),
    finalHeight: fields.uint(2, counter),
    sealedSize: fields.counter(3),
    ...(fields.given(4) ? { entry: readCertificate(fields.nested(4)) } : {}),
    ...(fields.given(5) ? { final: readCertificate(fields.nested(5)) } : {}),
    ...(fields.given(6) ? { question: fields.fixed(6, 8) } : {}),
    ...(fields.given(7) ? { answer: closed(fields.nested(7), readAnswer) } : {}),
  };
}

function readAnswer(fields: FieldReader): NonNullable<Status["answer"]> {
  return {
    question: fields.fixed(0, 8),
    votes: fields.list(1, votesPerStatusMax, (item) => readVote(item.nested(0))),
  };
}

function closed<T>(fields: FieldReader, read: (fields: FieldReader) => T): T {
  const value = read(fields);
  fields.close();
  return value;
}

function isNullification(certificate: Certificate): certificate is Certificate<NullifyBallot> {
  return certificate.ballot.kind === "nullify";
}
