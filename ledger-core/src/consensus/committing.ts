/** From a finalization to final blocks: executed, committed, and asked to be sealed. */

import { present } from "../base/assert.ts";
import type { PendingTransaction } from "./application.ts";
import type { Header } from "./block.ts";
import type { TreeBlock } from "./block-tree.ts";
import type { Certificate } from "./certificate.ts";
import { enterView } from "./certifying.ts";
import { settledBesideNextMax } from "./limits.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { FinalizedBlock, FinalTip, ReplicaParameters, SealPoint } from "./replica-io.ts";
import type { SealOutcome } from "./sealing.ts";
import type { BlockBallot } from "./vote.ts";
import { executeCertified } from "./voting.ts";

/** Commits up to the newest finalization whose chain is here. */
export function tryCommit<State>(core: ReplicaCore<State>): boolean {
  const finalizations = [...core.history.tallies]
    .map(({ finalization }) => finalization)
    .filter((certificate) => certificate !== undefined)
    .sort((a, b) => b.ballot.view - a.ballot.view);
  for (const [at, certificate] of finalizations.entries()) {
    const chain = core.tree.chainTo(certificate.ballot.digest);
    if ("missing" in chain) {
      if (core.tail?.view === certificate.ballot.view && chain.height !== undefined) {
        core.wants.ancestor = { height: chain.height, digest: chain.missing };
        core.wants.likely ??= core.tail.from;
      } else if (at === 0) {
        core.wants.heights = true;
        core.wants.digests.set("final", chain.missing);
      }
      continue;
    }
    // A boundary that was proposed again may be finalized in several views: it is final already.
    const last = chain.blocks.at(-1);
    if (last === undefined) continue;
    if (executeCertified(core, last) !== "executed") return false;
    commit(core, chain.blocks, certificate);
    return true;
  }
  // The answer to a question for heights would be the same last blocks again.
  if (core.wants.ancestor !== undefined) core.wants.heights = false;
  return false;
}

/** Whether the final chain asks for a seal after this block; the same at every validator. */
export function isSealPoint(
  parameters: Pick<ReplicaParameters, "sealEveryHeights" | "sealBucketMs">,
  header: Header,
  parentTime: number,
): boolean {
  const { sealEveryHeights, sealBucketMs } = parameters;
  const bucket = (time: number) => Math.floor(time / sealBucketMs);
  return (
    header.seal ||
    header.boundary !== undefined ||
    header.height % sealEveryHeights === 0 ||
    bucket(header.time) > bucket(parentTime)
  );
}

/** Acts on what a seal led to. */
export function settleSeal<State>(core: ReplicaCore<State>, outcome: SealOutcome): void {
  if (outcome.type === "sealed") core.out.emit({ type: "sealed", ...outcome.sealed });
}

function commit<State>(
  core: ReplicaCore<State>,
  chain: readonly TreeBlock<State>[],
  certificate: Certificate<BlockBallot>,
): void {
  const { tree, book, history, pool, out } = core;
  const { view } = certificate.ballot;
  const blocks = finalized(core, chain);
  const last = present(blocks.at(-1), "a commit has a block");
  const { header } = last.block;
  const { height, time, logSize, logRoot } = header;
  const tip: FinalTip<State> = {
    view,
    height,
    digest: last.digest,
    time,
    logSize,
    logRoot,
    state: last.state,
    certificate,
  };
  tree.advance(tip);
  history.advance({ view, digest: last.digest });
  // Certificates that came when it was too far may let this validator enter now.
  enterView(core, history.highestCertified + 1);
  const floor = book.raiseFloor(view);
  out.commit({ blocks, certificate, floor });
  for (const { ids } of blocks) for (const id of ids) pool.delete(id);
  // Nothing is built on a block that a boundary follows.
  if (header.seal && core.ports.application.nextEpoch(last.state) === undefined)
    settleRefusals(core);
  forget(core, blocks);
  askForSeal(core, blocks);
  if (header.boundary !== undefined) {
    core.ended = true;
    out.emit({ type: "epoch-ended", next: header.boundary, tip });
  }
}

