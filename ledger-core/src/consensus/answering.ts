/** Keep-alives, and the answers to what peers ask. */

import { present } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import type { Block } from "./block.ts";
import { blockBytes, headerDigest } from "./block.ts";
import { receiveCertificate } from "./certifying.ts";
import { answerBytesMax, blocksPerAnswerMax, fetchItemsMax, tailBytesMax } from "./limits.ts";
import type { Fetch, FinalBlocks, LooseBlocks, Status } from "./message.ts";
import { receiveAnswer, votesHeldOf } from "./remembering.ts";
import type { ReplicaCore } from "./replica-core.ts";
import { digestKey } from "./view-tally.ts";

/** What this validator says of itself, with what proves it. An answer asks nothing: two would ask for ever. */
export function ownStatus<State>(core: ReplicaCore<State>): Omit<Status, "question" | "answer"> {
  const { set, view, history, tree, sealing } = core;
  const entry = history.entryOf(view);
  const { certificate } = tree.tip;
  return {
    type: "status",
    epoch: set.epoch,
    view,
    finalHeight: tree.tip.height,
    sealedSize: sealing.sealedSize,
    ...(entry === undefined ? {} : { entry }),
    ...(certificate === undefined ? {} : { final: certificate }),
  };
}

/** The keep-alive; of a validator that lost its votes, a question. */
export function keepAlive<State>(core: ReplicaCore<State>): Status {
  const { book, amnesia } = core;
  return { ...ownStatus(core), ...(book.amnesia ? { question: amnesia.question } : {}) };
}

export function receiveStatus<State>(core: ReplicaCore<State>, from: number, status: Status): void {
  const { entry, final, question, epoch } = status;
  const peer = present(core.peers[from], "peer of the set");
  peer.view = status.view;
  peer.finalHeight = status.finalHeight;
  // Heights and views are believed only as far as certificates go.
  for (const certificate of [final, entry])
    if (certificate?.epoch === core.set.epoch) receiveCertificate(core, from, certificate);
  receiveAnswer(core, from, status);
  if (question !== undefined && epoch === core.set.epoch && knowsItsView(core))
    core.out.send(from, {
      ...ownStatus(core),
      answer: { question, votes: votesHeldOf(core, from) },
    });
  if (status.sealedSize < core.sealing.sealedSize) {
    const sealed = core.sealing.message();
    if (sealed !== undefined) core.out.send(from, sealed);
  }
}

/**
 * Whether an amnesiac may rely on this validator's view: not while its own votes may be lost, nor while it
 * abstains above what it can prove, since a vote that it has forgotten may stand in between. The models in
 * `test/model` find a fork without either. Nor once the epoch has ended: the asker may have voted in the next.
 */
function knowsItsView<State>({ book, history, set, ended }: ReplicaCore<State>): boolean {
  if (book.amnesia || ended) return false;
  const { floor } = book;
  return (
    floor.epoch < set.epoch ||
    (floor.epoch === set.epoch && history.highestCertified + 1 >= floor.view)
  );
}

export function receiveFetch<State>(core: ReplicaCore<State>, from: number, fetch: Fetch): void {
  switch (fetch.type) {
    case "fetch-heights":
      if (fetch.from >= 1 && fetch.from <= core.tree.tip.height)
        core.out.emit({ type: "serve-heights", to: from, from: fetch.from });
      return;
    case "fetch-ancestors":
      if (fetch.height >= 1 && fetch.height <= core.tree.tip.height)
        core.out.emit({ type: "serve-ancestors", to: from, height: fetch.height });
      return;
    case "fetch-blocks": {
      let bytes = 0;
      const blocks: LooseBlocks["blocks"][number][] = [];
      for (const digest of fetch.digests.slice(0, fetchItemsMax)) {
        const node = core.tree.get(digest);
        if (node === undefined || node.invalid !== undefined) continue;
        bytes += blockBytes(node.block);
        if (blocks.length > 0 && bytes > answerBytesMax) break;
        blocks.push(node.block);
      }
      if (blocks.length > 0) core.out.send(from, { type: "blocks", blocks });
      return;
    }
    case "fetch-certificates": {
      const to = Math.min(fetch.to, fetch.from + fetchItemsMax - 1, core.view);
      for (let view = fetch.from; view <= to; view++) {
        const tally = core.history.find(view);
        for (const certificate of [tally?.notarization, tally?.nullification])
          if (certificate !== undefined) core.out.send(from, { type: "certificate", certificate });
      }
      return;
    }
  }
}

