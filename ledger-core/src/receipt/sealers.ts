/** Those who seal a channel's checkpoints: a set of validators, and how far its seals count. */

import { present } from "../base/assert.ts";
import type { Fault, Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { organisationNames } from "./trust-policy.ts";

export type Sealers = {
  /** 0 for the trust policy's own. */
  readonly epoch: number;
  /** The name of the channel's log. */
  readonly origin: string;
  readonly validators: readonly Validator[];
  /** Cosignatures that seal a checkpoint. */
  readonly quorum: number;
  /** Those of which a sealed checkpoint is said to have so many. */
  readonly organisations: readonly Identifier[];
  /** The log's size when they took over. They may seal earlier sizes again, under other algorithms. */
  readonly from: bigint;
  /** The log's size when they handed over: past it their seals do not count. Absent where none is known. */
  readonly until?: bigint;
};

/** They sealed what was sealed after them. */
export type HandedOverFault = {
  readonly code: "SEAL_AFTER_EPOCH";
  readonly epoch: number;
  readonly until: bigint;
};

/** The validators that the policy names. That they may have handed over since, it does not know. */
export function sealersOf(policy: TrustPolicy): Sealers {
  const { origin, validators, quorum } = policy;
  const organisations = organisationNames(policy);
  return { epoch: 0, origin, validators, quorum, organisations, from: 0n };
}

/** By the first set whose seals count at this size and are good; else the first one's fault. */
export function firstGood<T, F extends Fault>(
  candidates: readonly Sealers[],
  size: bigint,
  judge: (sealers: Sealers) => Result<T, F>,
): Result<T, F | HandedOverFault> {
  let fault: Result<T, F> | undefined;
  let late: HandedOverFault | undefined;
  for (const sealers of candidates) {
    const { epoch, until } = sealers;
    if (until !== undefined && size > until) {
      late = { code: "SEAL_AFTER_EPOCH", epoch, until };
      continue;
    }
    const judged = judge(sealers);
    if (judged.ok) return judged;
    fault ??= judged;
  }
  return fault ?? err(present(late, "a set that had handed over"));
}
