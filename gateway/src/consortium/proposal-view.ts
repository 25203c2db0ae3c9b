/** A proposal against the channel as this node's disk holds it: how far it is, and who is next. */

import { existsSync } from "node:fs";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, fromHex, parseDigest } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import type { GatewayConfig } from "../config.ts";
import { openCa, pathsOf } from "../site/site.ts";
import { caSigner } from "../site/site-ledger.ts";
import { readChannelFile } from "./channel-file.ts";
import { missingApprovers } from "./describe-proposal.ts";
import { readLedgerBook } from "./ledger-book.ts";
import type { Speaker } from "./proposal.ts";
import { identityHex, isReady, judgeProposed } from "./proposal.ts";
import type { OrderedProposal } from "./proposal-file.ts";
import { explainRefusal } from "./refusal-sentences.ts";

/** How far a proposal is, and who is next. */
export function standing(proposal: OrderedProposal, view: View, file: string): string {
  if (proposal.stage === "draft")
    return isReady(proposal.draft)
      ? "enough are ready: a member of the channel runs `ledger approve` next"
      : "hand it to the other validators of the new set, for `ledger approve`";
  if (view.isOrdered(proposal)) return "it is ordered";
  const time = laterOf(view, { at: new SystemClock().now() });
  const judged = judgeProposed(view.state, proposal.transaction, { ...view, time });
  if (judged.ok) return `complete: tamga-gateway ledger submit ${file}`;
  if (judged.fault.code !== "APPROVALS_TOO_FEW")
    return `it would be refused: ${explainRefusal(judged.fault.code)} [${judged.fault.code}]`;
  const { names, needed } = missingApprovers(proposal, view.state);
  const { have } = judged.fault;
  return `${have} of ${needed} organisations approve: hand it to ${names.join(", ")}`;
}

/** The channel as it is on this node's disk. */
export type View = {
  readonly channelId: Digest;
  readonly state: ChannelState;
  readonly finalAt: UnixMillis;
  readonly size: number;
  isOrdered(proposal: Extract<OrderedProposal, { readonly stage: "signed" }>): boolean;
};

/** @throws OperationalError LEDGER_MISSING, DATABASE_*. */
export function viewOf(config: GatewayConfig): View {
  return readLedgerBook(config, ({ channel, genesis, state, finalAt }) => ({
    channelId: genesis.identity.id,
    state,
    finalAt,
    size: channel.log.size,
    isOrdered: ({ transaction }) =>
      readLedgerBook(config, (book) => {
        const identity = parseDigest(fromHex(identityHex(transaction)) ?? new Uint8Array());
        return identity.ok && book.channel.indexOf(identity.value) !== undefined;
      }),
  }));
}

/** Undefined for a node that has taken the channel file and never run: it can say that it is ready. */
export function viewFor(
  config: GatewayConfig,
  file: string,
  proposal: OrderedProposal,
): View | undefined {
  const paths = pathsOf(config);
  const view = existsSync(paths.ledger) ? viewOf(config) : undefined;
  const channelId = view?.channelId ?? readChannelFile(config).genesis.identity.id;
  if (!equal(channelId, proposal.channelId))
    throw new OperationalError(
      "PROPOSAL_OTHER_CHANNEL",
      `${file} is of another channel than this node's.`,
    );
  return view;
}

/** Whether this node's organisation is a member. */
export function speaks(config: GatewayConfig, state: ChannelState): boolean {
  return state.trust.organisations.some(({ name }) => name === config.organisation);
}

/** This node's organisation, by its CA's key. @throws OperationalError SITE_NOT_STARTED. */
export async function speakerOf(config: GatewayConfig): Promise<Speaker> {
  const at = new SystemClock().now();
  const signer = caSigner(await openCa(config, at));
  return { signer, organisation: config.organisation, channel: config.channel, at };
}

/** What the next block's header could say at the earliest. */
export function laterOf({ finalAt }: View, { at }: { readonly at: UnixMillis }): UnixMillis {
  return unixMillis(Math.max(finalAt, at));
}
