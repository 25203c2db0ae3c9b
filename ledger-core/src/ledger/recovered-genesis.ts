/** The channel that a recovery began, as its node takes part in it. Pure. */

import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import type { EpochFault } from "../receipt/epoch-chain.ts";
import { followEpochs } from "../receipt/epoch-chain.ts";
import type { EpochItem } from "../receipt/epochs-file.ts";
import type { VerifiedRecovery } from "../receipt/recovery.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { ChannelState } from "./channel-state.ts";
import { recoveredGovernance } from "./governance.ts";

/**
 * @param opening of the channel-open statement.
 * @param items of an epochs file that ends with a recovery; the opening's own channel where it has none.
 * Faults: EPOCH_*, RECOVERY_*.
 */
export function recoveredGenesis(
  crypto: CryptoPort,
  opening: ChannelGenesis,
  items: readonly EpochItem[],
): Result<ChannelGenesis, EpochFault> {
  const followed = followEpochs(crypto, opening.policy, items);
  if (!followed.ok) return followed;
  const recovery = followed.value.recoveries.at(-1);
  return ok(recovery === undefined ? opening : genesisOf(recovery));
}

/** The genesis of the channel that it begins. */
export function genesisOf(recovery: VerifiedRecovery): ChannelGenesis {
  const { claims, policy, id } = recovery;
  const { consortium, incarnation, validators, organisations, at, lost, head } = claims;
  const predecessor = { channelId: lost, head };
  return {
    identity: { consortium, channel: policy.channel, incarnation, id, origin: policy.origin },
    claims: {
      ...{ kind: "channel-open", consortium, incarnation, validators, organisations, at },
      predecessor,
    },
    policy,
    recovery,
  };
}

/** The first state of that channel: all that the lost one's was, but for its members. */
export function recoveredState(
  crypto: CryptoPort,
  genesis: ChannelGenesis,
  lost: ChannelState,
): ChannelState {
  const governance = recoveredGovernance(genesis, lost.governance);
  return ChannelState.of({ crypto, genesis }, { ...lost.content(), governance });
}
