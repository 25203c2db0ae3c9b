/** A transaction as it travels to the ledger: a statement, and what its validity needs (WIRE.md §13). */

import type { Digest } from "../base/bytes.ts";
import type { CborFault } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { parsePath } from "./downlink-message.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import { certificateBytesMax, pathLengthMax, statementBytesMax, validatorsMax } from "./limits.ts";

/** Only the statement becomes a leaf of the channel's log; the rest is evidence for its validity. */
export type Transaction = {
  /** Exact bytes. */
  readonly statement: Uint8Array;
  /** Of a lane-head: the path from the last ordered head (RFC 9162 §2.1.4). */
  readonly consistency: readonly Digest[];
  /**
   * DER. Of a lane-open: the gateway's chain, leaf first, up to below the organisation's CA. Of a
   * channel-open: the organisations' CA certificates in the order of its list.
   */
  readonly certificates: readonly Uint8Array[];
};

export type TransactionFormatFault = CborFault | FieldFault;

/** Bytes of one transaction: statement, path, and a CA certificate for each organisation. */
export const transactionBytesMax =
  statementBytesMax + (pathLengthMax + 1) * 34 + validatorsMax * (certificateBytesMax + 3) + 16;

/** CBOR `[statement, [hash …], [certificate …]]`. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const { statement, consistency, certificates } = transaction;
  return encodeCbor([statement, consistency, certificates]);
}

/** Faults: CBOR_*, FIELD_*. The statement and the certificates are not opened. */
export function parseTransaction(bytes: Uint8Array): Result<Transaction, TransactionFormatFault> {
  const decoded = decodeCbor(bytes, transactionBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish({
    statement: fields.bytes(0, statementBytesMax),
    consistency: parsePath(fields, 1),
    certificates: fields.list(2, validatorsMax, (item) => item.bytes(0, certificateBytesMax)),
  });
}
