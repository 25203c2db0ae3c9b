/** Adds to a proposal what this node can sign of it now: readiness, the first signature, or an approval. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { loadValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { GatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";
import { describeProposal } from "./describe-proposal.ts";
import {
  addApproval,
  addReadiness,
  isReady,
  judgeDraft,
  judgeProposed,
  signDraft,
} from "./proposal.ts";
import type { OrderedProposal } from "./proposal-file.ts";
import { writeProposal } from "./proposal-file.ts";
import type { View } from "./proposal-view.ts";
import { laterOf, speakerOf, speaks, standing } from "./proposal-view.ts";
import { refusal, refuseFault } from "./refusal-sentences.ts";

/**
 * Writes the file anew, once what is in it and what was added is good.
 *
 * @param view of the channel; undefined for a node that has no ledger yet.
 * @returns lines for people.
 * @throws OperationalError PROPOSAL_NOTHING_TO_SIGN, and what the channel would refuse it for.
 */
export async function advance(
  config: GatewayConfig,
  file: string,
  { proposal, view }: { readonly proposal: OrderedProposal; readonly view: View | undefined },
): Promise<readonly string[]> {
  const signed =
    proposal.stage === "draft"
      ? await advanceDraft(config, proposal, view)
      : await advanceSigned(config, proposal, view);
  writeProposal(file, signed);
  const lines = describeProposal(signed, view?.state);
  return view === undefined ? lines : [...lines, standing(signed, view, file)];
}

async function advanceDraft(
  config: GatewayConfig,
  { channelId, draft }: Extract<OrderedProposal, { readonly stage: "draft" }>,
  view: View | undefined,
): Promise<OrderedProposal> {
  if (view !== undefined) refuseFault(judgeDraft(view.state, draft));
  const key = loadValidatorKey(pathsOf(config).validatorKey);
  const ready = addReadiness(draft, channelId, { name: config.gateway, key }) ?? draft;
  const isMember = view !== undefined && speaks(config, view.state);
  if (isReady(ready) && isMember) {
    const speaker = await speakerOf(config);
    const transaction = await signDraft(speaker, view.state, ready);
    return { channelId, stage: "signed", transaction };
  }
  if (ready === draft && draft.readiness.length > 0)
    throw new OperationalError(
      "PROPOSAL_NOTHING_TO_SIGN",
      isReady(draft)
        ? "Enough validators are ready: a member of the channel signs it next."
        : "This node has signed that it is ready, or does not join: hand it to the other validators.",
    );
  return { channelId, stage: "draft", draft: ready };
}

async function advanceSigned(
  config: GatewayConfig,
  proposal: Extract<OrderedProposal, { readonly stage: "signed" }>,
  view: View | undefined,
): Promise<OrderedProposal> {
  if (view === undefined || !speaks(config, view.state)) throw refusal("ORGANISATION_UNKNOWN");
  const speaker = await speakerOf(config);
  const transaction = await addApproval(speaker, proposal.transaction);
  const judged = judgeProposed(view.state, transaction, { ...view, time: laterOf(view, speaker) });
  if (!judged.ok && judged.fault.code !== "APPROVALS_TOO_FEW") throw refusal(judged.fault.code);
  return { ...proposal, transaction };
}
