/** Those who seal a channel's checkpoints: a set of validators, and how far its seals count. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { Fault, Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { organisationNames } from "./trust-policy.ts";

/** That a channel had lost its quorum for ever, and who began the next one. */
export type Recovered = {
  /** Id of the channel that begins here. */
  readonly channelId: Digest;
  /** 1 for the first. */
  readonly ordinal: number;
  /** By the clock of whoever signed it first. */
  readonly time: UnixMillis;
  /** Size of the log that was sealed last, with which it goes on. */
  readonly size: bigint;
  /** Organisations of the lost channel whose CA keys signed, how many had to, and all of them. */
  readonly signedBy: readonly Identifier[];
  readonly needed: number;
  readonly ofOrganisations: readonly Identifier[];
};

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
  /** Nobody appointed others: the channel lost its quorum, and was recovered at that size. */
  readonly isLost?: boolean;
  /** How their channel began, where it is one that a recovery began. */
  readonly recovered?: Recovered;
};

/** They sealed what was sealed after them, or what their channel's recovery left behind. */
export type HandedOverFault = {
  readonly code: "SEAL_AFTER_EPOCH" | "SEAL_AFTER_RECOVERY";
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
    const { epoch, until, isLost } = sealers;
    if (until !== undefined && size > until) {
      const code = isLost === true ? "SEAL_AFTER_RECOVERY" : "SEAL_AFTER_EPOCH";
      late = { code, epoch, until };
      // Good signatures, so that no later set has made them: a recovered channel's log has another name.
      if (isLost === true && judge(sealers).ok) return err(late);
      continue;
    }
    const judged = judge(sealers);
    if (judged.ok) return judged;
    fault ??= judged;
  }
  return fault ?? err(present(late, "a set that had handed over"));
}
