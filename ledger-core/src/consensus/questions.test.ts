import { describe, expect, test } from "vitest";
import type { Made } from "../../../test/support/consensus-blocks.ts";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  channel,
  digestOf,
  finalize,
  notarize,
  nullify,
  sealOf,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { present } from "../base/assert.ts";
import { blockBytes } from "./block.ts";
import { answerBytesMax, fetchItemsMax, looseBlocksMax, votesPerStatusMax } from "./limits.ts";
import type { FinalBlocks, Status } from "./message.ts";

const set = setOf(4);
const others = [1, 2, 3];
const quiet = { keepAliveMs: 1_000_000 };
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const second = blockOn(first, { view: 2, texts: ["note:b"] });

const finalOf = ({ block, digest }: Made) =>
  certificateOf(set, finalize(block.header.view, digest, block.header.parentView), others);
const finalBlocks = (last: Made, ...blocks: readonly Made[]): FinalBlocks => ({
  type: "final-blocks",
  blocks: blocks.map(({ block }) => block),
  certificate: finalOf(last),
});
const status = (more: Partial<Status> = {}): Status => ({
  type: "status",
  epoch: 0,
  view: 1,
  finalHeight: 0,
  sealedSize: 1n,
  ...more,
});

/** v0, for whom the first block is final. */
const caughtUp = () =>
  new LoneReplica({ set, parameters: quiet }).receive(1, finalBlocks(first, first));

describe("final blocks are taken", () => {
  test("with the certificate that finalizes the last, also by a follower", () => {
    for (const self of [0, null]) {
      const lone = new LoneReplica({ set, self });
      lone.receive(1, finalBlocks(second, first, second));
      expect([lone.faults, lone.disk.height, lone.status.view]).toEqual([[], 2, 3]);
    }
  });

  test("from where they are missing on: what is final already is passed over", () => {
    const lone = caughtUp().receive(1, finalBlocks(second, first, second));
    expect([lone.faults, lone.disk.height]).toEqual([[], 2]);
    expect(lone.receive(1, finalBlocks(second, first, second)).effects).toEqual([]);
  });

  test("never without a finalization", () => {
    const notarized = certificateOf(set, notarize(1, first.digest), others);
    const lone = new LoneReplica({ set });
    lone.receive(1, { ...finalBlocks(first, first), certificate: notarized });
    expect(lone.faults).toEqual(["FINAL_BLOCKS_NO_FINALIZATION"]);
    const forged = { ...finalOf(first), signatures: finalOf(second).signatures };
    lone.receive(1, { ...finalBlocks(first, first), certificate: forged });
    expect(lone.faults).toEqual(["CERTIFICATE_SIGNATURE_WRONG"]);
    const foreign = certificateOf(setOf(4, 1), finalize(1, first.digest), others);
    lone.receive(1, { ...finalBlocks(first, first), certificate: foreign });
    expect(lone.faults).toEqual(["CERTIFICATE_OTHER_EPOCH"]);
    expect(lone.disk.height).toBe(0);
  });

  test("never where they do not lead from here to the block that is final, and nothing is kept", () => {
    const stray = blockOn(genesis, { view: 1, texts: ["note:z"] });
    const wrongs = [
      finalBlocks(second, first),
      finalBlocks(second, stray, second),
      finalBlocks(second),
    ];
    for (const wrong of wrongs) {
      const lone = new LoneReplica({ set }).receive(1, wrong);
      expect([lone.faults, lone.disk.height]).toEqual([["FINAL_BLOCKS_NOT_LINKED"], 0]);
      const digests = [first.digest, second.digest, stray.digest];
      lone.receive(2, { type: "fetch-blocks", epoch: 0, digests });
      expect(lone.sent("blocks")).toEqual([]);
      // The certificate holds all the same: the right blocks are asked for, and do.
      expect(lone.receive(3, finalBlocks(second, first, second)).disk.height).toBe(2);
    }
  });

  test("never with another body than the header's", () => {
    const swapped = { ...second, block: { ...second.block, transactions: [] } };
    const lone = new LoneReplica({ set }).receive(1, finalBlocks(second, first, swapped));
    expect([lone.faults, lone.disk.height]).toEqual([["FINAL_BLOCKS_BODY_WRONG"], 0]);
    expect(lone.receive(3, finalBlocks(second, first, second)).disk.height).toBe(2);
  });
});

