/** Own votes above the floor are sent again until a certificate decides, FINALIZE too; so are seals. */

import { keepAlive } from "./answering.ts";
import type { PendingTransaction } from "./application.ts";
import { blockBytesMax, blockTransactionsMax, resentVotesMax } from "./limits.ts";
import { ownProposal } from "./proposing.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { SignedVote } from "./vote.ts";
import { mayVote } from "./voting.ts";

/** Whether anything of ours still waits for an answer of others. */
export function hasOutstanding<State>(core: ReplicaCore<State>): boolean {
  if (core.isAlone) return false;
  const { tip } = core.tree;
  // Who only follows asks for what it waits for: its submissions, and the seal over what is final.
  if (core.self === undefined) return core.pool.size > 0 || tip.logSize > core.sealing.sealedSize;
  if (core.sealing.own() !== undefined || core.pool.size > 0) return true;
  return core.book.rows.some(({ view }) =>
    core.book.votesOf(view).some((vote) => isOpen(core, vote)),
  );
}

/** All of it, with the certificate that lets a peer enter this view. */
export function resendAll<State>(core: ReplicaCore<State>): void {
  const { book, history, out, set, view, sealing } = core;
  if (core.self === undefined) {
    out.send("all", keepAlive(core));
    resendTransactions(core);
    return;
  }
  const entry = history.entryOf(view);
  if (entry !== undefined) out.send("all", { type: "certificate", certificate: entry });
  const proposal = ownProposal(core);
  const isProposalOpen = history.find(view)?.notarization === undefined;
  if (proposal !== undefined && isProposalOpen) out.send("all", proposal);
  const votes = book.rows
    .toSorted((a, b) => b.view - a.view)
    .flatMap(({ view: at }) => book.votesOf(at))
    .filter((vote) => isOpen(core, vote));
  for (const vote of votes.slice(0, resentVotesMax))
    out.send("all", { type: "vote", epoch: set.epoch, vote });
  const seal = sealing.own();
  if (seal !== undefined) out.send("all", seal);
  resendTransactions(core);
}

/** Decided means that a certificate of the view says so; then that travels instead. */
function isOpen<State>({ history }: ReplicaCore<State>, { ballot }: SignedVote): boolean {
  const tally = history.find(ballot.view);
  if (ballot.kind === "finalize") return tally?.finalization === undefined;
  return tally?.notarization === undefined && tally?.nullification === undefined;
}

/** Who may not vote in this view cannot wake others by a NULLIFY: it tells all that it knows of instead. */
function resendTransactions<State>(core: ReplicaCore<State>): void {
  const { pool, out } = core;
  const transactions = firstOf(mayVote(core) ? pool.own() : pool.values());
  if (transactions.length > 0) out.send("all", { type: "transactions", transactions });
}

/** As many as fit into one message, the oldest first. */
function firstOf(pending: Iterable<PendingTransaction>): readonly Uint8Array[] {
  const transactions: Uint8Array[] = [];
  let bytes = 0;
  for (const transaction of pending) {
    bytes += transaction.bytes.length;
    if (transactions.length > 0 && bytes > blockBytesMax) break;
    transactions.push(transaction.bytes);
    if (transactions.length === blockTransactionsMax) break;
  }
  return transactions;
}

/** Gossip of own submissions, in messages of bounded size. */
export function gossip<State>(
  { out }: ReplicaCore<State>,
  pending: readonly PendingTransaction[],
): void {
  for (let at = 0; at < pending.length; ) {
    const transactions = firstOf(pending.slice(at, at + blockTransactionsMax));
    at += transactions.length;
    out.send("all", { type: "transactions", transactions });
  }
}
