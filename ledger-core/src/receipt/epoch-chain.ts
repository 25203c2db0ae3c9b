/**
 * The light client: follows a channel's validators from the trust policy's, which are those of epoch 0,
 * through every boundary block. Each set was appointed by a quorum of the one before it, and by its own
 * members; nobody else is asked.
 */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CborFault } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { isPrimeOrderKey } from "../base/ed25519-point.ts";
import type { FieldFault } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { NextEpoch } from "../consensus/application.ts";
import { approvalBytes, approvalsNeeded } from "../consensus/approval.ts";
import type { Header } from "../consensus/block.ts";
import { parseHeader } from "../consensus/block.ts";
import type { Certificate, CertificateFault } from "../consensus/certificate.ts";
import { verifyCertificate } from "../consensus/certificate.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import type { BoundaryProof } from "./epochs-file.ts";
import type { Sealers } from "./sealers.ts";
import { sealersOf } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";

/** Whose certificate and which new validators made a change. */
export type Appointment = {
  /** Of the boundary block that ended the epoch before. */
  readonly digest: Digest;
  readonly height: number;
  /** The header's, by the leader's clock. */
  readonly time: UnixMillis;
  /** Size of the channel's log there. */
  readonly size: bigint;
  /** Validators of the epoch before that finalized it, and how many there were. */
  readonly finalizedBy: number;
  readonly finalizedOf: number;
  /** New validators that said that they were ready. */
  readonly approvedBy: number;
};

/** One set of validators and the span of the log that its seals count for. */
export type Epoch = Sealers & {
  /** Absent in epoch 0, whose validators the trust policy names. */
  readonly appointed?: Appointment;
};

/** A channel's epochs, the first one first; only {@link followEpochs} makes it. */
export type EpochChain = Brand<
  { readonly channelId: Digest; readonly epochs: readonly Epoch[] },
  "EpochChain"
>;

/** `epoch` is the one that the faulty boundary ends. */
export type EpochFault =
  | {
      readonly code: "EPOCH_HEADER_MALFORMED";
      readonly epoch: number;
      readonly cause: CborFault | FieldFault;
    }
  | { readonly code: "EPOCH_OTHER_CHANNEL"; readonly epoch: number }
  | { readonly code: "EPOCH_OUT_OF_ORDER"; readonly epoch: number; readonly found: number }
  | { readonly code: "EPOCH_NO_BOUNDARY"; readonly epoch: number }
  | { readonly code: "EPOCH_PREVIOUS_WRONG"; readonly epoch: number }
  | { readonly code: "EPOCH_WENT_BACK"; readonly epoch: number }
  | { readonly code: "EPOCH_NOT_FINAL"; readonly epoch: number }
  | {
      readonly code: "EPOCH_CERTIFICATE_WRONG";
      readonly epoch: number;
      readonly cause: CertificateFault;
    }
  | { readonly code: "EPOCH_SET_EMPTY"; readonly epoch: number }
  | { readonly code: "EPOCH_NAME_REPEATED"; readonly epoch: number; readonly name: string }
  | { readonly code: "EPOCH_KEY_REPEATED"; readonly epoch: number; readonly name: string }
  | { readonly code: "EPOCH_KEY_BAD"; readonly epoch: number; readonly name: string }
  | {
      readonly code: "EPOCH_APPROVALS_MISSING";
      readonly epoch: number;
      readonly have: number;
      readonly needed: number;
    }
  | { readonly code: "EPOCH_APPROVAL_WRONG"; readonly epoch: number; readonly index: number };

/** Where the walk stands: what the next boundary has to follow on. */
export type EpochStep = {
  readonly epoch: Epoch;
  readonly set: ValidatorSet;
  /** Digest of the boundary that began the epoch; the channel's id in epoch 0. */
  readonly previous: Digest;
  readonly height: number;
  readonly time: number;
};

/**
 * Verifies every boundary: of this channel, of the next epoch in order, naming the boundary before it,
 * final by a quorum of the validators known so far, and approved by enough of the new ones.
 *
 * @param boundaries as the epochs file has them; none for a channel that never changed its validators.
 * Faults: EPOCH_*.
 */
export function followEpochs(
  crypto: CryptoPort,
  policy: TrustPolicy,
  boundaries: readonly BoundaryProof[],
): Result<EpochChain, EpochFault> {
  return extendEpochs(crypto, policy, { known: epochsOfPolicy(policy), boundaries });
}

/** What is known without any boundary: the policy's own validators. */
export function epochsOfPolicy(policy: TrustPolicy): EpochChain {
  return mint<EpochChain>({ channelId: policy.channelId, epochs: [sealersOf(policy)] });
}

/** A chain as it was before its later boundaries: `count` of them are left. */
export function epochsUpTo(chain: EpochChain, count: number): EpochChain {
  const last = present(chain.epochs[count], "an epoch of the chain");
  const { until: _unknownThen, ...open } = last;
  return mint<EpochChain>({ ...chain, epochs: [...chain.epochs.slice(0, count), open] });
}

/** As {@link followEpochs}, from where a chain that was verified before ends. Faults: EPOCH_*. */
export function extendEpochs(
  crypto: CryptoPort,
  policy: TrustPolicy,
  {
    known,
    boundaries,
  }: { readonly known: EpochChain; readonly boundaries: readonly BoundaryProof[] },
): Result<EpochChain, EpochFault> {
  const epochs = known.epochs.slice(0, -1);
  let step = endOf(policy, known);
  for (const proof of boundaries) {
    const next = followBoundary(crypto, policy, { step, proof });
    if (!next.ok) return next;
    epochs.push({ ...step.epoch, until: next.value.epoch.from });
    step = next.value;
  }
  epochs.push(step.epoch);
  return ok(mint<EpochChain>({ channelId: policy.channelId, epochs }));
}

function endOf(policy: TrustPolicy, { epochs }: EpochChain): EpochStep {
  const epoch = present(epochs.at(-1), "the first epoch at least");
  const { appointed } = epoch;
  return {
    epoch,
    set: new ValidatorSet(epoch.epoch, epoch.validators),
    previous: appointed?.digest ?? policy.channelId,
    height: appointed?.height ?? 0,
    time: appointed?.time ?? 0,
  };
}

/** Where a walk begins: the validators that the policy names. */
export function firstEpoch(policy: TrustPolicy): EpochStep {
  const epoch = sealersOf(policy);
  const set = new ValidatorSet(0, epoch.validators);
  return { epoch, set, previous: policy.channelId, height: 0, time: 0 };
}

/** One boundary of {@link followEpochs}: the step that it leads to. Faults: EPOCH_*. */
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
  { set }: EpochStep,
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