describe("blocks are taken", () => {
  test("by digest where they were asked for, and none beside them", () => {
    const lone = new LoneReplica({ set, parameters: quiet });
    lone.certificate(notarize(1, first.digest), others);
    expect(lone.sent("fetch-blocks").map(({ digests }) => digests)).toEqual([[first.digest]]);
    lone.receive(2, { type: "blocks", blocks: [second.block, first.block] });
    expect(lone.voted).toEqual(["finalize 1"]);
    lone.receive(3, { type: "fetch-blocks", epoch: 0, digests: [first.digest, second.digest] });
    expect(lone.sent("blocks").map(({ blocks }) => blocks)).toEqual([[first.block]]);
  });

  test("not at all where nothing was asked for", () => {
    const lone = new LoneReplica({ set, parameters: quiet });
    for (let at = 0; at <= looseBlocksMax; at++)
      lone.receive(2, { type: "blocks", blocks: [blockOn(genesis, { view: at + 1 }).block] });
    lone.receive(2, { type: "blocks", blocks: [first.block] });
    lone.receive(3, { type: "fetch-blocks", epoch: 0, digests: [first.digest] });
    expect(lone.effects).toEqual([]);
  });
});

describe("a question for blocks is answered", () => {
  /** Open blocks side by side, each with this many bytes as an answer counts them. */
  const openBlocks = (bytes: readonly number[]) =>
    bytes.map((wanted, at) => {
      const head = `note:${at}:`;
      const bare = blockBytes(blockOn(genesis, { view: at + 1, texts: [head] }).block);
      return blockOn(genesis, { view: at + 1, texts: [head + "x".repeat(wanted - bare)] });
    });
  const answered = (blocks: readonly Made[]) => {
    const lone = new LoneReplica({
      set,
      parameters: quiet,
      recovered: { blocks: blocks.map(({ block }) => block) },
    });
    const digests = blocks.map(({ digest }) => digest);
    lone.receive(2, { type: "fetch-blocks", epoch: 0, digests });
    return lone.sent("blocks").map((answer) => answer.blocks.length);
  };
  const quarter = answerBytesMax / 4;

  test("with as many as answerBytesMax holds, and no more", () => {
    expect(answered(openBlocks([quarter, quarter, quarter, quarter]))).toEqual([4]);
    expect(answered(openBlocks([quarter, quarter, quarter, quarter + 1]))).toEqual([3]);
  });

  test("with one at least, however long", () => {
    expect(answered(openBlocks([answerBytesMax + 1, quarter]))).toEqual([1]);
  });

  test("not where none is here, nor by heights that are not final here", () => {
    const lone = caughtUp();
    lone.receive(2, { type: "fetch-blocks", epoch: 0, digests: [digestOf("unknown")] });
    expect(lone.effects).toEqual([]);
    for (const from of [0, 2, Number.MAX_SAFE_INTEGER]) {
      lone.receive(2, { type: "fetch-heights", from });
      expect(lone.effects).toEqual([]);
    }
    for (const height of [0, 2]) {
      lone.receive(2, { type: "fetch-ancestors", height });
      expect(lone.effects).toEqual([]);
    }
    lone.receive(2, { type: "fetch-heights", from: 1 });
    expect(lone.effects).toEqual([{ type: "serve-heights", to: 2, from: 1 }]);
  });
});

describe("a question for certificates is answered", () => {
  const views = fetchItemsMax + 6;
  const lone = new LoneReplica({ set, parameters: quiet });
  for (let view = 1; view <= views; view++) lone.certificate(nullify(view), others);
  lone.certificate(notarize(2, first.digest, 0), others);
  const asked = (from: number, to: number) =>
    lone
      .receive(2, { type: "fetch-certificates", epoch: 0, from, to })
      .sent("certificate")
      .map(({ certificate }) => `${certificate.ballot.kind} ${certificate.ballot.view}`);

  test("with all that is held of the views, both kinds, in their order", () => {
    expect(asked(1, 3)).toEqual(["nullify 1", "notarize 2", "nullify 2", "nullify 3"]);
    expect(asked(views, views)).toEqual([`nullify ${views}`]);
  });

  test("of fetchItemsMax views at most, and of none that is not open here", () => {
    expect(asked(3, 2 + fetchItemsMax)).toHaveLength(fetchItemsMax);
    expect(asked(3, 3 + fetchItemsMax)).toHaveLength(fetchItemsMax);
    expect(asked(3, Number.MAX_SAFE_INTEGER)).toHaveLength(fetchItemsMax);
    expect(asked(views + 1, Number.MAX_SAFE_INTEGER)).toEqual([]);
    expect(asked(0, 0)).toEqual([]);
    expect(asked(9, 8)).toEqual([]);
  });
});

