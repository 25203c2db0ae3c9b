/** The ML-DSA-44 lines of a checkpoint: who cosigned it with a second key, and whether that is enough. */

import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { unixMillis } from "../base/time.ts";
import type { MlDsaCosignatureFault } from "../log/ml-dsa-cosignature.ts";
import { verifyMlDsaCosignature } from "../log/ml-dsa-cosignature.ts";
import type { SignedNote } from "../log/note.ts";
import { signatureOf } from "../log/note.ts";
import type { LogHead } from "../wire/log-signature.ts";
import type { Sealers } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { VerifiedCosigner } from "./verify-seal.ts";

/** What a policy with second keys lets a verifier say of a checkpoint. */
export type MlDsaSeal = {
  /** Verified, earliest first. */
  readonly cosignatures: readonly VerifiedCosigner[];
  /** Validators of the epoch, with a second key or without. */
  readonly of: number;
  /** Lines that stand there and that this program cannot check. */
  readonly unchecked: number;
};

export type MlDsaFault =
  | {
      readonly code: "SEAL_ML_DSA_WRONG";
      readonly validator: string;
      readonly cause: MlDsaCosignatureFault;
    }
  | { readonly code: "SEAL_ML_DSA_MISSING"; readonly have: number; readonly needed: number }
  | { readonly code: "SEAL_ML_DSA_UNAVAILABLE" };

/**
 * Verifies the lines of those sealers whose second key the policy names, under the same first key.
 *
 * @returns undefined where the policy names no second keys.
 * Faults: SEAL_ML_DSA_WRONG (one bad line is a fault), and where the policy requires a quorum of them
 *   SEAL_ML_DSA_MISSING, and SEAL_ML_DSA_UNAVAILABLE where this program cannot check them.
 */
export function verifyMlDsaLines(
  crypto: CryptoPort,
  policy: TrustPolicy,
  {
    sealers,
    note,
    head,
  }: { readonly sealers: Sealers; readonly note: SignedNote; readonly head: LogHead },
): Result<MlDsaSeal | undefined, MlDsaFault> {
  const { mlDsa44: trust } = policy;
  if (trust === undefined) return ok(undefined);
  const verifyMlDsa44 = crypto.verifyMlDsa44?.bind(crypto);
  const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
  const cosignatures: VerifiedCosigner[] = [];
  let unchecked = 0;
  for (const validator of sealersWithKey(policy, sealers)) {
    const { name, organisation, secondKey: publicKey } = validator;
    const cosigner = { name, publicKey };
    if (verifyMlDsa44 === undefined) {
      unchecked += signatureOf(crypto, { ...cosigner, type: "cosignature-ml-dsa-44" }, note).length;
      continue;
    }
    const signed = { note, tree: head };
    const verified = verifyMlDsaCosignature({ sha256, verifyMlDsa44 }, cosigner, signed);
    if (verified.ok) {
      const at = unixMillis(verified.value.timeSeconds * 1_000);
      cosignatures.push({ validator: name, organisation, at });
    } else if (verified.fault.code !== "COSIGNATURE_MISSING")
      return err({ code: "SEAL_ML_DSA_WRONG", validator: name, cause: verified.fault });
  }
  const [have, needed] = [cosignatures.length, sealers.quorum];
  if (trust.required && have < needed)
    return verifyMlDsa44 === undefined
      ? err({ code: "SEAL_ML_DSA_UNAVAILABLE" })
      : err({ code: "SEAL_ML_DSA_MISSING", have, needed });
  const of = sealers.validators.length;
  return ok({ cosignatures: cosignatures.sort((a, b) => a.at - b.at), of, unchecked });
}

function sealersWithKey(policy: TrustPolicy, sealers: Sealers) {
  return sealers.validators.flatMap((validator) => {
    const secondKey = secondKeyOf(policy, validator);
    return secondKey === undefined ? [] : [{ ...validator, secondKey }];
  });
}

/**
 * The second key of a validator of any epoch. A later one of the same name is another one, unless it has the
 * same first key.
 */
export function secondKeyOf(
  policy: TrustPolicy,
  { name, publicKey }: { readonly name: string; readonly publicKey: Uint8Array },
): Uint8Array | undefined {
  const known = policy.validators.find((validator) => validator.name === name);
  if (known === undefined || !equal(known.publicKey, publicKey)) return undefined;
  return policy.mlDsa44?.keys.find((key) => key.validator === name)?.publicKey;
}
