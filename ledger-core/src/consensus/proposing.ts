/** A leader's part: the block for its view, built once and sent again as it is. */

import { unixMillis } from "../base/time.ts";
import type { Built, NextEpoch } from "./application.ts";
import type { Block, Header } from "./block.ts";
import { equivocationRootOf } from "./block.ts";
import type { TreeBlock } from "./block-tree.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import { equivocationsPerBlockMax, nullificationsPerProposalMax } from "./limits.ts";
import type { Propose } from "./message.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { FinalTip } from "./replica-io.ts";
import type { View } from "./validator-set.ts";
import type { ParentChoice } from "./view-history.ts";
import type { BlockBallot } from "./vote.ts";
import { castVote, wantCertificates } from "./voting.ts";

/** What is built on: the last final block, or one above it. */
type Parent<State> = Pick<FinalTip<State>, "height" | "time" | "state" | "digest"> & {
  readonly view: View;
  /** Present where it is not final. */
  readonly node?: TreeBlock<State>;
};

/** Proposes where this validator leads the view, its timers run, and it has not voted in it. */
export function tryPropose<State>(core: ReplicaCore<State>): boolean {
  const { book, view, pool } = core;
  if (!core.isLeader || core.ended || !core.patience.isArmed) return false;
  if (book.amnesia || book.isBelowFloor(view) || book.row(view) !== undefined) return false;
  if (core.proposals.has(view)) return false;
  const chosen = core.history.chooseParent(view, (digest) => isExecuted(core, digest));
  if ("hole" in chosen) {
    wantCertificates(core, chosen.hole, view);
    return false;
  }
  const parent = parentOf(core, chosen);
  if (parent.node?.block.header.boundary !== undefined)
    return propose(core, parent.node, chosen.view);
  const next = core.ports.application.nextEpoch(parent.state);
  if (next !== undefined) {
    const boundary = boundaryBlock(core, parent, next);
    return boundary !== undefined && propose(core, boundary, chosen.view);
  }
  const seen = core.builtFor;
  const isHeld = core.holdUntil !== undefined && core.now < core.holdUntil;
  if (isHeld && seen?.view === view && seen.version === pool.version) return false;
  const { node, isEmpty } = buildBlock(core, parent);
  core.builtFor = { view, version: pool.version };
  core.holdUntil ??= (core.patience.armedAt ?? core.now) + core.config.parameters.emptyHoldMs;
  if (isEmpty && core.now < core.holdUntil) return false;
  return propose(core, node(), chosen.view);
}

/** The PROPOSE of an own vote that stands in the book, for the view at hand. */
export function ownProposal<State>(core: ReplicaCore<State>): Propose | undefined {
  const { view, book, tree, history, set } = core;
  const vote = book.row(view)?.notarized;
  if (!core.isLeader || vote === undefined) return undefined;
  const node = tree.get(vote.digest);
  if (node === undefined) return undefined;
  const { parentView, signature } = vote;
  const parent = history.find(parentView)?.notarization;
  return {
    type: "propose",
    epoch: set.epoch,
    view,
    parentView,
    block: node.block,
    signature,
    ...(parent === undefined ? parentOfTip(core) : { parent }),
    nullifications: history.nullifications(parentView, view, nullificationsPerProposalMax),
  };
}

function parentOfTip<State>({ tree, set }: ReplicaCore<State>): Pick<Propose, "parent"> {
  const { certificate } = tree.tip;
  return certificate?.epoch === set.epoch ? { parent: certificate } : {};
}

function propose<State>(
  core: ReplicaCore<State>,
  node: TreeBlock<State>,
  parentView: View,
): boolean {
  const { view } = core;
  const ballot: BlockBallot = { kind: "notarize", view, parentView, digest: node.digest };
  node.kept = true;
  core.proposals.set(view, ballot);
  core.patience.proposed();
  const before = core.view;
  const vote = castVote(core, ballot, node);
  if (vote === undefined) return false;
  // With one validator the vote was a quorum, and the view is over.
  const message = core.view === before ? ownProposal(core) : undefined;
  if (message !== undefined) core.out.send("all", message);
  return true;
}

function isExecuted<State>(core: ReplicaCore<State>, digest: Uint8Array): boolean {
  const node = core.tree.get(digest);
  return node !== undefined && core.tree.execute(node) === "executed";
}

