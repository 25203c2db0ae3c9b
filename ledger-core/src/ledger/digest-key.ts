/** Digests as keys of a `Map`: a fraction of the time that hexadecimal takes. */

import type { Digest } from "../base/bytes.ts";

/** 32 characters below U+0100, one a byte. */
export function digestKey(digest: Digest): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("latin1");
}
