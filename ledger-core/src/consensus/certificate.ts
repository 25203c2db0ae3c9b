/** Quorum certificates: q signatures over one ballot, by distinct validators of the epoch. */

import { present } from "../base/assert.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { ValidatorSet } from "./validator-set.ts";
import type { Ballot, VoteDomain } from "./vote.ts";
import { voteBytes } from "./vote.ts";

/** A notarization, nullification or finalization. */
export type Certificate<B extends Ballot = Ballot> = {
  readonly epoch: number;
  readonly ballot: B;
  /** Ascending indices, distinct. */
  readonly voters: readonly number[];
  /** One each, in the order of the voters. */
  readonly signatures: readonly Uint8Array[];
};

export type CertificateFault =
  | { readonly code: "CERTIFICATE_OTHER_EPOCH"; readonly epoch: number }
  | { readonly code: "CERTIFICATE_SIGNER_UNKNOWN"; readonly voter: number }
  | { readonly code: "CERTIFICATE_SIGNER_REPEATED"; readonly voter: number }
  | { readonly code: "CERTIFICATE_QUORUM_MISSING"; readonly have: number; readonly needed: number }
  | { readonly code: "CERTIFICATE_SIGNATURE_WRONG"; readonly voter: number };

/**
 * Checks distinct signers of the set, their number, and every signature.
 *
 * @param isKnown says that this very signature of this voter was verified before.
 */
export function verifyCertificate(
  crypto: Pick<CryptoPort, "verify">,
  {
    channel,
    validators,
  }: { readonly channel: VoteDomain["channel"]; readonly validators: ValidatorSet },
  certificate: Certificate,
  isKnown: (voter: number, signature: Uint8Array) => boolean = () => false,
): Result<Certificate, CertificateFault> {
  const { epoch, ballot, voters, signatures } = certificate;
  if (epoch !== validators.epoch) return err({ code: "CERTIFICATE_OTHER_EPOCH", epoch });
  let last = -1;
  for (const voter of voters) {
    if (!validators.has(voter)) return err({ code: "CERTIFICATE_SIGNER_UNKNOWN", voter });
    if (voter <= last) return err({ code: "CERTIFICATE_SIGNER_REPEATED", voter });
    last = voter;
  }
  const have = Math.min(voters.length, signatures.length);
  const needed = validators.quorum;
  if (have < needed || voters.length !== signatures.length)
    return err({ code: "CERTIFICATE_QUORUM_MISSING", have, needed });
  const bytes = voteBytes({ channel, epoch }, ballot);
  for (const [at, voter] of voters.entries()) {
    const signature = present(signatures[at], "as many signatures as voters");
    if (isKnown(voter, signature)) continue;
    if (!crypto.verify(validators.keyOf(voter), bytes, signature))
      return err({ code: "CERTIFICATE_SIGNATURE_WRONG", voter });
  }
  return ok(certificate);
}
