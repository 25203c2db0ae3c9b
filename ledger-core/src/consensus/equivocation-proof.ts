/** Proof that a validator voted against the rules: two of its signed ballots of one view, verbatim. */

import { equal } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { ballotValue, readBallot } from "./ballot-codec.ts";
import { validatorsPerEpochMax } from "./limits.ts";
import type { ValidatorSet } from "./validator-set.ts";
import type { Ballot, VoteDomain } from "./vote.ts";
import { voteBytes } from "./vote.ts";

export type EquivocationProof = {
  readonly epoch: number;
  readonly voter: number;
  readonly first: { readonly ballot: Ballot; readonly signature: Uint8Array };
  readonly second: { readonly ballot: Ballot; readonly signature: Uint8Array };
};

export type EquivocationFault = {
  readonly code:
    | "EQUIVOCATION_OTHER_EPOCH"
    | "EQUIVOCATION_VOTER_UNKNOWN"
    | "EQUIVOCATION_NONE"
    | "EQUIVOCATION_SIGNATURE_WRONG";
};

/**
 * Whether no honest validator signs both (S1, S2): two NOTARIZE or two FINALIZE for different blocks, or
 * NULLIFY and FINALIZE. NOTARIZE then NULLIFY is legal, so is NOTARIZE of one block and FINALIZE of another.
 */
export function conflict(a: Ballot, b: Ballot): boolean {
  if (a.view !== b.view) return false;
  if (a.kind === "nullify" || b.kind === "nullify")
    return a.kind === "finalize" || b.kind === "finalize";
  if (a.kind !== b.kind) return false;
  return !(a.parentView === b.parentView && equal(a.digest, b.digest));
}

/** Checks a proof from anybody. */
export function verifyEquivocation(
  crypto: Pick<CryptoPort, "verify">,
  {
    channel,
    validators,
  }: { readonly channel: VoteDomain["channel"]; readonly validators: ValidatorSet },
  proof: EquivocationProof,
): Result<EquivocationProof, EquivocationFault> {
  const { epoch, voter, first, second } = proof;
  if (epoch !== validators.epoch) return err({ code: "EQUIVOCATION_OTHER_EPOCH" });
  if (!validators.has(voter)) return err({ code: "EQUIVOCATION_VOTER_UNKNOWN" });
  if (!conflict(first.ballot, second.ballot)) return err({ code: "EQUIVOCATION_NONE" });
  const key = validators.keyOf(voter);
  for (const { ballot, signature } of [first, second])
    if (!crypto.verify(key, voteBytes({ channel, epoch }, ballot), signature))
      return err({ code: "EQUIVOCATION_SIGNATURE_WRONG" });
  return ok(proof);
}

export function encodeEquivocation({ epoch, voter, first, second }: EquivocationProof): CborValue {
  return [
    epoch,
    voter,
    [ballotValue(first.ballot), first.signature],
    [ballotValue(second.ballot), second.signature],
  ];
}

/** Reads a proof's form; nothing is checked. The caller finishes. */
export function parseEquivocation(fields: FieldReader): EquivocationProof {
  const proof = {
    epoch: fields.uint(0, Number.MAX_SAFE_INTEGER),
    voter: fields.uint(1, validatorsPerEpochMax - 1),
    first: readSigned(fields.nested(2)),
    second: readSigned(fields.nested(3)),
  };
  fields.close();
  return proof;
}

function readSigned(fields: FieldReader): EquivocationProof["first"] {
  const signed = { ballot: readBallot(fields.nested(0)), signature: fields.fixed(1, 64) };
  fields.close();
  return signed;
}
