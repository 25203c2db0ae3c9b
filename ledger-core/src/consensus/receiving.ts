/** What a peer sent, each kind to the part that knows it. */

import { assertNever } from "../base/assert.ts";
import { receiveBlocks, receiveFetch, receiveFinalBlocks, receiveStatus } from "./answering.ts";
import { receiveCertificate, receiveVote } from "./certifying.ts";
import { settleSeal } from "./committing.ts";
import { verifyEquivocation } from "./equivocation-proof.ts";
import { transactionBytesMax } from "./limits.ts";
import type { Origin } from "./mempool.ts";
import type { Message } from "./message.ts";
import type { ReplicaCore } from "./replica-core.ts";
import { receiveProposal } from "./voting.ts";

/** Messages of another epoch are not for this replica. */
export function receiveMessage<State>(
  core: ReplicaCore<State>,
  from: number,
  message: Message,
): void {
  switch (message.type) {
    case "propose":
      if (message.epoch === core.set.epoch) receiveProposal(core, from, message);
      return;
    case "vote":
      if (message.epoch === core.set.epoch) receiveVote(core, from, message.vote);
      return;
    case "certificate":
      if (message.certificate.epoch === core.set.epoch)
        receiveCertificate(core, from, message.certificate);
      return;
    case "fetch-blocks":
    case "fetch-heights":
    case "fetch-ancestors":
    case "fetch-certificates":
      receiveFetch(core, from, message);
      return;
    case "blocks":
      receiveBlocks(core, message);
      return;
    case "final-blocks":
      receiveFinalBlocks(core, from, message);
      return;
    case "status":
      receiveStatus(core, from, message);
      return;
    case "seal": {
      if (message.epoch !== core.set.epoch) return;
      const outcome = core.sealing.add(from, message);
      if (outcome.type === "wrong") core.misbehaviour(from, "SEAL_SIGNATURE_WRONG");
      settleSeal(core, outcome);
      return;
    }
    case "sealed": {
      if (message.epoch !== core.set.epoch) return;
      const outcome = core.sealing.addAll(message);
      if (outcome.type === "wrong") core.misbehaviour(from, "SEAL_SIGNATURE_WRONG");
      settleSeal(core, outcome);
      return;
    }
    case "transactions":
      {
        const code = hearTransactions(core, from, message.transactions);
        if (code !== undefined) core.misbehaviour(from, code);
      }
      return;
    case "equivocation": {
      const set = { channel: core.config.channel, validators: core.set };
      const verified = verifyEquivocation(core.ports.crypto, set, message.proof);
      if (verified.ok) core.offend(verified.value);
      else core.misbehaviour(from, verified.fault.code);
      return;
    }
    case "pruned":
    case "fetch-snapshot":
    case "snapshot":
    case "snapshot-boundaries":
    case "snapshot-content":
    case "snapshot-entries":
      // The shell's: the engine starts anew from what it installs.
      return;
    default:
      assertNever(message);
  }
}

/**
 * Gossip: what is known or ordered is passed over.
 *
 * @returns a code where something in it is no transaction at all.
 */
export function hearTransactions<State>(
  core: ReplicaCore<State>,
  from: Origin,
  transactions: readonly Uint8Array[],
): string | undefined {
  const { ports, pool, tree } = core;
  const limit = Math.min(transactionBytesMax, core.config.parameters.blockBytesMax);
  for (const bytes of transactions) {
    if (bytes.length > limit) return "TRANSACTION_TOO_LONG";
    const id = ports.application.identify(bytes);
    if (!id.ok) return id.fault.code;
    const transaction = { id: id.value, bytes };
    if (pool.has(transaction) || ports.application.isOrdered(tree.tip.state, id.value)) continue;
    pool.add(transaction, from);
  }
  return undefined;
}
