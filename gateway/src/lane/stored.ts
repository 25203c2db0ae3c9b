/** What comes back from our own file: a value that is not what was written is damage. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { parseDigest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";

/** The same memory without the driver's `Buffer` around it. */
export function storedBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function storedDigest(bytes: Uint8Array): Digest {
  const parsed = parseDigest(storedBytes(bytes));
  return present(parsed.ok ? parsed.value : undefined, "stored digest of 32 bytes");
}

export function storedIdentifier(text: string): Identifier {
  const parsed = parseIdentifier(text);
  return present(parsed.ok ? parsed.value : undefined, "stored identifier");
}

/** A map's key for bytes: a character a byte. */
export function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
