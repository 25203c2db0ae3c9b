/** A ledger's status for people. Pure. */

import { toHex } from "../base/bytes.ts";
import { organisationNames } from "../receipt/trust-policy.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import type { LedgerStatus } from "./ledger.ts";
import type { TimedSeal } from "./seal-payload.ts";

export type LedgerPicture = {
  readonly genesis: ChannelGenesis;
  readonly state: ChannelState;
  readonly size: number;
  readonly sealed: TimedSeal | undefined;
  readonly pendingTransactions: number;
};

export function describeLedger(picture: LedgerPicture): LedgerStatus {
  const { genesis, state, size, sealed, pendingTransactions } = picture;
  const { consortium, channel, id, incarnation, origin } = genesis.identity;
  const { trust } = state;
  const organisations = organisationNames(trust).length;
  return {
    consortium,
    channel,
    channelId: toHex(id),
    channelIncarnation: toHex(incarnation),
    origin,
    reopened: genesis.claims.predecessor !== undefined,
    organisations,
    validators: trust.validators.length,
    quorum: trust.quorum,
    trust: `${organisationsBehind(trust)} of ${organisations} organisations`,
    size,
    sealedSize: Number(sealed?.size ?? 0n),
    ...(sealed === undefined ? {} : { sealedAt: sealed.at }),
    pendingTransactions,
    lanes: state.lanes.size,
    frozenLanes: state.frozenCount,
    revokedKeys: state.revocations.entries.length,
  };
}

/** The fewest organisations whose validators make a quorum. */
export function organisationsBehind(
  trust: Pick<ChannelState["trust"], "validators" | "quorum">,
): number {
  const sizes = new Map<string, number>();
  for (const { organisation } of trust.validators)
    sizes.set(organisation, (sizes.get(organisation) ?? 0) + 1);
  let missing = trust.quorum;
  let organisations = 0;
  for (const size of [...sizes.values()].sort((a, b) => b - a)) {
    if (missing <= 0) break;
    missing -= size;
    organisations++;
  }
  return organisations;
}