function finalized<State>(
  core: ReplicaCore<State>,
  chain: readonly TreeBlock<State>[],
): readonly FinalizedBlock<State>[] {
  const { parameters } = core.config;
  let parentTime: number = core.tree.tip.time;
  let asked = core.sealing.askedSize;
  return chain.map(({ block, digest, executed }) => {
    const { state, ids } = present(executed, "a final block was executed");
    const { header } = block;
    const { logSize: size, logRoot: root, height, epoch } = header;
    const isPoint = isSealPoint(parameters, header, parentTime) && size > asked;
    parentTime = header.time;
    if (!isPoint) return { block, digest, state, ids };
    asked = size;
    const sealPoint: SealPoint = { epoch, height, size, root };
    return { block, digest, state, ids, sealPoint };
  });
}

/**
 * What outlasts two blocks whose leaders knew of no further transaction is judged on the final state: first
 * all together, since each may only wait for the one before it, then alone what that did not take. What is
 * not valid alone either is refused for good. What the next block holds already is left to it, and most of
 * the rest to the blocks after it: under load all that waits is only late.
 */
function settleRefusals<State>(core: ReplicaCore<State>): void {
  const { pool, suspects, tree, ports, config } = core;
  const { state, height, time, digest } = tree.tip;
  const content = { height: height + 1, time, parentDigest: digest };
  const { blockTransactionsMax: transactionsMax, blockBytesMax: bytesMax } = config.parameters;
  const judge = (of: readonly PendingTransaction[]) =>
    ports.application.build(state, content, of, { transactionsMax, bytesMax });
  const earlier = new Set(suspects);
  suspects.clear();
  const outlasting: PendingTransaction[] = [];
  const taken = tree.openIds;
  const most = taken.size > 0 ? settledBesideNextMax : Number.POSITIVE_INFINITY;
  for (const transaction of pool.values()) {
    const isDue = earlier.has(transaction) && !taken.has(transaction.id);
    if (isDue && outlasting.length < most) outlasting.push(transaction);
    else suspects.add(transaction);
  }
  if (outlasting.length === 0) return;
  const together = judge(outlasting);
  const doubtful = new Set([...together.refused.map(({ id }) => id), ...together.known]);
  for (const transaction of outlasting) {
    const { id, bytes } = transaction;
    if (!doubtful.has(id)) continue;
    const { refused, known } = judge([transaction]);
    for (const { fault } of refused) core.out.emit({ type: "refused", id, bytes, fault });
    if (refused.length > 0) pool.remove(transaction);
    if (known.length > 0) pool.delete(id);
  }
}

function forget<State>(core: ReplicaCore<State>, blocks: readonly FinalizedBlock<State>[]): void {
  const { baseView } = core.history;
  if (core.tail !== undefined && core.tail.view <= baseView) core.tail = undefined;
  for (const at of core.toFinalize) if (at <= baseView) core.toFinalize.delete(at);
  core.persisted.clear();
  core.resend.reset();
  for (const peer of core.peers) peer.nullifyWakes = 0;
  const reported = new Set(
    blocks.flatMap(({ block }) => block.equivocations.map(({ voter }) => voter)),
  );
  const open = core.equivocations.filter(({ voter }) => !reported.has(voter));
  core.equivocations.splice(0, core.equivocations.length, ...open);
}

/** One seal of the newest point covers those before it. */
function askForSeal<State>(
  core: ReplicaCore<State>,
  blocks: readonly FinalizedBlock<State>[],
): void {
  const point = blocks.findLast(({ sealPoint }) => sealPoint !== undefined)?.sealPoint;
  if (point === undefined) return;
  settleSeal(core, core.sealing.open(point));
  if (core.self !== undefined) core.out.emit({ type: "sign-seal", point });
}
