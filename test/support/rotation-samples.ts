/** Requests for another signing key, the same in every run: what is taken, and what is refused by which code. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { KeyRotationClaims, RotationMessage } from "@tamga/ledger-core/wire/key-rotation";
import { encodeKeyRotationClaims } from "@tamga/ledger-core/wire/key-rotation";
import { deviceSecret, p256Key, signSample } from "./wire-samples.ts";

/** Test keys, public on purpose: SHA-256 of these words. */
export const nextSecret = nobleCrypto.sha256(utf8("tamga test vector: next device key"));
const strangerSecret = nobleCrypto.sha256(utf8("tamga test vector: key of another device"));

const kidOf = (secret: Uint8Array) => thumbprint(nobleCrypto.sha256, p256Key(secret));
/** Not PKCS#10: nothing of this file opens them. */
const requests = { signing: utf8("request of the next key"), tls: utf8("request of the TLS key") };

type Change = {
  readonly claims?: Partial<KeyRotationClaims>;
  /** Of the statement that the new key signs, where that is another. */
  readonly newClaims?: Partial<KeyRotationClaims>;
  readonly old?: Uint8Array;
  readonly young?: Uint8Array;
  readonly issuer?: string;
  readonly subject?: string;
  readonly message?: Partial<RotationMessage>;
};

/** @param over what is unlike the sample `plain`. */
export function rotationMessage(over: Change = {}): RotationMessage {
  const { old = deviceSecret, young = nextSecret, issuer = "meter-box-1", subject = "keys" } = over;
  const claims: KeyRotationClaims = {
    from: kidOf(deviceSecret),
    to: kidOf(nextSecret),
    keyKind: "pkcs11",
    signing: nobleCrypto.sha256(requests.signing),
    tls: nobleCrypto.sha256(requests.tls),
    at: unixMillis(1_780_000_000_000),
    ...over.claims,
  };
  const sign = (secret: Uint8Array, said: KeyRotationClaims) =>
    signSample("key-rotation", encodeKeyRotationClaims(said), { secret, issuer, subject });
  return {
    ...requests,
    byOld: sign(old, claims),
    byNew: sign(young, { ...claims, ...over.newClaims }),
    ...over.message,
  };
}

const tpm = {
  signingKey: utf8("TPMT_PUBLIC"),
  certified: utf8("TPMS_ATTEST"),
  signature: utf8("TPMT_SIGNATURE"),
};

/** By the name of its vector. */
export const rotationSamples: readonly {
  readonly name: string;
  readonly message: RotationMessage;
}[] = [
  { name: "plain", message: rotationMessage() },
  { name: "with a TPM's word", message: rotationMessage({ message: { tpm } }) },
];

const { byNew, byOld } = rotationMessage();
const from = kidOf(strangerSecret);
export const badRotationSamples: readonly {
  readonly name: string;
  readonly code: string;
  readonly message: RotationMessage;
}[] = [
  {
    name: "signed by the new key alone",
    code: "ROTATION_OLD_SIGNATURE_WRONG",
    message: rotationMessage({ message: { byOld: byNew } }),
  },
  {
    name: "signed by the old key alone",
    code: "ROTATION_NEW_SIGNATURE_WRONG",
    message: rotationMessage({ message: { byNew: byOld } }),
  },
  {
    name: "from the key of another device",
    code: "ROTATION_KEY_UNKNOWN",
    message: rotationMessage({ old: strangerSecret, claims: { from } }),
  },
  {
    name: "in the name of the old key, by another",
    code: "ROTATION_OLD_SIGNATURE_WRONG",
    message: rotationMessage({ old: strangerSecret }),
  },
  {
    name: "to the same key",
    code: "ROTATION_SAME_KEY",
    message: rotationMessage({ young: deviceSecret, claims: { to: kidOf(deviceSecret) } }),
  },
  {
    name: "to another key than is asked for",
    code: "ROTATION_OTHER_REQUEST",
    message: rotationMessage({ young: strangerSecret, claims: { to: from } }),
  },
  {
    name: "beside another request",
    code: "ROTATION_OTHER_REQUEST",
    message: rotationMessage({ message: { signing: utf8("another request") } }),
  },
  {
    name: "beside another request for the TLS key",
    code: "ROTATION_OTHER_REQUEST",
    message: rotationMessage({ message: { tls: utf8("another request") } }),
  },
  {
    name: "the keys say different things",
    code: "ROTATION_CLAIMS_DIFFER",
    message: rotationMessage({ newClaims: { keyKind: "file" } }),
  },
  {
    name: "of another device",
    code: "ROTATION_OTHER_DEVICE",
    message: rotationMessage({ issuer: "meter-box-2" }),
  },
  {
    name: "in a stream",
    code: "ROTATION_OTHER_KIND",
    message: rotationMessage({ subject: "p1" }),
  },
];
