/**
 * The signed half of an RFC 9942 receipt: one signature over a log's root, good for every leaf of that
 * size, since the proof stands in the unprotected header. RFC 9942 signs a bare root, and leaf 4 of 5
 * also passes as 1 of 2: so the protected header pins the log's origin and its tree size (WIRE.md §9).
 */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborMap, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor, tagged } from "../base/cbor.ts";
import type { Algorithm, CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { algorithmOf, coseAlgorithms, signatureLengthFits, thumbprint } from "./algorithm.ts";
import { sigStructure } from "./cose.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";

/** COSE header labels: RFC 9942 §4 and §5; the tree size has a private-use label. */
const receiptsLabel = 394;
const dataStructureLabel = 395;
const proofsLabel = 396;
const treeSizeLabel = -65_537;
const rfc9162Sha256 = 1;

export const logSignatureType = "application/vnd.tamga.log-root.v1+cose";

/** What is signed, apart from the key. `origin` names the log and its incarnation. */
export type LogHead = { readonly origin: string; readonly size: bigint; readonly root: Digest };

export type LogSignature = { readonly protectedBytes: Uint8Array; readonly signature: Uint8Array };

export type LogSignatureFault = {
  readonly code:
    | "LOG_SIGNATURE_MALFORMED"
    | "LOG_SIGNATURE_OTHER_LOG"
    | "LOG_SIGNATURE_OTHER_SIZE"
    | "LOG_SIGNATURE_KEY_MISMATCH"
    | "LOG_SIGNATURE_WRONG";
};

/** What can be wrong with a signature whose protected header the verifier builds itself. */
export type RootSignatureFault = {
  readonly code: "LOG_SIGNATURE_LENGTH" | "LOG_SIGNATURE_WRONG";
};

/** The protected header and the exact bytes to sign. */
export function prepareLogSignature(
  head: LogHead,
  key: { readonly algorithm: Algorithm; readonly kid: Digest },
): { readonly protectedBytes: Uint8Array; readonly toBeSigned: Uint8Array } {
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [1, coseAlgorithms[key.algorithm]],
      [4, key.kid],
      [15, new Map<number, CborValue>([[1, head.origin]])],
      [16, logSignatureType],
      [dataStructureLabel, rfc9162Sha256],
      [treeSizeLabel, head.size],
    ]),
  );
  return { protectedBytes, toBeSigned: sigStructure({ protectedBytes, payload: head.root }) };
}

/**
 * Checks a bare signature, as seals and lanes carry it: header and payload are the caller's own.
 * Faults: LOG_SIGNATURE_LENGTH (not that of the key's algorithm), LOG_SIGNATURE_WRONG.
 */
export function verifyRootSignature(
  crypto: CryptoPort,
  signature: Uint8Array,
  { key, ...head }: LogHead & { readonly key: PublicKey },
): Result<LogHead, RootSignatureFault> {
  if (!signatureLengthFits(key.algorithm, signature.length))
    return err({ code: "LOG_SIGNATURE_LENGTH" });
  const { toBeSigned } = prepareRootSignature(crypto, head, key);
  if (!crypto.verify(key, toBeSigned, signature)) return err({ code: "LOG_SIGNATURE_WRONG" });
  return ok(head);
}

/** The same with the key itself in place of its name. */
export function prepareRootSignature(
  crypto: Pick<CryptoPort, "sha256">,
  head: LogHead,
  key: PublicKey,
): ReturnType<typeof prepareLogSignature> {
  const kid = thumbprint((bytes) => crypto.sha256(bytes), key);
  return prepareLogSignature(head, { algorithm: key.algorithm, kid });
}

/** Checks header and signature against what the caller computed or expects. */
export function verifyLogSignature(
  crypto: CryptoPort,
  signed: LogSignature,
  expected: LogHead & { readonly key: PublicKey },
): Result<LogHead, LogSignatureFault> {
  const header = parseProtected(signed.protectedBytes);
  if (!header.ok) return err({ code: "LOG_SIGNATURE_MALFORMED" });
  const { algorithm, kid, origin, size } = header.value;
  if (origin !== expected.origin) return err({ code: "LOG_SIGNATURE_OTHER_LOG" });
  if (size !== expected.size) return err({ code: "LOG_SIGNATURE_OTHER_SIZE" });
  const expectedKid = thumbprint((bytes) => crypto.sha256(bytes), expected.key);
  if (algorithm !== expected.key.algorithm || !equal(kid, expectedKid)) {
    return err({ code: "LOG_SIGNATURE_KEY_MISMATCH" });
  }
  const message = sigStructure({ protectedBytes: signed.protectedBytes, payload: expected.root });
  if (!crypto.verify(expected.key, message, signed.signature))
    return err({ code: "LOG_SIGNATURE_WRONG" });
  return ok({ origin, size, root: expected.root });
}

/** The signer's `kid`, so that a verifier can find the key; nothing is checked. */
export function kidOfLogSignature(signed: LogSignature): Digest | undefined {
  const header = parseProtected(signed.protectedBytes);
  return header.ok ? header.value.kid : undefined;
}

/** A full RFC 9942 receipt: COSE_Sign1 with detached payload and one inclusion proof. */
export function encodeCoseReceipt(
  signed: LogSignature,
  proof: { readonly size: bigint; readonly index: bigint; readonly path: readonly Digest[] },
): Uint8Array {
  const inclusion = encodeCbor([proof.size, proof.index, proof.path]);
  const proofs: CborMap = new Map([[-1, [inclusion]]]);
  const unprotected: CborMap = new Map([[proofsLabel, proofs]]);
  return encodeCbor(tagged(18, [signed.protectedBytes, unprotected, null, signed.signature]));
}

/** An RFC 9943 transparent statement: the statement with receipts in its unprotected header. */
export function encodeTransparentStatement(
  part: { protectedBytes: Uint8Array; payload: Uint8Array; signature: Uint8Array },
  receipts: readonly Uint8Array[],
): Uint8Array {
  const unprotected: CborMap = new Map([[receiptsLabel, receipts]]);
  return encodeCbor(tagged(18, [part.protectedBytes, unprotected, part.payload, part.signature]));
}

type LogSignatureHeader = {
  readonly algorithm: Algorithm;
  readonly kid: Digest;
  readonly origin: string;
  readonly size: bigint;
};

function parseProtected(
  bytes: Uint8Array,
): Result<LogSignatureHeader, FieldFault | { readonly code: string }> {
  const decoded = decodeCbor(bytes, 1_024);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const algorithm = algorithmOf(fields.raw(1));
  const cwt = fields.nested(15);
  const origin = cwt.text(1);
  cwt.close();
  if (fields.text(16) !== logSignatureType) fields.refuse(16);
  if (fields.uint(dataStructureLabel, 8) !== rfc9162Sha256) fields.refuse(dataStructureLabel);
  const finished = fields.finish({
    kid: fields.digest(4),
    origin,
    size: fields.counter(treeSizeLabel),
  });
  if (!finished.ok) return finished;
  if (algorithm === undefined) return err({ code: "LOG_SIGNATURE_MALFORMED" });
  return ok({ algorithm, ...finished.value });
}