/** Blocks that were asked for by digest, with ancestors of what is final; no others. */
export function receiveBlocks<State>(core: ReplicaCore<State>, { blocks }: LooseBlocks): void {
  if (receiveAncestors(core, blocks)) return;
  for (const block of blocks.slice(0, blocksPerAnswerMax)) {
    const digest = headerDigest(core.ports.crypto, block.header);
    const isWanted = [...core.wants.digests.values()].some((wanted) => equal(wanted, digest));
    if (!isWanted || !core.tree.hasOwnBody(block)) continue;
    core.tree.add(block, { kept: true });
    core.wants.digests.delete(digestKey(digest));
  }
}

/** @returns whether the first is the one that final blocks wait for; each of the others must be its parent. */
function receiveAncestors<State>(core: ReplicaCore<State>, blocks: LooseBlocks["blocks"]): boolean {
  const { tree, wants, ports } = core;
  let wanted: Uint8Array | undefined = wants.ancestor?.digest;
  let count = 0;
  for (const block of blocks) {
    if (wanted === undefined || block.header.height <= tree.tip.height) break;
    if (!equal(headerDigest(ports.crypto, block.header), wanted) || !tree.hasOwnBody(block)) break;
    if (!addToTail(core, block)) return true;
    wanted = block.header.parentDigest;
    count++;
  }
  if (count > 0) wants.ancestor = undefined;
  return count > 0;
}

/** @returns false where it would be too much to hold: then all of it is given up, and asked for anew. */
function addToTail<State>(core: ReplicaCore<State>, block: Block): boolean {
  const { tree } = core;
  if (tree.tailBytes + blockBytes(block) <= tailBytesMax) {
    tree.add(block, { kept: true, isTail: true });
    return true;
  }
  tree.dropTail();
  core.tail = undefined;
  core.wants.ancestor = undefined;
  return false;
}

/**
 * Final blocks from a peer or a file: the certificate first, then the headers that lead to its block, then
 * the bodies by execution; nothing is stored before.
 */
export function receiveFinalBlocks<State>(
  core: ReplicaCore<State>,
  from: number,
  { blocks, certificate }: FinalBlocks,
): void {
  const { tree, history, ports } = core;
  const { ballot } = certificate;
  if (ballot.kind !== "finalize") {
    core.misbehaviour(from, "FINAL_BLOCKS_NO_FINALIZATION");
    return;
  }
  if (certificate.epoch === core.set.epoch && ballot.view <= history.baseView) return;
  receiveCertificate(core, from, certificate);
  const held = history.find(ballot.view)?.finalization;
  if (held === undefined || !equal(held.ballot.digest, ballot.digest)) return;
  const fresh = blocks.filter(({ header }) => header.height > tree.tip.height);
  const first = fresh[0]?.header;
  const isTail = first !== undefined && first.height > tree.tip.height + 1;
  if (isTail && core.tail !== undefined && core.tail.view < ballot.view) return;
  let parent: Uint8Array = isTail ? first.parentDigest : tree.tip.digest;
  for (const { header } of fresh) {
    if (!equal(header.parentDigest, parent)) {
      core.misbehaviour(from, "FINAL_BLOCKS_NOT_LINKED");
      return;
    }
    parent = headerDigest(ports.crypto, header);
  }
  if (!equal(parent, ballot.digest)) {
    core.misbehaviour(from, "FINAL_BLOCKS_NOT_LINKED");
    return;
  }
  for (const block of fresh) {
    // Else a long answer of wrong bodies would cost a question for each of them.
    if (!tree.hasOwnBody(block)) {
      core.misbehaviour(from, "FINAL_BLOCKS_BODY_WRONG");
      return;
    }
    if (!isTail) tree.add(block, { kept: true });
    else if (!addToTail(core, block)) return;
  }
  if (isTail) core.tail = { view: ballot.view, from };
}
