/** COSE_Sign1 (RFC 9052 §4.2, §4.4), exactly one form of it: tag 18, empty unprotected header. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, utf8 } from "../base/bytes.ts";
import type { CborFault, CborMap, CborValue } from "../base/cbor.ts";
import { decodeCborInPlace, encodeCbor, Tagged, tagged } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { statementBytesMax } from "./limits.ts";

/** The parts of a COSE_Sign1. `protectedBytes` and `payload` are what is signed. */
export type Sign1 = {
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
};

export type CoseFault =
  | CborFault
  | { readonly code: "COSE_NOT_SIGN1" }
  | { readonly code: "COSE_UNPROTECTED_NOT_EMPTY" };

/**
 * Sig_structure of context "Signature1" with empty external data: the bytes that are signed. Put
 * together by hand, which costs a fifth of an encoder's walk: every statement needs it.
 */
export function sigStructure(part: Pick<Sign1, "protectedBytes" | "payload">): Uint8Array {
  const { protectedBytes, payload } = part;
  const [first, second] = [headLength(protectedBytes.length), headLength(payload.length)];
  const start = sigStructureStart.length;
  const end = start + first + protectedBytes.length + 1 + second + payload.length;
  const bytes = new Uint8Array(end);
  bytes.set(sigStructureStart);
  let offset = putByteString(bytes, start, protectedBytes);
  bytes[offset++] = 0x40;
  offset = putByteString(bytes, offset, payload);
  assert(offset === end, "a Sig_structure fills its bytes");
  return bytes;
}

/** An array of four, and the text "Signature1". */
const sigStructureStart = concat(Uint8Array.of(0x84, 0x6a), utf8("Signature1"));

/** Bytes before a byte string of this length (RFC 8949 §3.1). */
function headLength(length: number): number {
  return length < 24 ? 1 : length < 256 ? 2 : length < 65_536 ? 3 : 5;
}

/** @returns where it ends. */
function putByteString(bytes: Uint8Array, offset: number, value: Uint8Array): number {
  const { length } = value;
  const head = headLength(length);
  bytes[offset] = head === 1 ? 0x40 + length : 0x57 + (head === 5 ? 3 : head - 1);
  for (let i = 1; i < head; i++) bytes[offset + i] = (length >>> (8 * (head - 1 - i))) & 0xff;
  bytes.set(value, offset + head);
  return offset + head + length;
}

/**
 * Identity of a statement for chains and de-duplication: SHA-256 of its Sig_structure. A hash that
 * covers the signature would not do: an ECDSA signature (r, s) has a second valid form (r, n−s).
 */
export function identityOf(
  sha256: (bytes: Uint8Array) => Digest,
  part: Pick<Sign1, "protectedBytes" | "payload">,
): Digest {
  return sha256(sigStructure(part));
}

export function encodeSign1(part: Sign1): Uint8Array {
  const empty: CborMap = new Map();
  return encodeCbor(tagged(18, [part.protectedBytes, empty, part.payload, part.signature]));
}

/** Parts of these bytes. Faults: CBOR_*, COSE_NOT_SIGN1, COSE_UNPROTECTED_NOT_EMPTY. At most 65,535 bytes. */
export function parseSign1(bytes: Uint8Array): Result<Sign1, CoseFault> {
  const decoded = decodeCborInPlace(bytes, statementBytesMax);
  if (!decoded.ok) return decoded;
  const value = decoded.value;
  if (!(value instanceof Tagged) || value.tag !== 18) return err({ code: "COSE_NOT_SIGN1" });
  const parts: CborValue = value.value;
  if (!Array.isArray(parts) || parts.length !== 4) return err({ code: "COSE_NOT_SIGN1" });
  const [protectedBytes, unprotected, payload, signature]: readonly CborValue[] = parts;
  if (!(unprotected instanceof Map)) return err({ code: "COSE_NOT_SIGN1" });
  if (unprotected.size !== 0) return err({ code: "COSE_UNPROTECTED_NOT_EMPTY" });
  if (
    !(protectedBytes instanceof Uint8Array) ||
    !(payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  ) {
    return err({ code: "COSE_NOT_SIGN1" });
  }
  return ok({ protectedBytes, payload, signature });
}
