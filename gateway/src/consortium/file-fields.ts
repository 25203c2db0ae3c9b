/** What the files that members hand to each other have in common, as zod reads it. */

import { fromBase64 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { z } from "zod";

/** A name of an organisation or a node. */
export const identifier = z.string().transform((text, context): Identifier => {
  const parsed = parseIdentifier(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: "must be 1 to 64 of A-Z a-z 0-9 . _ -" });
  return z.NEVER;
});
/** @param length bytes, where there is but one right length. */
export const base64 = (length?: number) =>
  z.string().transform((text, context): Uint8Array => {
    const bytes = fromBase64(text);
    if (bytes !== undefined && (length === undefined || bytes.length === length)) return bytes;
    context.addIssue({ code: "custom", message: "must be base64 of the right length" });
    return z.NEVER;
  });
