/** A block's height as people type it. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";

/** @throws OperationalError USAGE_HEIGHT. */
export function parseHeight(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new OperationalError("USAGE_HEIGHT", "A height is a whole number from 1 on.");
}
