/** Final blocks that no message holds: their end first, then backwards, and no more than there is room for. */

import { describe, expect, test } from "vitest";
import type { Made } from "../../../test/support/consensus-blocks.ts";
import { blockOn, genesis } from "../../../test/support/consensus-blocks.ts";
import { certificateOf, finalize, setOf } from "../../../test/support/consensus-fixture.ts";
import { FakeNetwork } from "../../../test/support/fake-network.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { present } from "../base/assert.ts";
import type { Block } from "./block.ts";
import { blockBytes } from "./block.ts";
import { blockBytesMax, tailBytesMax, transactionBytesMax } from "./limits.ts";
import type { FinalBlocks } from "./message.ts";

const set = setOf(4);

/** So many blocks in a row, each as big as the limits allow. */
function bigChain(count: number): readonly Made[] {
  const made: Made[] = [];
  for (let view = 1; view <= count; view++) {
    const texts = Array.from({ length: blockBytesMax / transactionBytesMax }, (_, at) =>
      `note:${view}-${at}-`.padEnd(transactionBytesMax, "x"),
    );
    made.push(blockOn(made.at(-1) ?? genesis, { view, texts }));
  }
  return made;
}

/** The last of them as a peer has them, under the one certificate that there is. */
function tailOf(chain: readonly Made[], count: number): FinalBlocks {
  const { digest, block } = present(chain.at(-1), "a block");
  const { view, parentView } = block.header;
  return {
    type: "final-blocks",
    blocks: chain.slice(-count).map((made) => made.block),
    certificate: certificateOf(set, finalize(view, digest, parentView)),
  };
}
const newestFirst = (chain: readonly Made[], from: number, to: number): readonly Block[] =>
  chain
    .slice(from, to)
    .map(({ block }) => block)
    .reverse();

describe("a replica that is behind by more than a message", () => {
  test("takes the end, asks for what comes before it, and commits all of it at once", () => {
    const chain = bigChain(5);
    const lone = new LoneReplica({ set }).receive(2, tailOf(chain, 1));
    expect(lone.disk.height).toBe(0);
    expect(lone.sent("fetch-ancestors")).toEqual([{ type: "fetch-ancestors", height: 4 }]);
    expect(lone.sentTo("fetch-ancestors")).toEqual([2]);
    expect(lone.sent("fetch-heights")).toEqual([]);
    lone.receive(2, { type: "blocks", blocks: newestFirst(chain, 2, 4) });
    expect(lone.sent("fetch-ancestors")).toEqual([{ type: "fetch-ancestors", height: 2 }]);
    lone.receive(2, { type: "blocks", blocks: newestFirst(chain, 0, 2) });
    expect(lone.all("commit").map(({ blocks }) => blocks.length)).toEqual([5]);
    expect(lone.disk.height).toBe(5);
  });

  test("asks another peer where one does not answer, and believes no block that is not the parent", () => {
    const chain = bigChain(3);
    const lone = new LoneReplica({ set }).receive(2, tailOf(chain, 1));
    const [first, second] = chain;
    lone.receive(2, { type: "blocks", blocks: [present(first, "block").block] });
    lone.receive(2, {
      type: "blocks",
      blocks: [{ ...present(second, "block").block, transactions: [] }],
    });
    expect(lone.disk.height).toBe(0);
    lone.wait(2_000);
    expect(lone.sentTo("fetch-ancestors").slice(0, 2)).toEqual([3, 1]);
    lone.receive(1, { type: "blocks", blocks: newestFirst(chain, 0, 2) });
    expect(lone.disk.height).toBe(3);
  });

  test("gives up what there is no room for, and begins anew from where it is", () => {
    const size = blockBytes(present(bigChain(1)[0], "block").block);
    const room = Math.floor(tailBytesMax / size);
    const chain = bigChain(room + 2);
    const lone = new LoneReplica({ set }).receive(1, tailOf(chain, 1));
    lone.receive(1, { type: "blocks", blocks: newestFirst(chain, 2, room + 1) });
    expect(lone.sent("fetch-ancestors")).toEqual([{ type: "fetch-ancestors", height: 2 }]);
    lone.receive(1, { type: "blocks", blocks: newestFirst(chain, 1, 2) });
    expect(lone.sent("fetch-heights")).toEqual([{ type: "fetch-heights", from: 1 }]);
    expect(lone.sent("fetch-ancestors")).toEqual([]);
    // A nearer certificate still brings it on.
    const near = chain.slice(0, 2);
    lone.receive(3, tailOf(near, 1));
    lone.receive(3, { type: "blocks", blocks: newestFirst(near, 0, 1) });
    expect(lone.disk.height).toBe(2);
  });
});

test("engines catch up over an answer in parts", () => {
  const network = new FakeNetwork(set);
  network.passes = ({ from, to }) => from !== "v3" && to !== "v3";
  for (let round = 0; round < 7; round++) {
    network.submit("v0", `note:${round}`);
    network.run(3_000);
  }
  for (const { disk } of network.nodes.values()) {
    disk.servedMax = 2;
    // As if one certificate had finalized it all.
    const last = disk.chain.length;
    for (const height of disk.finalizations.keys())
      if (height < last) disk.finalizations.delete(height);
  }
  const { height } = network.node("v0").disk;
  expect(height).toBeGreaterThan(4);
  network.passes = () => true;
  expect(network.run(60_000, () => network.node("v3").disk.height >= height)).toBe(true);
  expect(network.count("fetch-ancestors")).toBeGreaterThan(1);
});
