/** A transaction as it travels to the ledger: a statement, and what its validity needs (WIRE.md §13). */

import type { Digest } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCborInPlace, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { parsePath } from "./downlink-message.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import {
  approvalBytesMax,
  approvalsMax,
  certificateBytesMax,
  chainLengthMax,
  pathLengthMax,
  statementBytesMax,
  validatorsMax,
} from "./limits.ts";

/** Only the statement becomes a leaf of the channel's log; the rest is evidence for its validity. */
export type Transaction = {
  /** Exact bytes. */
  readonly statement: Uint8Array;
  /** Of a lane-head: the path from the last ordered head (RFC 9162 §2.1.4). */
  readonly consistency: readonly Digest[];
  /**
   * DER. Of a lane-open: the gateway's chain, leaf first, up to below the organisation's CA. Of a
   * channel-open: the organisations' CA certificates in the order of its list. Of a device-key: the
   * device's chain. Of a lane-fault about a lane that is closed: the certificate of its key. Of
   * validators: the CA certificates in the order of its list that the channel does not hold. Of what an
   * administrator signed: then the administrator's chain.
   */
  readonly certificates: readonly Uint8Array[];
  /** What other organisations say to the statement; absent where nobody has to. */
  readonly approvals?: readonly Approval[];
};

/** An approval statement, and where no CA's key signed it, the administrator's chain. */
export type Approval = {
  readonly statement: Uint8Array;
  readonly certificates: readonly Uint8Array[];
};

export type TransactionFormatFault = CborFault | FieldFault;

/**
 * Bytes of one transaction: statement, path, and a CA certificate for each organisation. Approvals share
 * them: 64 by administrators with chains of two have half of it.
 */
export const transactionBytesMax =
  statementBytesMax + (pathLengthMax + 1) * 34 + validatorsMax * (certificateBytesMax + 3) + 16;

/** CBOR `[statement, [hash …], [certificate …]]`, and a fourth item where there are approvals. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const { statement, consistency, certificates, approvals } = transaction;
  const items: CborValue[] = [statement, consistency, certificates];
  if (approvals !== undefined) items.push(approvalsValue(approvals));
  return encodeCbor(items);
}

/** Faults: CBOR_*, FIELD_*. The statement, the certificates and the approvals are not opened. */
export function parseTransaction(bytes: Uint8Array): Result<Transaction, TransactionFormatFault> {
  const decoded = decodeCborInPlace(bytes, transactionBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish({
    statement: fields.bytes(0, statementBytesMax),
    consistency: parsePath(fields, 1),
    certificates: fields.byteStrings(2, validatorsMax, certificateBytesMax),
    ...(fields.has(3) ? { approvals: parseApprovals(fields, 3) } : {}),
  });
}

/** CBOR `[[approval, [certificate …]] …]`, also in stored evidence. */
export function approvalsValue(approvals: readonly Approval[]): CborValue {
  return approvals.map(({ statement, certificates }) => [statement, certificates]);
}

/** Reads what {@link approvalsValue} gave; an empty list is a fault, since it has another form. */
export function parseApprovals(fields: FieldReader, key: number): readonly Approval[] {
  const approvals = fields.list(key, approvalsMax, (item) => {
    const approval = item.nested(0);
    const parsed = {
      statement: approval.bytes(0, approvalBytesMax),
      certificates: approval.list(1, chainLengthMax, (der) => der.bytes(0, certificateBytesMax)),
    };
    approval.close();
    return parsed;
  });
  if (approvals.length === 0) fields.refuse(key);
  return approvals;
}
