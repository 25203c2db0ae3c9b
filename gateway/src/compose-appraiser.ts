/** Composes the appraiser of a channel, where the configuration asks for one. */

import type { AppraiserOptions } from "./appraisal/appraiser.ts";
import { Appraiser } from "./appraisal/appraiser.ts";
import { ChallengeNonces } from "./appraisal/challenge-nonces.ts";
import { isOfChannel } from "./channels.ts";
import type { Base, ChannelStores } from "./compose-base.ts";
import { readReferenceFile } from "./reference-file.ts";
import { approvedDevices } from "./registry/approved-devices.ts";

/** What the appraisers of all channels have in common. */
export type SharedAppraisal = Pick<AppraiserOptions, "references" | "nonces">;

/** @returns undefined where no device's state is to be judged. Throws what reading both files throws. */
export function openAppraisal({ config, paths }: Base): SharedAppraisal | undefined {
  if (config.attestation === undefined) return undefined;
  const references = readReferenceFile(config.attestation.reference);
  return { references, nonces: ChallengeNonces.open(paths.challengeKey) };
}

/** Throws REFERENCES_EMPTY. */
export function composeAppraiser(
  { config, site, lane, registry, clock, logger }: Base & ChannelStores,
  shared: SharedAppraisal | undefined,
  ports: Pick<AppraiserOptions, "admit" | "send">,
): Appraiser | undefined {
  const { attestation, channel } = config;
  if (attestation === undefined || shared === undefined) return undefined;
  return new Appraiser({
    ...shared,
    ...ports,
    lane,
    channel,
    registry: {
      tpmOf: (device) => registry.tpmOf(device),
      devices: () => approvedDevices(registry).filter((device) => isOfChannel(config, device)),
    },
    signer: site.signer,
    gatewayChain: site.gatewayChain,
    policy: attestation,
    challengeEveryMs: attestation.challenge_every,
    clock,
    logger: logger.child({ component: "appraiser", channel }),
  });
}
