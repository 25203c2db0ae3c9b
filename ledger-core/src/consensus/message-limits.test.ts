import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
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
} from "../../../test/support/consensus-fixture.ts";
import { firstBlock } from "../../../test/support/consensus-messages.ts";
import { nextEpochOf } from "../../../test/support/fake-ledger.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { encodeCbor } from "../base/cbor.ts";
import { certificateBytesMax, encodeCertificate, parseCertificateBytes } from "./ballot-codec.ts";
import type { Block } from "./block.ts";
import { encodeHeader, parseHeader } from "./block.ts";
import {
  answerBytesMax,
  blockBytesMax,
  blocksPerAnswerMax,
  blockTransactionsMax,
  boundariesPerPartMax,
  entriesPerPartMax,
  equivocationsPerBlockMax,
  fetchItemsMax,
  headerBytesMax,
  messageBytesMax,
  nullificationsPerProposalMax,
  partEntryBytesMax,
  pathPerPartMax,
  sealPayloadBytesMax,
  transactionBytesMax,
  validatorsPerEpochMax,
  votesPerStatusMax,
} from "./limits.ts";
import type { Message } from "./message.ts";
import { encodeMessage, parseMessage } from "./message-codec.ts";

const set = setOf(4);
const times = <T>(length: number, item: T): readonly T[] => Array.from({ length }, () => item);
const digest = digestOf("block");
const certificate = certificateOf(set, finalize(1, digest));
const vote = voteOf(set, 1, nullify(2));
const proof = proofOf(set, 1, [notarize(2, digest), notarize(2, channel)]);
const proposal = proposalOf(set, firstBlock);
const nullification = certificateOf(set, nullify(2));
const question = new Uint8Array(8);
const status = { type: "status", epoch: 0, view: 1, finalHeight: 0, sealedSize: 0n } as const;

const noEntries = {
  ...({ type: "snapshot-entries", height: 2, from: 1 } as const),
  entries: [],
  path: [],
};
const withBlock = (change: Partial<Block>): Message => ({
  type: "blocks",
  blocks: [{ ...firstBlock.block, ...change }],
});
const many = Array.from({ length: validatorsPerEpochMax + 1 }, (_, at) => `v${at % 4}`);
const signed = (count: number): Message => ({
  type: "certificate",
  certificate: {
    ...certificate,
    voters: times(count, 3),
    signatures: times(count, vote.signature),
  },
});
const boundaryOf = (count: number): Message => {
  const boundary = nextEpochOf(many.slice(0, count), channel);
  return withBlock({ header: { ...firstBlock.block.header, boundary } });
};

/** Each limit with a message that has so many of what it limits. */
const limits: readonly (readonly [string, number, (count: number) => Message])[] = [
  [
    "fetchItemsMax",
    fetchItemsMax,
    (n) => ({ type: "fetch-blocks", epoch: 0, digests: times(n, digest) }),
  ],
  [
    "blocksPerAnswerMax",
    blocksPerAnswerMax,
    (n) => ({ type: "blocks", blocks: times(n, firstBlock.block) }),
  ],
  [
    "blocksPerAnswerMax of final blocks",
    blocksPerAnswerMax,
    (n) => ({ type: "final-blocks", blocks: times(n, firstBlock.block), certificate }),
  ],
  [
    "blockTransactionsMax",
    blockTransactionsMax,
    (n) => withBlock({ transactions: times(n, question) }),
  ],
  [
    "blockTransactionsMax of gossip",
    blockTransactionsMax,
    (n) => ({ type: "transactions", transactions: times(n, question) }),
  ],
  [
    "transactionBytesMax",
    transactionBytesMax,
    (n) => withBlock({ transactions: [new Uint8Array(n)] }),
  ],
  [
    "transactionBytesMax of gossip",
    transactionBytesMax,
    (n) => ({ type: "transactions", transactions: [new Uint8Array(n)] }),
  ],
  [
    "equivocationsPerBlockMax",
    equivocationsPerBlockMax,
    (n) => withBlock({ equivocations: times(n, proof) }),
  ],
  [
    "nullificationsPerProposalMax",
    nullificationsPerProposalMax,
    (n) => ({ ...proposal, nullifications: times(n, nullification) }),
  ],
  [
    "votesPerStatusMax",
    votesPerStatusMax,
    (n) => ({ ...status, answer: { question, votes: times(n, vote) } }),
  ],
  [
    "sealPayloadBytesMax",
    sealPayloadBytesMax,
    (n) => ({ type: "seal", epoch: 0, size: 1n, payload: new Uint8Array(n) }),
  ],
  [
    "sealPayloadBytesMax of a quorum's",
    sealPayloadBytesMax,
    (n) => ({
      type: "sealed",
      epoch: 0,
      size: 1n,
      seals: [{ validator: 0, payload: new Uint8Array(n) }],
    }),
  ],
  [
    "boundariesPerPartMax",
    boundariesPerPartMax,
    (n) => ({
      type: "snapshot-boundaries",
      height: 2,
      from: 0,
      boundaries: times(n, { block: firstBlock.block, certificate }),
    }),
  ],
  [
    "answerBytesMax of a snapshot's content",
    answerBytesMax,
    (n) => ({ type: "snapshot-content", height: 2, from: 0, bytes: new Uint8Array(n) }),
  ],
  [
    "entriesPerPartMax",
    entriesPerPartMax,
    (n) => ({ ...noEntries, entries: times(n, Uint8Array.of(1)) }),
  ],
  ["partEntryBytesMax", partEntryBytesMax, (n) => ({ ...noEntries, entries: [new Uint8Array(n)] })],
  ["pathPerPartMax", pathPerPartMax, (n) => ({ ...noEntries, path: times(n, digest) })],
  [
    "validatorsPerEpochMax of a snapshot's seal",
    validatorsPerEpochMax,
    (n) => ({
      type: "snapshot",
      block: firstBlock.block,
      certificate,
      contentBytes: 1,
      seal: { epoch: 0, height: 1, size: 1n, seals: times(n, { validator: 0, payload: question }) },
    }),
  ],
  ["validatorsPerEpochMax of a certificate", validatorsPerEpochMax, signed],
  ["validatorsPerEpochMax of a boundary", validatorsPerEpochMax, boundaryOf],
  [
    "validatorsPerEpochMax of seals",
    validatorsPerEpochMax,
    (n) => ({
      type: "sealed",
      epoch: 0,
      size: 1n,
      seals: times(n, { validator: 0, payload: question }),
    }),
  ],
];

