/** One step of the light client: from a set of validators over its boundary block to the set that it appointed. */

import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { isPrimeOrderKey } from "../base/ed25519-point.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { NextEpoch } from "../consensus/application.ts";
import { approvalBytes, approvalsNeeded } from "../consensus/approval.ts";
import type { Header } from "../consensus/block.ts";
import { parseHeader } from "../consensus/block.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { verifyCertificate } from "../consensus/certificate.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import type { Epoch, EpochFault } from "./epoch-chain.ts";
import type { BoundaryProof } from "./epochs-file.ts";
import { sealersOf } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";

/** Where the walk stands: what the next boundary has to follow on. */
export type EpochStep = {
  /** Of the channel that the step is in. */
  readonly policy: TrustPolicy;
  readonly epoch: Epoch;
  readonly set: ValidatorSet;
  /** Digest of the boundary that began the epoch; the channel's id in epoch 0. */
  readonly previous: Digest;
  readonly height: number;
  readonly time: number;
};

/** Where a walk begins: the validators that a policy names. */
export function firstEpoch(policy: TrustPolicy, epoch: Epoch = sealersOf(policy)): EpochStep {
  const set = new ValidatorSet(0, epoch.validators);
  return { policy, epoch, set, previous: policy.channelId, height: 0, time: 0 };
}

/** One boundary of `followEpochs`: the step that it leads to. Faults: EPOCH_*. */
export function followBoundary(
  crypto: CryptoPort,
  policy: TrustPolicy,
  { step, proof }: { readonly step: EpochStep; readonly proof: BoundaryProof },
): Result<EpochStep, EpochFault> {
  const { epoch } = step.set;
  const parsed = parseHeader(proof.header);
  if (!parsed.ok) return err({ code: "EPOCH_HEADER_MALFORMED", epoch, cause: parsed.fault });
  const header = parsed.value;
  const { boundary } = header;
  if (!equal(header.channel, policy.channelId)) return err({ code: "EPOCH_OTHER_CHANNEL", epoch });
  if (header.epoch !== epoch)
    return err({ code: "EPOCH_OUT_OF_ORDER", epoch, found: header.epoch });
  if (boundary === undefined) return err({ code: "EPOCH_NO_BOUNDARY", epoch });
  if (!equal(boundary.previous, step.previous)) return err({ code: "EPOCH_PREVIOUS_WRONG", epoch });
  const digest = crypto.sha256(proof.header);
  const fault =
    judgeFinality(crypto, step, { header, digest, finalization: proof.finalization }) ??
    judgeMembers(boundary, epoch) ??
    judgeApprovals(crypto, header.channel, { boundary, epoch });
  if (fault !== undefined) return err(fault);
  return ok(nextStep(policy, step, { header, boundary, digest, proof }));
}

/** That the chain only grew, and that a quorum of the present set made this very block final. */
function judgeFinality(
  crypto: CryptoPort,
  { set, epoch: { from }, height, time }: EpochStep,
  boundary: {
    readonly header: Header;
    readonly digest: Digest;
    readonly finalization: Certificate;
  },
): EpochFault | undefined {
  const { header, digest, finalization } = boundary;
  const { epoch } = set;
  if (header.height <= height || header.time < time || header.logSize < from)
    return { code: "EPOCH_WENT_BACK", epoch };
  const { ballot } = finalization;
  if (ballot.kind !== "finalize" || !equal(ballot.digest, digest))
    return { code: "EPOCH_NOT_FINAL", epoch };
  const at = { channel: header.channel, validators: set };
  const verified = verifyCertificate(crypto, at, finalization);
  return verified.ok
    ? undefined
    : { code: "EPOCH_CERTIFICATE_WRONG", epoch, cause: verified.fault };
}

function judgeMembers({ validators }: NextEpoch, epoch: number): EpochFault | undefined {
  if (validators.length === 0) return { code: "EPOCH_SET_EMPTY", epoch };
  const names = new Set<string>();
  const keys = new Set<string>();
  for (const { name, publicKey } of validators) {
    const key = toHex(publicKey);
    if (names.has(name)) return { code: "EPOCH_NAME_REPEATED", epoch, name };
    if (keys.has(key)) return { code: "EPOCH_KEY_REPEATED", epoch, name };
    if (!isPrimeOrderKey(publicKey)) return { code: "EPOCH_KEY_BAD", epoch, name };
    names.add(name);
    keys.add(key);
  }
  return undefined;
}

/** Ascending indices, every signature good, and enough of them. */
function judgeApprovals(
  crypto: CryptoPort,
  channel: Digest,
  { boundary, epoch }: { readonly boundary: NextEpoch; readonly epoch: number },
): EpochFault | undefined {
  const { validators, approvals } = boundary;
  const bytes = approvalBytes(crypto, channel, { epoch: epoch + 1, validators });
  let last = -1;
  for (const { index, signature } of approvals) {
    const member = validators[index];
    const wrong = { code: "EPOCH_APPROVAL_WRONG", epoch, index } as const;
    if (member === undefined || index <= last) return wrong;
    last = index;
    const key = { algorithm: "EdDSA", point: member.publicKey } as const;
    if (!crypto.verify(key, bytes, signature)) return wrong;
  }
  const have = approvals.length;
  const needed = approvalsNeeded(validators.length);
  return have < needed ? { code: "EPOCH_APPROVALS_MISSING", epoch, have, needed } : undefined;
}

function nextStep(
  policy: TrustPolicy,
  { set, epoch: { recovered } }: EpochStep,
  made: {
    readonly header: Header;
    readonly boundary: NextEpoch;
    readonly digest: Digest;
    readonly proof: BoundaryProof;
  },
): EpochStep {
  const { header, boundary, digest, proof } = made;
  const { height, time, logSize: size } = header;
  const next = new ValidatorSet(set.epoch + 1, boundary.validators);
  return {
    policy,
    set: next,
    previous: digest,
    height,
    time,
    epoch: {
      epoch: next.epoch,
      origin: policy.origin,
      validators: next.entries,
      quorum: next.quorum,
      organisations: [...new Set(next.entries.map(({ organisation }) => organisation))],
      from: size,
      ...(recovered === undefined ? {} : { recovered }),
      appointed: {
        digest,
        height,
        time,
        size,
        finalizedBy: proof.finalization.voters.length,
        finalizedOf: set.size,
        approvedBy: boundary.approvals.length,
      },
    },
  };
}
