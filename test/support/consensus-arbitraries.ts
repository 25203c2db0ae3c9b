/** Arbitrary messages between validators, for properties: well-formed, nothing in them is true. */

import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { NextEpoch } from "@tamga/ledger-core/consensus/application";
import type { Block, Header } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EquivocationProof } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { Message, Propose, Status } from "@tamga/ledger-core/consensus/message";
import { snapshotParts } from "@tamga/ledger-core/consensus/snapshot-message";
import type {
  Ballot,
  BlockBallot,
  NullifyBallot,
  SignedVote,
} from "@tamga/ledger-core/consensus/vote";
import fc from "fast-check";

const counter = fc.oneof(fc.nat(300), fc.maxSafeNat());
const size = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const index = fc.nat(63);
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const digest: fc.Arbitrary<Digest> = bytesOf(32).map((bytes) => mint<Digest>(bytes));
const signature = bytesOf(64);
const identifier = fc
  .stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
  .map((text) => mint<Identifier>(text));
const listOf = <T>(item: fc.Arbitrary<T>, maxLength = 3) => fc.array(item, { maxLength });

const blockBallot: fc.Arbitrary<BlockBallot> = fc.record({
  kind: fc.constantFrom("notarize", "finalize"),
  view: counter,
  parentView: counter,
  digest,
});
const nullifyBallot: fc.Arbitrary<NullifyBallot> = fc.record({
  kind: fc.constant("nullify"),
  view: counter,
});
export const anyBallot: fc.Arbitrary<Ballot> = fc.oneof(blockBallot, nullifyBallot);

const certificateOf = <B extends Ballot>(ballot: fc.Arbitrary<B>): fc.Arbitrary<Certificate<B>> =>
  fc.record({ epoch: counter, ballot, voters: listOf(index), signatures: listOf(signature) });
export const anyCertificate: fc.Arbitrary<Certificate> = certificateOf(anyBallot);

export const anyVote: fc.Arbitrary<SignedVote> = fc.record({
  ballot: anyBallot,
  voter: index,
  signature,
});
const signed = fc.record({ ballot: anyBallot, signature });
const proof: fc.Arbitrary<EquivocationProof> = fc.record({
  epoch: counter,
  voter: index,
  first: signed,
  second: signed,
});

const nextEpoch: fc.Arbitrary<NextEpoch> = fc.record({
  validators: listOf(
    fc.record({ name: identifier, organisation: identifier, publicKey: bytesOf(32) }),
  ),
  previous: digest,
  approvals: listOf(fc.record({ index, signature })),
});
export const anyHeader: fc.Arbitrary<Header> = fc.record(
  {
    channel: digest,
    epoch: counter,
    view: counter,
    height: counter,
    parentView: counter,
    parentDigest: digest,
    txRoot: digest,
    stateRoot: digest,
    logSize: size,
    logRoot: digest,
    time: counter.map(unixMillis),
    equivocationRoot: digest,
    seal: fc.boolean(),
    boundary: nextEpoch,
  },
  {
    requiredKeys: [
      "channel",
      "epoch",
      "view",
      "height",
      "parentView",
      "parentDigest",
      "txRoot",
      "stateRoot",
      "logSize",
      "logRoot",
      "time",
      "equivocationRoot",
      "seal",
    ],
  },
);
const transactions = listOf(fc.uint8Array({ maxLength: 40 }));
export const anyBlock: fc.Arbitrary<Block> = fc.record({
  header: anyHeader,
  transactions,
  equivocations: listOf(proof, 2),
});

const propose: fc.Arbitrary<Propose> = fc.record(
  {
    type: fc.constant("propose"),
    epoch: counter,
    view: counter,
    parentView: counter,
    block: anyBlock,
    signature,
    parent: anyCertificate,
    nullifications: listOf(certificateOf(nullifyBallot)),
  },
  {
    requiredKeys: ["type", "epoch", "view", "parentView", "block", "signature", "nullifications"],
  },
);
const question = bytesOf(8);
const status: fc.Arbitrary<Status> = fc.record(
  {
    type: fc.constant("status"),
    epoch: counter,
    view: counter,
    finalHeight: counter,
    sealedSize: size,
    entry: anyCertificate,
    final: anyCertificate,
    question,
    answer: fc.record({ question, votes: listOf(anyVote) }),
  },
  { requiredKeys: ["type", "epoch", "view", "finalHeight", "sealedSize"] },
);
const payload = fc.uint8Array({ maxLength: 80 });

/** By its type, so that each is drawn as often as any other. */
export const messagesByType: { readonly [T in Message["type"]]: fc.Arbitrary<Message> } = {
  propose,
  vote: fc.record({ type: fc.constant("vote"), epoch: counter, vote: anyVote }),
  certificate: fc.record({ type: fc.constant("certificate"), certificate: anyCertificate }),
  "fetch-blocks": fc.record({
    type: fc.constant("fetch-blocks"),
    epoch: counter,
    digests: listOf(digest),
  }),
  "fetch-heights": fc.record({ type: fc.constant("fetch-heights"), from: counter }),
  "fetch-ancestors": fc.record({ type: fc.constant("fetch-ancestors"), height: counter }),
  "fetch-certificates": fc.record({
    type: fc.constant("fetch-certificates"),
    epoch: counter,
    from: counter,
    to: counter,
  }),
  blocks: fc.record({ type: fc.constant("blocks"), blocks: listOf(anyBlock, 2) }),
  "final-blocks": fc.record({
    type: fc.constant("final-blocks"),
    blocks: listOf(anyBlock, 2),
    certificate: anyCertificate,
  }),
  status,
  seal: fc.record({ type: fc.constant("seal"), epoch: counter, size, payload }),
  sealed: fc.record({
    type: fc.constant("sealed"),
    epoch: counter,
    size,
    seals: listOf(fc.record({ validator: index, payload })),
  }),
  transactions: fc.record({ type: fc.constant("transactions"), transactions }),
  equivocation: fc.record({ type: fc.constant("equivocation"), proof }),
  pruned: fc.record({ type: fc.constant("pruned"), below: counter }),
  "fetch-snapshot": fc.record({
    type: fc.constant("fetch-snapshot"),
    height: counter,
    part: fc.constantFrom(...snapshotParts),
    from: counter,
  }),
  snapshot: fc.record(
    {
      type: fc.constant("snapshot"),
      block: anyBlock,
      certificate: anyCertificate,
      contentBytes: counter,
      seal: fc.record({
        epoch: counter,
        height: counter,
        size,
        seals: listOf(fc.record({ validator: index, payload })),
      }),
    },
    { requiredKeys: ["type", "block", "certificate", "contentBytes"] },
  ),
  "snapshot-boundaries": fc.record({
    type: fc.constant("snapshot-boundaries"),
    height: counter,
    from: counter,
    boundaries: listOf(fc.record({ block: anyBlock, certificate: anyCertificate }), 2),
  }),
  "snapshot-content": fc.record({
    type: fc.constant("snapshot-content"),
    height: counter,
    from: counter,
    bytes: fc.uint8Array({ maxLength: 80 }),
  }),
  "snapshot-entries": fc.record({
    type: fc.constant("snapshot-entries"),
    height: counter,
    from: counter,
    entries: transactions,
    path: listOf(digest),
  }),
};
