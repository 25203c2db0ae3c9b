/** The kinds of key that Tamga signs with, as a user asks for them, and why others are refused. */

import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";

/** By the name on the command line (WIRE §3). */
export const keyAlgorithms = {
  es256: "ES256",
  eddsa: "EdDSA",
  ps256: "PS256",
  "sm2-sm3": "SM2-SM3",
  sm2: "SM2-SM3",
} as const;

export type KeyAlgorithmFault = {
  readonly code: "KEY_ALGORITHM_REFUSED";
  readonly name: string;
  /** Why, in words. */
  readonly reason: string;
};

/** @param text as typed: `es256`, `eddsa` (Ed25519), `ps256` (RSA-2048 with PSS) or `sm2-sm3` (`sm2` is the same), in any case. */
export function parseKeyAlgorithm(text: string): Result<Algorithm, KeyAlgorithmFault> {
  const name = text.toLowerCase();
  const known = Object.entries(keyAlgorithms).find(([key]) => key === name);
  if (known !== undefined) return ok(known[1]);
  const reason = refusals.find(([pattern]) => pattern.test(name))?.[1] ?? "it is not known";
  return err({ code: "KEY_ALGORITHM_REFUSED", name: text.slice(0, 32), reason });
}

const refusals: readonly (readonly [RegExp, string])[] = [
  [/^(3|t|triple-?)?des/, "DES is broken, and signs nothing"],
  [/sha-?1/, "SHA-1 collides: what it signs can be exchanged"],
  [/^rsa-?(512|768|1024|1536)$/, "an RSA key below 2048 bits can be factored: ask for ps256"],
  [/^(rsa|rs256|rs384|rs512)/, "RSA signs with PSS alone: ask for ps256"],
  [/^(secp256k1|es256k)$/, "secp256k1 is not P-256: ask for es256"],
  [
    /^(p-?384|p-?521|secp384r1|secp521r1|es384|es512|brainpool|ed448)/,
    "of curves, P-256, Ed25519 and SM2 are taken",
  ],
];
