/** Reads columns that were written by us: what is not of their type is a damaged file. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { parseDigest } from "../base/bytes.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseIdentifier } from "../wire/identifier.ts";

export function identifierOf(text: string): Identifier {
  const parsed = parseIdentifier(text);
  assert(parsed.ok, "a stored name is an identifier");
  return parsed.value;
}

export function digestOf(bytes: Uint8Array): Digest {
  const parsed = parseDigest(plain(bytes));
  assert(parsed.ok, "a stored digest has 32 bytes");
  return parsed.value;
}

/** The same memory without the driver's `Buffer` around it. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
