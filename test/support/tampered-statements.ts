/** Statements with one thing wrong each, and the code that a receiver must answer with. */

import { p256 } from "@noble/curves/nist.js";
import { present } from "@tamga/ledger-core/base/assert";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { encodeCbor, tagged } from "@tamga/ledger-core/base/cbor";
import type { Sign1 } from "@tamga/ledger-core/wire/cose";
import { encodeSign1, parseSign1, sigStructure } from "@tamga/ledger-core/wire/cose";
import { encodeDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { deviceSamples, deviceSecret, statementSamples } from "./wire-samples.ts";

export type Tampered = { readonly name: string; readonly bytes: Uint8Array; readonly code: string };

/** The code is what parsing, or where that passes, checking the device's signature gives. */
export function tamperedStatements(): readonly Tampered[] {
  const bytes = present(statementSamples().get("bundle"), "bundle sample");
  const parsed = parseSign1(bytes);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const part = parsed.value;
  const header = protectedMap();
  const claims = claimsMap();
  const entry = (name: string, tamperedBytes: Uint8Array, code: string): Tampered => ({
    name,
    bytes: tamperedBytes,
    code,
  });
  const withHeader = (change: (map: Map<number, CborValue>) => void) => {
    const changed = new Map(header);
    change(changed);
    return resigned({ ...part, protectedBytes: encodeCbor(changed) });
  };
  const withClaims = (change: (map: Map<number, CborValue>) => void) => {
    const changed = new Map(claims);
    change(changed);
    return resigned({ ...part, payload: encodeCbor(changed) });
  };
  const unprotected = new Map<number, CborValue>([[4, new Uint8Array(1)]]);
  const { protectedBytes, payload, signature } = part;
  return [
    entry(
      "signature bit flipped",
      encodeSign1({ ...part, signature: flipped(signature) }),
      "SIGNATURE_WRONG",
    ),
    entry(
      "payload bit flipped",
      encodeSign1({ ...part, payload: flippedLast(payload) }),
      "SIGNATURE_WRONG",
    ),
    entry(
      "signature cut",
      encodeSign1({ ...part, signature: signature.slice(1) }),
      "STATEMENT_SIGNATURE_LENGTH",
    ),
    entry("truncated", bytes.slice(0, -1), "CBOR_MALFORMED"),
    entry("trailing byte", concat(bytes, Uint8Array.of(0)), "CBOR_MALFORMED"),
    entry(
      "untagged",
      encodeCbor([protectedBytes, new Map(), payload, signature]),
      "COSE_NOT_SIGN1",
    ),
    entry(
      "unprotected header",
      encodeCbor(tagged(18, [protectedBytes, unprotected, payload, signature])),
      "COSE_UNPROTECTED_NOT_EMPTY",
    ),
    entry(
      "detached payload",
      encodeCbor(tagged(18, [protectedBytes, new Map(), null, signature])),
      "COSE_NOT_SIGN1",
    ),
    entry("duplicate header key", duplicateKey(part), "CBOR_MALFORMED"),
    entry("keys out of order", reorderedHeader(part), "CBOR_NOT_DETERMINISTIC"),
    entry("longer length than needed", longLength(bytes), "CBOR_MALFORMED"),
    entry(
      "algorithm RS1",
      withHeader((map) => map.set(1, -65_535)),
      "STATEMENT_ALGORITHM_UNKNOWN",
    ),
    entry(
      "algorithm as text",
      withHeader((map) => map.set(1, "ES256")),
      "STATEMENT_ALGORITHM_UNKNOWN",
    ),
    entry(
      "critical header",
      withHeader((map) => map.set(2, [16])),
      "FIELD_UNKNOWN",
    ),
    entry(
      "version 2 bundle",
      withHeader((map) => map.set(16, "application/vnd.tamga.bundle.v2+cbor")),
      "STATEMENT_TYPE_UNKNOWN",
    ),
    entry(
      "kid of 31 bytes",
      withHeader((map) => map.set(4, new Uint8Array(31))),
      "FIELD_BAD",
    ),
    entry(
      "kid of another key",
      withHeader((map) => map.set(4, new Uint8Array(32))),
      "SIGNATURE_KEY_MISMATCH",
    ),
    entry(
      "issuer without channel",
      withIssuer(header, withHeader, "meter-box-1"),
      "STATEMENT_ISSUER_BAD",
    ),
    entry(
      "issuer with a slash too many",
      withIssuer(header, withHeader, "a/b/c"),
      "STATEMENT_ISSUER_BAD",
    ),
    entry(
      "unknown claim",
      withClaims((map) => map.set(99, 1)),
      "FIELD_UNKNOWN",
    ),
    entry(
      "root missing",
      withClaims((map) => map.delete(10)),
      "FIELD_MISSING",
    ),
    entry(
      "count zero",
      withClaims((map) => map.set(3, 0)),
      "FIELD_BAD",
    ),
    entry(
      "count past the limit",
      withClaims((map) => map.set(3, 4_097)),
      "FIELD_BAD",
    ),
    entry(
      "sequence past 2^63",
      withClaims((map) => map.set(2, 2n ** 63n)),
      "FIELD_BAD",
    ),
    entry(
      "negative sequence",
      withClaims((map) => map.set(2, -1)),
      "FIELD_BAD",
    ),
    entry(
      "floating point time",
      resigned({ ...part, payload: withFloat(new Map(claims)) }),
      "CBOR_MALFORMED",
    ),
  ];
}

/** A time of 1.5 as a half-precision float, which no encoder of ours writes. */
function withFloat(claims: Map<number, CborValue>): Uint8Array {
  const half = Uint8Array.of(0x3e, 0x00);
  const payload = encodeCbor(claims.set(11, [half, 2]));
  // The head of a string of two bytes becomes that of the float.
  const at = Buffer.from(payload).indexOf(encodeCbor(half));
  return concat(payload.slice(0, at), Uint8Array.of(0xf9), payload.slice(at + 1));
}

/** Signed anew with the right key, so that only the change itself can be what is refused. */
function resigned(part: Sign1): Uint8Array {
  return encodeSign1({ ...part, signature: p256.sign(sigStructure(part), deviceSecret) });
}

function withIssuer(
  header: Map<number, CborValue>,
  withHeader: (change: (map: Map<number, CborValue>) => void) => Uint8Array,
  issuer: string,
): Uint8Array {
  const cwt = header.get(15);
  if (!(cwt instanceof Map)) throw new Error("no CWT claims");
  return withHeader((map) => map.set(15, new Map<number, CborValue>([...cwt]).set(1, issuer)));
}

function protectedMap(): Map<number, CborValue> {
  const kid = new Uint8Array(32);
  const cwt = new Map<number, CborValue>([
    [1, "meters/meter-box-1"],
    [2, "p1"],
    [6, 1_780_000_000],
  ]);
  const parsed = parseSign1(present(statementSamples().get("bundle"), "bundle"));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  // kid stands at a fixed place of our own header: A4, 01 26, 04 58 20, then its 32 bytes.
  kid.set(parsed.value.protectedBytes.subarray(6, 38));
  return new Map<number, CborValue>([
    [1, -7],
    [4, kid],
    [15, cwt],
    [16, "application/vnd.tamga.bundle.v1+cbor"],
  ]);
}

function claimsMap(): Map<number, CborValue> {
  const claims = encodeDeviceClaims(present(deviceSamples["bundle"], "bundle claims"));
  if (!(claims instanceof Map)) throw new Error("claims are a map");
  return new Map<number, CborValue>([...claims]);
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}

function flippedLast(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

/** A1 01 26 → A2 01 26 01 26. */
function duplicateKey(part: Sign1): Uint8Array {
  const { protectedBytes } = part;
  const doubled = concat(Uint8Array.of(0xa5, 0x01, 0x26), protectedBytes.subarray(1));
  return resigned({ ...part, protectedBytes: doubled });
}

/** The first pair, `01 26`, moved behind the second. */
function reorderedHeader(part: Sign1): Uint8Array {
  const b = part.protectedBytes;
  const moved = concat(b.subarray(0, 1), b.subarray(3, 38), b.subarray(1, 3), b.subarray(38));
  return resigned({ ...part, protectedBytes: moved });
}

/** The outer array's head 84 as 98 04. */
function longLength(bytes: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, 1), Uint8Array.of(0x98, 0x04), bytes.subarray(2));
}