describe("a status", () => {
  test("with a height and a view that nothing proves leads nowhere", () => {
    const lone = caughtUp();
    const { view } = lone.status;
    lone.receive(1, status({ view: 9_000, finalHeight: 9_000, sealedSize: 10n ** 9n }));
    expect(lone.effects).toEqual([]);
    expect(lone.status).toMatchObject({ view, finalHeight: 1 });
    expect(lone.wait(10_000).sent("fetch-heights")).toEqual([]);
  });

  test("with certificates brings its receiver as far as they prove", () => {
    const lone = new LoneReplica({ set, parameters: quiet });
    const entry = certificateOf(set, nullify(2), others);
    lone.receive(1, status({ view: 90, finalHeight: 90, final: finalOf(first), entry }));
    expect([lone.status.view, lone.disk.height]).toEqual([3, 0]);
    // Asked of who says to have them; the body of a proved final block is what is missing.
    expect(lone.sent("fetch-heights")).toEqual([{ type: "fetch-heights", from: 1 }]);
    expect(lone.sentTo("fetch-heights")).toEqual([1]);
    lone.receive(1, finalBlocks(first, first));
    expect([lone.disk.height, lone.status.view]).toEqual([1, 3]);
  });

  test("with a certificate that is none is counted for it; one of another epoch is passed over", () => {
    const lone = new LoneReplica({ set, parameters: quiet });
    const repeated = certificateOf(set, nullify(7), [1, 2, 2]);
    lone.receive(1, status({ view: 8, entry: repeated }));
    expect(lone.faults).toEqual(["CERTIFICATE_SIGNER_REPEATED"]);
    const foreign = certificateOf(setOf(4, 1), nullify(7), others);
    lone.receive(1, status({ view: 8, entry: foreign, final: foreign }));
    expect(lone.faults).toEqual([]);
    expect(lone.status.view).toBe(1);
  });

  test("of who lacks a seal is answered with it", () => {
    const lone = caughtUp();
    expect(lone.receive(2, status({ finalHeight: 1 })).sent("sealed")).toEqual([]);
    const point = present(lone.disk.unsealed, "a point that waits for its seal");
    const seals = others.map((validator) => ({
      validator,
      payload: sealOf(`v${validator}`, point),
    }));
    const sealed = { type: "sealed", epoch: 0, size: point.size, seals } as const;
    lone.receive(3, sealed);
    expect(lone.all("sealed")).toHaveLength(1);
    expect(lone.receive(2, status({ finalHeight: 1 })).sent("sealed")).toEqual([sealed]);
    const held = status({ finalHeight: 1, sealedSize: point.size });
    expect(lone.receive(2, held).effects).toEqual([]);
  });

  test("of a question is answered with every vote of the asker that is here, and asks nothing", () => {
    const lone = new LoneReplica({ set, parameters: quiet }).votes([2], nullify(1));
    lone.votes([2], notarize(3, digestOf("block")));
    const question = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    lone.receive(2, status({ question }));
    const [answer, ...more] = lone.sent("status");
    expect(more).toEqual([]);
    expect(answer?.question).toBeUndefined();
    expect(answer?.answer?.question).toEqual(question);
    expect(answer?.answer?.votes.map(({ ballot }) => ballot)).toEqual([
      notarize(3, digestOf("block")),
      nullify(1),
    ]);
    expect(lone.receive(2, status({ question, epoch: 1 })).sent("status")).toEqual([]);
  });
});

test("an answer holds votesPerStatusMax votes, those of the newest views", () => {
  const lone = new LoneReplica({ set, parameters: quiet });
  const views = votesPerStatusMax / 2 + 1;
  const held = (count: number) => {
    lone.receive(2, status({ question: new Uint8Array(8) }));
    const votes = lone.sent("status")[0]?.answer?.votes ?? [];
    expect(votes).toHaveLength(count);
    return votes.map(({ ballot }) => ballot.view);
  };
  for (let view = 1; view < views; view++) {
    lone.votes([2], nullify(view));
    lone.votes([2], notarize(view, digestOf("block")));
    lone.certificate(nullify(view), others);
  }
  expect(Math.min(...held(votesPerStatusMax))).toBe(1);
  lone.votes([2], nullify(views));
  const newest = held(votesPerStatusMax);
  expect([newest[0], newest.filter((view) => view === 1).length]).toEqual([views, 1]);
});

test("a message of nobody, or of oneself, is no message", () => {
  const lone = new LoneReplica({ set, parameters: quiet });
  for (const from of [0, 4, -1]) {
    lone.receive(from, finalBlocks(first, first));
    expect([lone.effects, lone.disk.height]).toEqual([[], 0]);
  }
  expect(lone.disk.tip().digest).toEqual(channel);
});

test("a proposal that came before the certificates is not asked for again", () => {
  const lone = new LoneReplica({ set, parameters: quiet }).receive(1, proposalOf(set, first));
  lone.certificate(finalize(1, first.digest), others);
  expect(lone.sent("fetch-blocks")).toEqual([]);
  expect(lone.disk.height).toBe(1);
});
