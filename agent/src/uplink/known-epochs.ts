/**
 * Who the channel's validators are by now, as far as this device has verified it: from its own trust policy,
 * through every change that a gateway told of. What was verified once is never given up for less.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { EpochChain, EpochFault } from "@tamga/ledger-core/receipt/epoch-chain";
import { epochsOfPolicy, epochsUpTo, extendEpochs } from "@tamga/ledger-core/receipt/epoch-chain";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import type { EpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";

export type EpochsRefusal =
  | EpochFault
  /** The gateway claims fewer changes than were verified here. */
  | { readonly code: "EPOCHS_SHORTENED"; readonly known: number; readonly told: number }
  /** It begins after a change that is not known here. */
  | { readonly code: "EPOCHS_GAP"; readonly known: number; readonly from: number }
  /** Validators ended this epoch twice, in two ways: a person must act. */
  | { readonly code: "EPOCHS_FORK"; readonly epoch: number };

export class KnownEpochs {
  readonly #crypto: CryptoPort;
  readonly #policy: TrustPolicy;
  #chain: EpochChain;
  #boundaries: readonly BoundaryProof[] = [];

  constructor(crypto: CryptoPort, policy: TrustPolicy) {
    this.#crypto = crypto;
    this.#policy = policy;
    this.#chain = epochsOfPolicy(policy);
  }

  /** For the judges of seals; undefined while the policy's validators are the only known ones. */
  get chain(): EpochChain | undefined {
    return this.#boundaries.length === 0 ? undefined : this.#chain;
  }

  /** What the epochs file holds, of epoch 0, 1, … */
  get boundaries(): readonly BoundaryProof[] {
    return this.#boundaries;
  }

  /** The newest epoch that is known; 0 before any change. */
  get epoch(): number {
    return this.#boundaries.length;
  }

  /** Takes a part of the chain, all of it or nothing. Faults: EPOCH_*, EPOCHS_SHORTENED, _GAP, _FORK. */
  take({ total, from, boundaries }: EpochsMessage): Result<undefined, EpochsRefusal> {
    const known = this.epoch;
    if (total < known) return err({ code: "EPOCHS_SHORTENED", known, told: total });
    if (from > known) return err({ code: "EPOCHS_GAP", known, from });
    for (const [at, told] of boundaries.slice(0, known - from).entries()) {
      const fault = this.#contradiction(from + at, told);
      if (fault !== undefined) return err(fault);
    }
    const added = boundaries.slice(known - from);
    const further = { known: this.#chain, boundaries: added };
    const extended = extendEpochs(this.#crypto, this.#policy, further);
    if (!extended.ok) return extended;
    this.#chain = extended.value;
    this.#boundaries = [...this.#boundaries, ...added];
    return ok(undefined);
  }

  /** What is told again is the block that is known. Another one is a lie, or the validators' own. */
  #contradiction(epoch: number, told: BoundaryProof): EpochsRefusal | undefined {
    const appointed = present(this.#chain.epochs[epoch + 1]?.appointed, "how it was appointed");
    if (equal(appointed.digest, this.#crypto.sha256(told.header))) return undefined;
    const before = { known: epochsUpTo(this.#chain, epoch), boundaries: [told] };
    const judged = extendEpochs(this.#crypto, this.#policy, before);
    return judged.ok ? { code: "EPOCHS_FORK", epoch } : judged.fault;
  }
}
