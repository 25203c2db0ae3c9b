/** A message of each type that validators exchange, with every part that it may have; no signature is good. */

import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EquivocationProof } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { BlockBallot, NullifyBallot, SignedVote } from "@tamga/ledger-core/consensus/vote";
import { digestOf, sampleBlock, sampleCertificate, signatureOf } from "./consensus-samples.ts";
import { name } from "./wire-samples.ts";

const ballot: BlockBallot = {
  kind: "notarize",
  view: 3,
  parentView: 1,
  digest: digestOf("block"),
};
const nullify: NullifyBallot = { kind: "nullify", view: 2 };
const vote: SignedVote = { ballot, voter: 2, signature: signatureOf("vote") };
const notarization = sampleCertificate(ballot);
const nullification: Certificate<NullifyBallot> = { ...notarization, ballot: nullify };
const proof: EquivocationProof = {
  epoch: 0,
  voter: 1,
  first: { ballot: nullify, signature: signatureOf("first") },
  second: { ballot: { ...ballot, kind: "finalize", view: 2 }, signature: signatureOf("second") },
};
const { digest, ...plain } = sampleBlock({ view: 3 }, [Uint8Array.of(1, 2, 3)]);
const { digest: boundaryDigest, ...boundary } = sampleBlock({
  view: 4,
  boundary: {
    validators: [
      { name: name("v"), organisation: name("o"), publicKey: new Uint8Array(32).fill(7) },
    ],
    previous: digestOf("channel"),
    approvals: [{ index: 0, signature: signatureOf("approval") }],
  },
});
/** A boundary, and a block with a transaction and an equivocation proof. */
export const blockSamples = [boundary, { ...plain, equivocations: [proof] }] as const;

export const messageSamples: readonly Message[] = [
  {
    ...{ type: "propose", epoch: 0, view: 3, parentView: 1, block: blockSamples[1] },
    ...{ signature: signatureOf("leader"), parent: notarization, nullifications: [nullification] },
  },
  {
    ...{ type: "propose", epoch: 0, view: 1, parentView: 0, block: boundary },
    ...{ signature: signatureOf("leader"), nullifications: [] },
  },
  { type: "vote", epoch: 0, vote },
  { type: "vote", epoch: 0, vote: { ...vote, ballot: nullify } },
  { type: "certificate", certificate: notarization },
  { type: "certificate", certificate: nullification },
  { type: "fetch-blocks", epoch: 0, digests: [digest, boundaryDigest] },
  { type: "fetch-heights", from: 9 },
  { type: "fetch-certificates", epoch: 1, from: 2, to: 3 },
  { type: "blocks", blocks: blockSamples },
  { type: "final-blocks", blocks: blockSamples, certificate: notarization },
  { type: "status", epoch: 1, view: 1, finalHeight: 0, sealedSize: 0n },
  {
    ...{ type: "status", epoch: 1, view: 5, finalHeight: 3, sealedSize: 2n ** 63n },
    ...{ entry: nullification, final: notarization, question: new Uint8Array(8) },
    answer: { question: new Uint8Array(8), votes: [vote] },
  },
  { type: "seal", epoch: 0, size: 7n, payload: new Uint8Array(140) },
  { type: "sealed", epoch: 0, size: 7n, seals: [{ validator: 3, payload: new Uint8Array(1) }] },
  { type: "transactions", transactions: [new Uint8Array(3)] },
  { type: "equivocation", proof },
  { type: "fetch-ancestors", height: 9 },
  { type: "pruned", below: 9 },
  { type: "fetch-snapshot", height: 9, part: "content", from: 7 },
  {
    ...{ type: "snapshot", block: blockSamples[1], certificate: notarization, contentBytes: 70 },
    seal: { epoch: 0, height: 3, size: 7n, seals: [{ validator: 3, payload: new Uint8Array(1) }] },
  },
  { type: "snapshot", block: blockSamples[1], certificate: notarization, contentBytes: 70 },
  {
    ...{ type: "snapshot-boundaries", height: 9, from: 0 },
    boundaries: [{ block: boundary, certificate: notarization }],
  },
  { type: "snapshot-content", height: 9, from: 0, bytes: new Uint8Array(3) },
  {
    ...{ type: "snapshot-entries", height: 9, from: 1, entries: [new Uint8Array(2)] },
    path: [digest, boundaryDigest],
  },
];