function parentOf<State>(core: ReplicaCore<State>, chosen: ParentChoice): Parent<State> {
  const { tip } = core.tree;
  const node = core.tree.get(chosen.digest);
  if (node?.executed === undefined) return { ...tip, view: chosen.view };
  const { height, time } = node.block.header;
  return { height, time, digest: node.digest, state: node.executed.state, view: chosen.view, node };
}

/** What the application is told of a block beside its transactions. */
function contentOn<State>(core: ReplicaCore<State>, parent: Parent<State>) {
  return {
    height: parent.height + 1,
    time: timeAfter(core, parent),
    parentDigest: parent.digest,
  };
}

function buildBlock<State>(
  core: ReplicaCore<State>,
  parent: Parent<State>,
): { readonly node: () => TreeBlock<State>; readonly isEmpty: boolean } {
  const { pool, config, ports } = core;
  const content = contentOn(core, parent);
  const { blockTransactionsMax, blockBytesMax } = config.parameters;
  const limits = { transactionsMax: blockTransactionsMax, bytesMax: blockBytesMax };
  const built = ports.application.build(parent.state, content, pool.values(), limits);
  const rest = pool.size - built.ids.length - built.known.length - built.refused.length;
  noteBuilt(core, parent, built);
  const proofs = core.equivocations.slice(0, equivocationsPerBlockMax);
  return {
    isEmpty: built.transactions.length === 0,
    node: () => {
      const header = {
        ...headerOn(core, parent, content, proofs),
        ...built.roots,
        seal: rest <= 0,
      };
      const block = { header, transactions: built.transactions, equivocations: proofs };
      return core.tree.add(block, { kept: true, executed: built });
    },
  };
}

function boundaryBlock<State>(
  core: ReplicaCore<State>,
  parent: Parent<State>,
  boundary: NextEpoch,
): TreeBlock<State> | undefined {
  const content = contentOn(core, parent);
  const { application } = core.ports;
  const executed = application.execute(parent.state, { ...content, transactions: [], boundary });
  if (!executed.ok) {
    // Our own state asks for what it refuses: no peer could do better.
    core.halt("CONSENSUS_BOUNDARY_INVALID", executed.fault.code);
    return undefined;
  }
  const { roots } = executed.value;
  const header = { ...headerOn(core, parent, content, []), ...roots, seal: true, boundary };
  const block: Block = { header, transactions: [], equivocations: [] };
  return core.tree.add(block, { kept: true, executed: executed.value });
}

function headerOn<State>(
  core: ReplicaCore<State>,
  parent: Parent<State>,
  { height, time }: Pick<Header, "height" | "time">,
  proofs: readonly EquivocationProof[],
): Omit<Header, "txRoot" | "stateRoot" | "logSize" | "logRoot" | "seal"> {
  return {
    channel: core.config.channel,
    epoch: core.set.epoch,
    view: core.view,
    height,
    parentView: parent.view,
    parentDigest: parent.digest,
    time,
    equivocationRoot: equivocationRootOf(core.ports.crypto, proofs),
  };
}

/** The leader's clock, never below the parent's. */
function timeAfter<State>({ wall }: ReplicaCore<State>, { time }: { readonly time: number }) {
  return unixMillis(Math.max(wall, time));
}

/**
 * What a build refuses stays pending until a final block settles it, at every validator alike. A leader that
 * dropped it here would fall idle, while the others, who know of it too, wait for a proposal. Alone nobody
 * waits, and what it refuses on top of its final block is refused for good.
 */
function noteBuilt<State>(
  { pool, set, out, ports }: ReplicaCore<State>,
  parent: Parent<State>,
  { known, refused, state }: Built<State>,
): void {
  if (parent.node !== undefined) return;
  const { application } = ports;
  // Also another form of what this very block takes is known, and is not final for that.
  for (const id of known) if (application.isOrdered(parent.state, id)) pool.delete(id);
  // What is not valid before a boundary may be after it.
  if (set.size > 1 || refused.length === 0 || application.nextEpoch(state) !== undefined) return;
  const faults = new Map(refused.map(({ id, fault }) => [id, fault]));
  for (const transaction of [...pool.values()]) {
    const { id, bytes } = transaction;
    const fault = faults.get(id);
    // Of several forms nobody says here which it was: final blocks settle them.
    if (fault === undefined || !pool.isOnly(transaction)) continue;
    pool.remove(transaction);
    out.emit({ type: "refused", id, bytes, fault });
  }
}
