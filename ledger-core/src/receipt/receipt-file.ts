/** Which of its two forms a receipt is given out in. */

import { encodePackedReceipt } from "./packed-receipt.ts";
import type { Receipt } from "./receipt.ts";
import { encodeReceipt } from "./receipt.ts";

/** Bytes that a receipt's file should not pass (4 KB). */
export const receiptFileBytesAim = 4_096;

/** The plain form, which every verifier reads, unless it is too long; then the packed one. */
export function encodeReceiptFile(receipt: Receipt): Uint8Array {
  const plain = encodeReceipt(receipt);
  return plain.length <= receiptFileBytesAim ? plain : encodePackedReceipt(receipt);
}
