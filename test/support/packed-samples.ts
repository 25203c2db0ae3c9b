/** The files of `test/vectors/packed-receipt-v1.json`: valid receipts packed, and forms that are refused. */

import { present } from "@tamga/ledger-core/base/assert";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import { encodePackedReceipt } from "@tamga/ledger-core/receipt/packed-receipt";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { receiptSamples } from "./receipt-samples.ts";
import { unwrap } from "./unwrap.ts";

export type PackedSample = {
  readonly name: string;
  /** The plain receipt of this name is the same one. */
  readonly plain?: string;
  /** Where it is refused. */
  readonly code?: string;
  readonly bytes: Uint8Array;
};

const valid: readonly PackedSample[] = receiptSamples
  .filter(({ verdict }) => verdict === "valid")
  .map(({ name, bytes }) => ({
    name: `${name}, packed`,
    plain: name,
    bytes: encodePackedReceipt(unwrap(parseReceipt(bytes))),
  }));

export const packedSamples: readonly PackedSample[] = [...valid, ...refused()];

function refused(): readonly PackedSample[] {
  const { bytes } = present(valid[0], "packed receipt");
  const decoded = unwrap(decodeCbor(bytes, bytes.length));
  const fields: ReadonlyMap<number, CborValue> = decoded instanceof Map ? decoded : new Map();
  const rewritten = (key: number, value: CborValue): Uint8Array =>
    encodeCbor(new Map([...fields, [key, value]]));
  const statement = fields.get(2);
  const items: readonly CborValue[] = Array.isArray(statement) ? statement : [];
  const literal = present(
    items.find((item) => item instanceof Uint8Array),
    "literal",
  );
  const at = items.indexOf(literal);
  const split = literal instanceof Uint8Array ? [literal.subarray(0, 2), literal.subarray(2)] : [];
  const rows: readonly (readonly [name: string, code: string, bytes: Uint8Array])[] = [
    ["of version 2", "RECEIPT_VERSION_UNKNOWN", rewritten(0, "tamga-packed-receipt/2")],
    ["a literal in two", "FIELD_BAD", rewritten(2, items.toSpliced(at, 1, ...split))],
    ["an empty literal", "FIELD_BAD", rewritten(2, items.toSpliced(at, 0, new Uint8Array(0)))],
    ["a word that there is not", "FIELD_BAD", rewritten(2, items.toSpliced(at, 0, 21))],
    ["a word that is not known here", "FIELD_BAD", rewritten(2, items.toSpliced(at, 0, 20))],
    ["a certificate as it is", "FIELD_BAD", rewritten(3, [new Uint8Array(300)])],
    ["an unknown field", "FIELD_UNKNOWN", rewritten(6, null)],
    ["cut off", "CBOR_MALFORMED", bytes.subarray(0, -1)],
  ];
  return rows.map(([name, code, changed]) => ({ name, code, bytes: changed }));
}
