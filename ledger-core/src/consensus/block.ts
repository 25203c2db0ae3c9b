/** Blocks: a header that is voted for by its digest, and the body that the header commits to. */

import type { Digest } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { NextEpoch, StateRoots } from "./application.ts";
import { validatorsValue } from "./approval.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import { encodeEquivocation, parseEquivocation } from "./equivocation-proof.ts";
import {
  blockTransactionsMax,
  equivocationsPerBlockMax,
  headerBytesMax,
  transactionBytesMax,
  validatorsPerEpochMax,
} from "./limits.ts";
import type { ValidatorEntry, View } from "./validator-set.ts";

/** WIRE.md §18.1. Roots, size and seal are those *after* this block. */
export type Header = StateRoots & {
  /** The channel's id; its incarnation is part of what that is a hash of. */
  readonly channel: Digest;
  readonly epoch: number;
  /** In which it was first proposed. Only a boundary may be proposed again in a later view. */
  readonly view: View;
  /** 1 for the first block after the channel's opening, over all epochs. */
  readonly height: number;
  readonly parentView: View;
  readonly parentDigest: Digest;
  /** The leader's clock, never below the parent's. */
  readonly time: UnixMillis;
  readonly equivocationRoot: Digest;
  /** Seal the log after this block: its leader knew of no further transaction. */
  readonly seal: boolean;
  /** The validators of the next epoch; this block is the last of its own. */
  readonly boundary?: NextEpoch;
};

export type Block = {
  readonly header: Header;
  readonly transactions: readonly Uint8Array[];
  readonly equivocations: readonly EquivocationProof[];
};

export type BlockFault = CborFault | FieldFault;

export function encodeHeader(header: Header): Uint8Array {
  return encodeCbor(headerValue(header));
}

/** SHA-256 over the header's bytes: what votes are for. */
export function headerDigest(crypto: Pick<CryptoPort, "sha256">, header: Header): Digest {
  return crypto.sha256(encodeHeader(header));
}

/** What a header's `equivocationRoot` is: SHA-256 over the encoded list. */
export function equivocationRootOf(
  crypto: Pick<CryptoPort, "sha256">,
  proofs: readonly EquivocationProof[],
): Digest {
  return crypto.sha256(encodeCbor(proofs.map(encodeEquivocation)));
}

/** Faults: CBOR_*, FIELD_*. */
export function parseHeader(bytes: Uint8Array): Result<Header, BlockFault> {
  const decoded = decodeCbor(bytes, headerBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish(readHeader(fields));
}

/** CBOR `[header, [transaction …], [equivocation …]]`, as part of a message or stored by itself. */
export function blockValue({ header, transactions, equivocations }: Block): CborValue {
  return [headerValue(header), transactions, equivocations.map(encodeEquivocation)];
}

export function encodeBlock(block: Block): Uint8Array {
  return encodeCbor(blockValue(block));
}

/** Faults: CBOR_*, FIELD_*. @param limit the most bytes that it may have. */
export function parseBlock(bytes: Uint8Array, limit: number): Result<Block, BlockFault> {
  const decoded = decodeCbor(bytes, limit);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish(readBlock(fields));
}

/** Reads a block out of a list's item or a message's field; the caller finishes. */
export function readBlock(fields: FieldReader): Block {
  const header = fields.nested(0);
  const block = {
    header: readHeader(header),
    transactions: fields.byteStrings(1, blockTransactionsMax, transactionBytesMax),
    equivocations: fields.list(2, equivocationsPerBlockMax, (item) =>
      parseEquivocation(item.nested(0)),
    ),
  };
  header.close();
  return block;
}

function headerValue(header: Header): CborValue {
  const fields = new Map<number, CborValue>([
    [1, header.channel],
    [2, header.epoch],
    [3, header.view],
    [4, header.height],
    [5, header.parentView],
    [6, header.parentDigest],
    [7, header.txRoot],
    [8, header.stateRoot],
    [9, header.logSize],
    [10, header.logRoot],
    [11, header.time],
    [12, header.equivocationRoot],
    [13, header.seal],
  ]);
  if (header.boundary !== undefined) fields.set(14, nextEpochValue(header.boundary));
  return fields;
}

function readHeader(fields: FieldReader): Header {
  return {
    channel: fields.digest(1),
    epoch: fields.uint(2, Number.MAX_SAFE_INTEGER),
    view: fields.uint(3, Number.MAX_SAFE_INTEGER),
    height: fields.uint(4, Number.MAX_SAFE_INTEGER),
    parentView: fields.uint(5, Number.MAX_SAFE_INTEGER),
    parentDigest: fields.digest(6),
    txRoot: fields.digest(7),
    stateRoot: fields.digest(8),
    logSize: fields.counter(9),
    logRoot: fields.digest(10),
    time: fields.time(11),
    equivocationRoot: fields.digest(12),
    seal: fields.boolean(13),
    ...(fields.has(14) ? { boundary: readNextEpoch(fields.nested(14)) } : {}),
  };
}

/** CBOR `[[[name, organisation, key] …], previous, [[index, signature] …]]`. */
export function nextEpochValue({ validators, previous, approvals }: NextEpoch): CborValue {
  return [
    validatorsValue(validators),
    previous,
    approvals.map(({ index, signature }) => [index, signature]),
  ];
}

function readNextEpoch(fields: FieldReader): NextEpoch {
  const next = {
    validators: fields.list(0, validatorsPerEpochMax, (item) => readValidator(item.nested(0))),
    previous: fields.digest(1),
    approvals: fields.list(2, validatorsPerEpochMax, (item) => readApproval(item.nested(0))),
  };
  fields.close();
  return next;
}

function readValidator(fields: FieldReader): ValidatorEntry {
  const entry = {
    name: fields.identifier(0),
    organisation: fields.identifier(1),
    publicKey: fields.fixed(2, 32),
  };
  fields.close();
  return entry;
}

function readApproval(fields: FieldReader): NextEpoch["approvals"][number] {
  const approval = {
    index: fields.uint(0, validatorsPerEpochMax - 1),
    signature: fields.fixed(1, 64),
  };
  fields.close();
  return approval;
}

/** About how many bytes a block takes in a message. */
export function blockBytes({ transactions, equivocations }: Block): number {
  let bytes = 1_024 + equivocations.length * 512;
  for (const transaction of transactions) bytes += transaction.length + 5;
  return bytes;
}
