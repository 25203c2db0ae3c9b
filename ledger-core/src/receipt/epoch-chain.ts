/**
 * The light client: follows a channel's validators from the trust policy's, which are those of epoch 0,
 * through every boundary block. Each set was appointed by a quorum of the one before it, and by its own
 * members; nobody else is asked.
 */

import { assert, present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CborFault } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { FieldFault } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { CertificateFault } from "../consensus/certificate.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import { identityOf } from "../wire/cose.ts";
import type { EpochStep } from "./epoch-boundary.ts";
import { followBoundary } from "./epoch-boundary.ts";
import { EpochWalk } from "./epoch-walk.ts";
import type { BoundaryProof, EpochItem } from "./epochs-file.ts";
import { isRecovery } from "./epochs-file.ts";
import type { VerifiedRecovery } from "./recovery.ts";
import { readRecovery } from "./recovery.ts";
import type { RecoveryFault } from "./recovery-fault.ts";
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
  /** Absent in a channel's epoch 0, whose validators the trust policy or a recovery names. */
  readonly appointed?: Appointment;
};

/**
 * A channel's epochs, the first one first, and after each recovery those of the channel that it began; only
 * {@link followEpochs} makes it.
 */
export type EpochChain = Brand<
  {
    /** The trust policy's. */
    readonly channelId: Digest;
    readonly epochs: readonly Epoch[];
    readonly recoveries: readonly VerifiedRecovery[];
  },
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
  | { readonly code: "EPOCH_APPROVAL_WRONG"; readonly epoch: number; readonly index: number }
  | RecoveryFault;

/**
 * Verifies every boundary: of this channel, of the next epoch in order, naming the boundary before it,
 * final by a quorum of the validators known so far, and approved by enough of the new ones. Likewise every
 * recovery, after which the boundaries are those of the channel that it began.
 *
 * @param policy of the channel's opening, or of a recovery in the file: the walk begins after that one.
 * @param items as the epochs file has them; none for a channel that never changed its validators.
 * Faults: EPOCH_*, RECOVERY_*. RECOVERY_CONFLICT where two good recoveries are of one lost channel.
 */
export function followEpochs(
  crypto: CryptoPort,
  policy: TrustPolicy,
  items: readonly EpochItem[],
): Result<EpochChain, EpochFault> {
  const walk = new EpochWalk(crypto, policy);
  for (const item of itemsAfter(crypto, policy, items)) {
    const fault = isRecovery(item) ? walk.recover(item) : walk.change(item);
    if (fault !== undefined) return err(fault);
  }
  return ok(walk.chain());
}

/** What two files that are good each by itself say of one channel: two recoveries of it, where they differ. */
export function conflictOf(
  one: EpochChain,
  other: EpochChain,
): Extract<RecoveryFault, { readonly code: "RECOVERY_CONFLICT" }> | undefined {
  for (const { claims, id } of one.recoveries) {
    const twin = other.recoveries.find((of) => equal(of.claims.lost, claims.lost));
    if (twin !== undefined && !equal(twin.id, id))
      return { code: "RECOVERY_CONFLICT", size: claims.head.size, other: toHex(twin.id) };
  }
  return undefined;
}

/** What is known without any boundary: the policy's own validators. */
export function epochsOfPolicy(policy: TrustPolicy): EpochChain {
  const { channelId } = policy;
  return mint<EpochChain>({ channelId, epochs: [sealersOf(policy)], recoveries: [] });
}

/** A chain as it was before its later boundaries: `count` of them are left. */
export function epochsUpTo(chain: EpochChain, count: number): EpochChain {
  const last = present(chain.epochs[count], "an epoch of the chain");
  const { until: _unknownThen, ...open } = last;
  return mint<EpochChain>({ ...chain, epochs: [...chain.epochs.slice(0, count), open] });
}

/** As {@link followEpochs}, from where a chain without a recovery that was verified before ends. Faults: EPOCH_*. */
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
  return ok(mint<EpochChain>({ channelId: policy.channelId, epochs, recoveries: [] }));
}

function endOf(policy: TrustPolicy, { epochs, recoveries }: EpochChain): EpochStep {
  assert(recoveries.length === 0, "a chain of one channel");
  const epoch = present(epochs.at(-1), "the first epoch at least");
  const { appointed } = epoch;
  return {
    policy,
    epoch,
    set: new ValidatorSet(epoch.epoch, epoch.validators),
    previous: appointed?.digest ?? policy.channelId,
    height: appointed?.height ?? 0,
    time: appointed?.time ?? 0,
  };
}

/** A policy that a recovery made trusts what came before by that recovery alone. */
function itemsAfter(
  crypto: CryptoPort,
  { channelId }: TrustPolicy,
  items: readonly EpochItem[],
): readonly EpochItem[] {
  const at = items.findIndex((item) => {
    const read = isRecovery(item) ? readRecovery(item) : undefined;
    if (read?.ok !== true) return false;
    return equal(
      identityOf((bytes) => crypto.sha256(bytes), read.value.statement.part),
      channelId,
    );
  });
  return items.slice(at + 1);
}
