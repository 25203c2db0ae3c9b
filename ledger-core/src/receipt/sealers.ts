/** Those who seal a channel's checkpoints: a set of validators, and how far its seals count. */

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

/** The validators that the policy names. That they may have handed over since, it does not know. */
export function sealersOf(policy: TrustPolicy): Sealers {
  const { origin, validators, quorum } = policy;
  const organisations = organisationNames(policy);
  return { epoch: 0, origin, validators, quorum, organisations, from: 0n };
}
