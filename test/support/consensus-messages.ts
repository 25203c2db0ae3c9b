/** One message of each type, small and with fixed keys: for vectors and for what carries messages. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Message } from "@tamga/ledger-core/consensus/message";
import { blockOn, genesis, proposalOf } from "./consensus-blocks.ts";
import {
  certificateOf,
  channel,
  digestOf,
  finalize,
  notarize,
  nullify,
  proofOf,
  setOf,
  voteOf,
} from "./consensus-fixture.ts";
import { nextEpochOf } from "./fake-ledger.ts";

const set = setOf(4);
const question = utf8("question");

export const firstBlock = blockOn(genesis, { view: 1, texts: ["note:a", "note:b"], seal: false });
export const proof = proofOf(set, 2, [
  notarize(2, digestOf("one")),
  notarize(2, digestOf("another")),
]);
/** Carries an equivocation, and skips view 2. */
export const secondBlock = blockOn(firstBlock, { view: 3, equivocations: [proof] });
export const boundaryBlock = blockOn(secondBlock, {
  view: 4,
  boundary: nextEpochOf(["v1", "v4"], channel),
});

const notarization = certificateOf(set, notarize(1, firstBlock.digest));
const nullification = certificateOf(set, nullify(2), [0, 2, 3]);
const finalization = certificateOf(set, finalize(1, firstBlock.digest), [1, 2, 3]);

/** By a name that says what is in it. */
export const messageSamples: Readonly<Record<string, Message>> = {
  "propose, first": proposalOf(set, firstBlock),
  "propose, on a notarization over a skipped view": proposalOf(set, secondBlock, {
    parent: notarization,
    nullifications: [nullification],
  }),
  "propose, boundary": proposalOf(set, boundaryBlock),
  "vote, notarize": { type: "vote", epoch: 0, vote: voteOf(set, 0, notarization.ballot) },
  "vote, nullify": { type: "vote", epoch: 0, vote: voteOf(set, 1, nullification.ballot) },
  "vote, finalize": { type: "vote", epoch: 0, vote: voteOf(set, 2, finalization.ballot) },
  "certificate, notarization": { type: "certificate", certificate: notarization },
  "certificate, nullification": { type: "certificate", certificate: nullification },
  "certificate, finalization": { type: "certificate", certificate: finalization },
  "fetch-blocks": { type: "fetch-blocks", epoch: 0, digests: [firstBlock.digest] },
  "fetch-heights": { type: "fetch-heights", from: 1 },
  "fetch-ancestors": { type: "fetch-ancestors", height: 1 },
  "fetch-certificates": { type: "fetch-certificates", epoch: 0, from: 1, to: 2 },
  blocks: { type: "blocks", blocks: [firstBlock.block] },
  "final-blocks": {
    type: "final-blocks",
    blocks: [firstBlock.block],
    certificate: finalization,
  },
  "status, of the beginning": {
    type: "status",
    epoch: 0,
    view: 1,
    finalHeight: 0,
    sealedSize: 0n,
  },
  "status, question": {
    type: "status",
    epoch: 0,
    view: 3,
    finalHeight: 1,
    sealedSize: 3n,
    entry: nullification,
    final: finalization,
    question,
  },
  "status, answer": {
    type: "status",
    epoch: 0,
    view: 2,
    finalHeight: 1,
    sealedSize: 2n ** 64n - 1n,
    entry: finalization,
    answer: { question, votes: [voteOf(set, 3, nullify(2)), voteOf(set, 3, finalization.ballot)] },
  },
  seal: { type: "seal", epoch: 0, size: 3n, payload: utf8("seal") },
  sealed: {
    type: "sealed",
    epoch: 0,
    size: 3n,
    seals: [0, 1, 3].map((validator) => ({ validator, payload: utf8(`seal of ${validator}`) })),
  },
  transactions: { type: "transactions", transactions: [utf8("note:a"), utf8("note:b")] },
  equivocation: { type: "equivocation", proof },
  pruned: { type: "pruned", below: 2 },
  "fetch-snapshot": { type: "fetch-snapshot", height: 1, part: "entries", from: 2 },
  "snapshot, unsealed": {
    type: "snapshot",
    block: firstBlock.block,
    certificate: finalization,
    contentBytes: 9,
  },
  "snapshot, sealed": {
    type: "snapshot",
    block: firstBlock.block,
    certificate: finalization,
    contentBytes: 9,
    seal: { epoch: 0, height: 1, size: 3n, seals: [{ validator: 0, payload: utf8("seal of 0") }] },
  },
  "snapshot-boundaries": {
    type: "snapshot-boundaries",
    height: 9,
    from: 0,
    boundaries: [{ block: boundaryBlock.block, certificate: finalization }],
  },
  "snapshot-content": { type: "snapshot-content", height: 1, from: 4, bytes: utf8("state") },
  "snapshot-entries": {
    type: "snapshot-entries",
    height: 1,
    from: 1,
    entries: [utf8("note:a"), utf8("note:b")],
    path: [firstBlock.digest],
  },
};
