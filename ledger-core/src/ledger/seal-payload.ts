/** A validator's signatures over the channel's log at a seal point, and a quorum of them made one seal. */

import { assert, present } from "../base/assert.ts";
import { fromUtf8 } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import type { Fault, Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import { sealPayloadBytesMax } from "../consensus/limits.ts";
import type { SealPoint } from "../consensus/replica-io.ts";
import type { ValidatorEntry, ValidatorSet } from "../consensus/validator-set.ts";
import { cosignature, cosignatureMessage, verifyDetachedCosignature } from "../log/cosignature.ts";
import { cosignatureTimeSecondsMax } from "../log/limits.ts";
import { mlDsaCosignature, mlDsaMessage } from "../log/ml-dsa-cosignature.ts";
import { encodeNote } from "../log/note.ts";
import { checkpointText, cosignerOf, rootKeyOf } from "../receipt/verify-seal.ts";
import { FieldReader } from "../wire/field-reader.ts";
import { prepareRootSignature, verifyRootSignature } from "../wire/log-signature.ts";
import type { SealedCheckpoint } from "./ledger.ts";
import type { SecondKey } from "./second-key.ts";
import type { ValidatorKey } from "./validator-key.ts";

/** An ML-DSA-44 key that a channel's opening names; undefined where it names none. */
type SecondPublic = Uint8Array | undefined;

/** What a SEAL message carries: CBOR `[seconds, cosignature, root signature, ML-DSA-44 where it is]`. */
export type SealPayload = {
  readonly timeSeconds: number;
  /** C2SP cosignature/v1, 64 bytes. */
  readonly cosignature: Uint8Array;
  /** RFC 9942, over the bare root; 64 bytes. */
  readonly rootSignature: Uint8Array;
  /** ML-DSA-44, 2,420 bytes; of a validator that has a second key at hand. */
  readonly second?: Uint8Array;
};

/** A second key that the channel's opening names, under its validator's name. */
export type NamedSecondKey = SecondKey & { readonly name: Identifier };

/** A seal and when it was made. */
export type TimedSeal = SealedCheckpoint & { readonly at: UnixMillis };

/** The point's head, under the name of its log. */
export type SealHead = Pick<SealPoint, "size" | "root"> & { readonly origin: string };

/**
 * Signs a head that stands in a durable row. The same row gives the same bytes, but for the second signature,
 * which is another one each time over the same message.
 */
export function signSeal(
  crypto: Pick<CryptoPort, "sha256">,
  { key, second }: { readonly key: ValidatorKey; readonly second: NamedSecondKey | undefined },
  head: SealHead,
  timeSeconds: number,
): Uint8Array {
  const text = checkpointText(head, head);
  const point = { algorithm: "EdDSA", point: key.publicKey } as const;
  const { toBeSigned } = prepareRootSignature(crypto, head, point);
  return encodeSealPayload({
    timeSeconds,
    cosignature: key.sign(cosignatureMessage(text, timeSeconds)),
    rootSignature: key.sign(toBeSigned),
    ...(second === undefined
      ? {}
      : { second: second.sign(mlDsaMessage(head, { name: second.name, timeSeconds })) }),
  });
}

/**
 * Whether all signatures are this validator's, over this head.
 *
 * @param secondKey that the channel's opening names for it; without one there is no second signature.
 */
export function verifySealPayload(
  crypto: CryptoPort,
  {
    validator,
    secondKey,
  }: { readonly validator: ValidatorEntry; readonly secondKey: SecondPublic },
  head: SealHead,
  payload: Uint8Array,
): boolean {
  const parsed = parseSealPayload(payload);
  if (!parsed.ok) return false;
  const { timeSeconds, cosignature: signature, rootSignature, second } = parsed.value;
  if (second !== undefined) {
    if (secondKey === undefined || crypto.verifyMlDsa44 === undefined) return false;
    const message = mlDsaMessage(head, { name: validator.name, timeSeconds });
    if (!crypto.verifyMlDsa44(secondKey, message, second)) return false;
  }
  const text = checkpointText(head, head);
  const key = rootKeyOf(validator);
  return (
    verifyDetachedCosignature(crypto, cosignerOf(validator), { text, timeSeconds, signature }).ok &&
    verifyRootSignature(crypto, rootSignature, { ...head, key }).ok
  );
}

/**
 * Payloads that were verified, of distinct validators, as a checkpoint with a line for each, and then the lines
 * of second keys.
 */
export function combineSeals(
  crypto: Pick<CryptoPort, "sha256">,
  {
    validators,
    secondKeyOf,
  }: {
    readonly validators: ValidatorSet;
    readonly secondKeyOf: (validator: ValidatorEntry) => SecondPublic;
  },
  head: SealHead,
  seals: readonly { readonly validator: number; readonly payload: Uint8Array }[],
): TimedSeal {
  assert(seals.length >= validators.quorum, "a quorum seals");
  const { size, root } = head;
  const parts = seals
    .toSorted((a, b) => a.validator - b.validator)
    .map(({ validator, payload }) => {
      const parsed = parseSealPayload(payload);
      assert(parsed.ok, "a payload that was verified parses");
      const entry = validators.entryOf(validator);
      const { timeSeconds, cosignature: signature, rootSignature, second } = parsed.value;
      const line = cosignature(crypto, cosignerOf(entry), { timeSeconds, signature });
      const { protectedBytes } = prepareRootSignature(crypto, head, rootKeyOf(entry));
      const cosigner = { name: entry.name, publicKey: secondKeyOf(entry) };
      const secondLines =
        second === undefined ? [] : [secondLine(crypto, cosigner, timeSeconds, second)];
      const signed = { protectedBytes, signature: rootSignature };
      return { line, secondLines, timeSeconds, signature: signed };
    });
  const text = checkpointText(head, head);
  const lines = [...parts.map(({ line }) => line), ...parts.flatMap((part) => part.secondLines)];
  const note = fromUtf8(encodeNote({ text, signatures: lines }));
  const times = parts.map(({ timeSeconds }) => timeSeconds).sort((a, b) => a - b);
  // At least one honest validator had signed by then.
  const at = present(times[validators.faults], "time of an honest validator");
  return {
    size,
    root,
    note: present(note, "a note is text"),
    signatures: parts.map(({ signature }) => signature),
    at: unixMillis(at * 1_000),
    sealers: { origin: head.origin, validators: validators.entries, quorum: validators.quorum },
  };
}

function secondLine(
  crypto: Pick<CryptoPort, "sha256">,
  { name, publicKey }: { readonly name: string; readonly publicKey: SecondPublic },
  timeSeconds: number,
  signature: Uint8Array,
) {
  const cosigner = { name, publicKey: present(publicKey, "key of a second signature") };
  return mlDsaCosignature(crypto, cosigner, { timeSeconds, signature });
}

export function encodeSealPayload({
  timeSeconds,
  cosignature: cosigned,
  rootSignature,
  second,
}: SealPayload): Uint8Array {
  const first = [timeSeconds, cosigned, rootSignature];
  return encodeCbor(second === undefined ? first : [...first, second]);
}

/** Faults: CBOR_*, FIELD_*; no signature is checked. */
export function parseSealPayload(bytes: Uint8Array): Result<SealPayload, Fault> {
  const decoded = decodeCbor(bytes, sealPayloadBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  return fields.finish({
    timeSeconds: fields.uint(0, cosignatureTimeSecondsMax),
    cosignature: fields.fixed(1, 64),
    rootSignature: fields.fixed(2, 64),
    ...(fields.has(3) ? { second: fields.fixed(3, 2_420) } : {}),
  });
}
