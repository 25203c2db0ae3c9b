/** Timestamped ML-DSA-44 cosignatures of checkpoints (C2SP tlog-cosignature, signature type 0x06). */

import { assert } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, u64, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Cosigner } from "./cosignature.ts";
import { cosignatureTimeSecondsMax } from "./limits.ts";
import type { NoteSignature, SignedNote } from "./note.ts";
import { signatureOf } from "./note.ts";
import { keyIdOf } from "./verifier-key.ts";

/** What a checkpoint says, its extension lines aside: this type of cosignature does not cover them. */
export type CosignedTree = {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Digest;
};

/** This cosigner signed this tree at this time; only {@link verifyMlDsaCosignature} makes it. */
export type VerifiedMlDsaCosignature = Brand<
  { readonly name: string; readonly timeSeconds: number },
  "VerifiedMlDsaCosignature"
>;

export type MlDsaCosignatureFault = {
  readonly code:
    | "COSIGNATURE_MISSING"
    | "COSIGNATURE_REPEATED"
    | "COSIGNATURE_BAD_LENGTH"
    | "COSIGNATURE_TIME_OUT_OF_RANGE"
    | "COSIGNATURE_INVALID";
};

/** A port that can check the algorithm. */
export type MlDsaPort = Pick<CryptoPort, "sha256"> & Required<Pick<CryptoPort, "verifyMlDsa44">>;

const timeBytes = 8;
const signatureBytes = 2_420;
const label = utf8("subtree/v1\n\0");

/**
 * `cosigned_message`: the bytes that a cosigner signs for a whole tree, of which a subtree is the general case.
 *
 * @param signed who signs, and when: seconds since 1970, to the last second of the year 9999.
 */
export function mlDsaMessage(
  tree: CosignedTree,
  signed: { readonly name: string; readonly timeSeconds: number },
): Uint8Array {
  assert(isTime(signed.timeSeconds), "cosignature time within its limit");
  return concat(
    label,
    shortText(signed.name),
    u64(BigInt(signed.timeSeconds)),
    shortText(tree.origin),
    u64(0n),
    u64(tree.size),
    tree.root,
  );
}

/** Wraps an ML-DSA-44 signature over {@link mlDsaMessage} into a line's content. */
export function mlDsaCosignature(
  crypto: Pick<CryptoPort, "sha256">,
  cosigner: Cosigner,
  signed: { readonly timeSeconds: number; readonly signature: Uint8Array },
): NoteSignature {
  assert(isTime(signed.timeSeconds), "cosignature time within its limit");
  assert(signed.signature.length === signatureBytes, "ML-DSA-44 signature has 2,420 bytes");
  return {
    name: cosigner.name,
    keyId: keyIdOf(crypto, { ...cosigner, type: "cosignature-ml-dsa-44" }),
    signature: concat(u64(BigInt(signed.timeSeconds)), signed.signature),
  };
}

/**
 * Checks one cosigner's ML-DSA-44 line of a note whose text states this tree.
 *
 * @param cosigner with its ML-DSA-44 key.
 * Faults: COSIGNATURE_MISSING, COSIGNATURE_REPEATED, COSIGNATURE_BAD_LENGTH, COSIGNATURE_TIME_OUT_OF_RANGE,
 *   COSIGNATURE_INVALID.
 */
export function verifyMlDsaCosignature(
  crypto: MlDsaPort,
  cosigner: Cosigner,
  { note, tree }: { readonly note: SignedNote; readonly tree: CosignedTree },
): Result<VerifiedMlDsaCosignature, MlDsaCosignatureFault> {
  const found = signatureOf(crypto, { ...cosigner, type: "cosignature-ml-dsa-44" }, note);
  if (found.length > 1) return err({ code: "COSIGNATURE_REPEATED" });
  const [line] = found;
  if (line === undefined) return err({ code: "COSIGNATURE_MISSING" });
  const { signature: bytes } = line;
  if (bytes.length !== timeBytes + signatureBytes) return err({ code: "COSIGNATURE_BAD_LENGTH" });
  const timeSeconds = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
  if (!isTime(timeSeconds)) return err({ code: "COSIGNATURE_TIME_OUT_OF_RANGE" });
  const { name, publicKey } = cosigner;
  const message = mlDsaMessage(tree, { name, timeSeconds });
  return crypto.verifyMlDsa44(publicKey, message, bytes.slice(timeBytes))
    ? ok(mint<VerifiedMlDsaCosignature>({ name, timeSeconds }))
    : err({ code: "COSIGNATURE_INVALID" });
}

/** A text behind its length in one byte. */
function shortText(text: string): Uint8Array {
  const bytes = utf8(text);
  assert(bytes.length > 0 && bytes.length < 256, "a name's length fits one byte");
  return concat(Uint8Array.of(bytes.length), bytes);
}

function isTime(timeSeconds: number): boolean {
  return (
    Number.isInteger(timeSeconds) && timeSeconds >= 0 && timeSeconds <= cosignatureTimeSecondsMax
  );
}