describe("a message holds", () => {
  test.each(limits)("%s and no more", (_name, limit, messageOf) => {
    const message = messageOf(limit);
    expect(unwrap(parseMessage(encodeMessage(message)))).toEqual(message);
    const parsed = parseMessage(encodeMessage(messageOf(limit + 1)));
    expect(!parsed.ok && parsed.fault).toMatchObject({ code: "FIELD_TOO_LONG" });
  });

  test("no validator whose index is validatorsPerEpochMax", () => {
    const of = (voter: number) =>
      parseMessage(encodeMessage({ type: "vote", epoch: 0, vote: { ...vote, voter } }));
    expect(of(validatorsPerEpochMax - 1).ok).toBe(true);
    expect(of(validatorsPerEpochMax).ok).toBe(false);
  });

  test("messageBytesMax, seen before anything is decoded", () => {
    const filler = (length: number) => encodeCbor([1, 12, [new Uint8Array(length)]]);
    const spare = filler(messageBytesMax).length - messageBytesMax;
    const fits = parseMessage(filler(messageBytesMax - spare));
    expect(!fits.ok && fits.fault.code).toBe("FIELD_BAD");
    const over = parseMessage(filler(messageBytesMax - spare + 1));
    expect(!over.ok && over.fault).toEqual({ code: "CBOR_TOO_LONG", limit: messageBytesMax });
  });
});

describe("what may be said fits", () => {
  const names = Array.from({ length: validatorsPerEpochMax }, (_, at) => `v${at}`);
  const everybody = setOf(names);
  const voters = names.map((_, at) => at);

  test("a boundary to validatorsPerEpochMax with long names, in headerBytesMax", () => {
    const next = nextEpochOf(names, channel);
    const long = "x".repeat(62);
    const validators = next.validators.map((entry) => ({
      ...entry,
      name: setOf([`${long}-1`]).entryOf(0).name,
      organisation: setOf([`${long}-2`]).entryOf(0).name,
    }));
    const approvals = voters.map((index) => ({ index, signature: new Uint8Array(64) }));
    const boundary = { ...next, validators, approvals };
    const { header } = blockOn(genesis, { view: 1, boundary }).block;
    const bytes = encodeHeader(header);
    expect(bytes.length).toBeLessThanOrEqual(headerBytesMax);
    expect(unwrap(parseHeader(bytes))).toEqual(header);
    const over = parseHeader(new Uint8Array(headerBytesMax + 1));
    expect(!over.ok && over.fault).toEqual({ code: "CBOR_TOO_LONG", limit: headerBytesMax });
  });

  test("a certificate by validatorsPerEpochMax, in certificateBytesMax", () => {
    const last = Number.MAX_SAFE_INTEGER;
    const all = { ...certificateOf(everybody, finalize(last, digest), voters), epoch: last };
    const bytes = encodeCertificate(all);
    expect(bytes.length).toBeLessThanOrEqual(certificateBytesMax);
    expect(unwrap(parseCertificateBytes(bytes))).toEqual(all);
    const over = parseCertificateBytes(new Uint8Array(certificateBytesMax + 1));
    expect(!over.ok && over.fault.code).toBe("CBOR_TOO_LONG");
  });

  test("the longest block with all that justifies it, in messageBytesMax", () => {
    const transactions = times(
      blockTransactionsMax,
      new Uint8Array(Math.floor(blockBytesMax / blockTransactionsMax)),
    );
    const block = {
      ...firstBlock.block,
      transactions,
      equivocations: times(equivocationsPerBlockMax, proof),
    };
    const skipped = certificateOf(everybody, nullify(2), voters);
    const message: Message = {
      ...proposal,
      block,
      parent: certificateOf(everybody, notarize(1, digest), voters),
      nullifications: times(nullificationsPerProposalMax, skipped),
    };
    const bytes = encodeMessage(message);
    expect(bytes.length).toBeLessThanOrEqual(messageBytesMax);
    expect(unwrap(parseMessage(bytes))).toEqual(message);
  });
});
