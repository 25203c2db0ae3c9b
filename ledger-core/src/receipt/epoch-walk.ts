/** The light client's way through a channel's boundaries and, where it was lost, into the one that took its place. */

import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { EpochStep } from "./epoch-boundary.ts";
import { firstEpoch, followBoundary } from "./epoch-boundary.ts";
import type { Epoch, EpochChain, EpochFault } from "./epoch-chain.ts";
import type { BoundaryProof, RecoveryProof } from "./epochs-file.ts";
import type { LostChannel, VerifiedRecovery } from "./recovery.ts";
import { readRecovery, verifyRecovery } from "./recovery.ts";
import { sealersOf } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";

/** Goes from item to item; it is as far as its last good one. */
export class EpochWalk {
  readonly #crypto: CryptoPort;
  readonly #channelId: Digest;
  readonly #epochs: Epoch[] = [];
  readonly #recoveries: VerifiedRecovery[] = [];
  /** Where each recovered channel stood when it was lost. */
  readonly #lost: LostChannel[] = [];
  #step: EpochStep;

  constructor(crypto: CryptoPort, policy: TrustPolicy) {
    this.#crypto = crypto;
    this.#channelId = policy.channelId;
    this.#step = firstEpoch(policy);
  }

  change(proof: BoundaryProof): EpochFault | undefined {
    const { policy } = this.#step;
    const next = followBoundary(this.#crypto, policy, { step: this.#step, proof });
    if (!next.ok) return next.fault;
    this.#epochs.push({ ...this.#step.epoch, until: next.value.epoch.from });
    this.#step = next.value;
    return undefined;
  }

  recover(proof: RecoveryProof): EpochFault | undefined {
    const read = readRecovery(proof);
    if (!read.ok) return read.fault;
    const { lost } = read.value.claims;
    const earlier = this.#lost.findIndex(({ policy }) => equal(policy.channelId, lost));
    const from = this.#lost[earlier];
    if (from !== undefined)
      return this.#judgeTwin(from, { proof, taken: this.#recoveries[earlier] });
    const at = this.#lostChannel();
    const verified = verifyRecovery(this.#crypto, at, proof);
    if (!verified.ok) return verified.fault;
    this.#lost.push(at);
    this.#recoveries.push(verified.value);
    const { size } = verified.value.claims.head;
    const own = this.#epochs
      .splice(0)
      .map((epoch) => (epoch.origin === at.policy.origin ? until(epoch, size) : epoch));
    this.#epochs.push(...own, { ...until(this.#step.epoch, size), isLost: true });
    this.#step = recoveredStep(verified.value);
    return undefined;
  }

  chain(): EpochChain {
    const epochs = [...this.#epochs, this.#step.epoch];
    return mint<EpochChain>({ channelId: this.#channelId, epochs, recoveries: this.#recoveries });
  }

  /** A second recovery of a channel that was recovered: an alarm where it is as good as the first. */
  #judgeTwin(
    lost: LostChannel,
    {
      proof,
      taken,
    }: { readonly proof: RecoveryProof; readonly taken: VerifiedRecovery | undefined },
  ): EpochFault {
    const twin = verifyRecovery(this.#crypto, lost, proof);
    if (!twin.ok) return twin.fault;
    const { ordinal, head } = twin.value.claims;
    if (taken === undefined || equal(twin.value.id, taken.id))
      return { code: "RECOVERY_OUT_OF_ORDER", found: ordinal, expected: ordinal + 1 };
    return { code: "RECOVERY_CONFLICT", size: head.size, other: toHex(twin.value.id) };
  }

  #lostChannel(): LostChannel {
    const { policy, set, previous, height, epoch } = this.#step;
    const own = this.#epochs.filter(({ origin }) => origin === policy.origin);
    const epochs = mint<EpochChain>({
      channelId: policy.channelId,
      epochs: [...own, epoch],
      recoveries: [],
    });
    const ordinal = this.#recoveries.length;
    return { policy, ordinal, set, epochs, previous, height, from: epoch.from };
  }
}

function until(epoch: Epoch, size: bigint): Epoch {
  const known = epoch.until;
  return known !== undefined && known <= size ? epoch : { ...epoch, until: size };
}

function recoveredStep({ policy, id, claims, signers }: VerifiedRecovery): EpochStep {
  const { size } = claims.head;
  return firstEpoch(policy, {
    ...sealersOf(policy),
    from: size,
    recovered: {
      channelId: id,
      ordinal: claims.ordinal,
      time: claims.at,
      size,
      signedBy: signers.organisations,
      needed: signers.needed,
      ofOrganisations: signers.ofOrganisations,
    },
  });
}
