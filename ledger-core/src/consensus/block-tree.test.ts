import { describe, expect, test } from "vitest";
import type { BlockWish, Made } from "../../../test/support/consensus-blocks.ts";
import { blockOn, genesis } from "../../../test/support/consensus-blocks.ts";
import {
  channel,
  digestOf,
  notarize,
  nullify,
  portsOf,
  proofOf,
  setOf,
  wallStart,
} from "../../../test/support/consensus-fixture.ts";
import type { FakeState } from "../../../test/support/fake-ledger.ts";
import { FakeLedger, genesisTip, nextEpochOf } from "../../../test/support/fake-ledger.ts";
import { InvariantError } from "../base/assert.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Header } from "./block.ts";
import { headerDigest } from "./block.ts";
import { BlockTree } from "./block-tree.ts";
import { blockBytesMax, blockTransactionsMax, looseBlocksMax } from "./limits.ts";
import type { FinalTip } from "./replica-io.ts";

const validators = setOf(4);
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const second = blockOn(first, { view: 2, texts: ["note:b"] });
const third = blockOn(second, { view: 3, texts: ["note:c"] });

function treeOf(...blocks: readonly Made[]) {
  const tree = new BlockTree<FakeState>(
    portsOf("v0"),
    { channel, validators },
    genesisTip(channel),
  );
  for (const { block } of blocks) tree.add(block, { kept: true });
  return tree;
}

function tipAt({ block, digest, state }: Made): FinalTip<FakeState> {
  const { view, height, time, logSize, logRoot } = block.header;
  return { view, height, digest, time, logSize, logRoot, state };
}

/** The block with other transactions, to which its header commits. */
function withBody({ block, state }: Made, transactions: readonly Uint8Array[]): Made {
  const header = { ...block.header, txRoot: new FakeLedger().txRoot(transactions) };
  const changed = { ...block, header, transactions };
  return { block: changed, digest: headerDigest(nodeCrypto, header), state };
}

/** What is wrong with a block on its parents. */
function verdict(made: Made, ...parents: readonly Made[]): string | undefined {
  const tree = treeOf(...parents);
  const node = tree.add(made.block, { kept: true });
  return tree.execute(node) === "executed" ? undefined : (node.invalid ?? "pending");
}

test("BlockTree knows what executed blocks that were voted for or certified would order", () => {
  const tree = treeOf(first, second);
  tree.add(blockOn(first, { view: 3, texts: ["note:loose"] }).block, { kept: false });
  expect(tree.openIds).toEqual(new Set());
  for (const made of [first, second]) {
    const node = tree.get(made.digest);
    expect(node !== undefined && tree.execute(node)).toBe("executed");
  }
  expect(tree.openIds).toEqual(new Set(["note:a", "note:b"]));
  tree.advance(tipAt(first));
  expect(tree.openIds).toEqual(new Set(["note:b"]));
});

describe("BlockTree executes", () => {
  test("a block with all its ancestors, and leaves the parents' states as they were", () => {
    const tree = treeOf(first, second, third);
    const node = tree.get(third.digest);
    expect(node !== undefined && tree.execute(node)).toBe("executed");
    expect(node?.executed?.ids).toEqual(["note:c"]);
    expect(node?.executed?.state.ids).toEqual(new Set(["note:a", "note:b", "note:c"]));
    expect(tree.get(first.digest)?.executed?.state.ids).toEqual(new Set(["note:a"]));
    expect(node !== undefined && tree.execute(node)).toBe("executed");
  });

  test("two children of one parent side by side", () => {
    const other = blockOn(first, { view: 3, texts: ["note:b"] });
    expect(verdict(second, first)).toBeUndefined();
    expect(verdict(other, first)).toBeUndefined();
  });

  test("nothing whose ancestor is not here, and says which is missing", () => {
    const tree = treeOf(third);
    const node = tree.add(third.block, { kept: true });
    expect(tree.execute(node)).toBe("pending");
    expect(node.invalid).toBeUndefined();
    expect(tree.chainTo(third.digest)).toEqual({ missing: second.digest, height: 2 });
    expect(tree.chainTo(digestOf("unknown"))).toEqual({ missing: digestOf("unknown") });
    tree.add(second.block, { kept: false });
    tree.add(first.block, { kept: false });
    expect(tree.execute(node)).toBe("executed");
    expect(tree.chainTo(channel)).toEqual({ blocks: [] });
  });
});

describe("BlockTree finds invalid", () => {
  const onFirst = (wish: Partial<BlockWish>) => blockOn(first, { view: 2, ...wish });
  const changed = (change: Partial<Header>) => onFirst({ change });
  const next = nextEpochOf(["v1"], channel);
  const asks = blockOn(genesis, { view: 1, texts: ["set:v1,v2"] });
  const rightNext = asks.state.next;
  const legal = proofOf(validators, 2, [notarize(1, channel), nullify(1)]);

  test.each([
    ["BLOCK_OTHER_CHANNEL", changed({ channel: digestOf("other") })],
    ["BLOCK_OTHER_EPOCH", changed({ epoch: 1 })],
    ["BLOCK_HEIGHT_WRONG", changed({ height: 3 })],
    ["BLOCK_HEIGHT_WRONG", changed({ height: 1 })],
    ["BLOCK_VIEW_WRONG", changed({ view: 1 })],
    ["BLOCK_VIEW_WRONG", changed({ parentView: 2 })],
    ["BLOCK_TIME_BACK", changed({ time: unixMillis(wallStart - 1) })],
    ["BLOCK_BOUNDARY_WRONG", changed({ boundary: next })],
    ["BLOCK_EQUIVOCATIONS_WRONG", onFirst({ equivocations: [legal] })],
    ["BLOCK_ROOTS_WRONG", changed({ stateRoot: digestOf("none") })],
    ["BLOCK_ROOTS_WRONG", changed({ logRoot: digestOf("none") })],
    ["BLOCK_ROOTS_WRONG", changed({ logSize: 99n })],
  ])("%s (%#)", (code, made) => {
    expect(verdict(made, first)).toBe(code);
  });

  test("what the ledger refuses, under its own code", () => {
    expect(verdict(withBody(second, first.block.transactions), first)).toBe("FAKE_KNOWN");
  });

  test("the time of the parent is not back", () => {
    expect(verdict(onFirst({ time: wallStart }), first)).toBeUndefined();
  });

  test("a boundary that is not the one that the state asks for, or that is left out", () => {
    const without = blockOn(asks, { view: 2, texts: ["note:a"] });
    const wrong = blockOn(asks, { view: 2, boundary: next });
    if (rightNext === undefined) throw new Error("the fake ledger asks for a boundary");
    const right = blockOn(asks, { view: 2, boundary: rightNext });
    expect(verdict(without, asks)).toBe("BLOCK_BOUNDARY_WRONG");
    expect(verdict(wrong, asks)).toBe("BLOCK_BOUNDARY_WRONG");
    expect(verdict(right, asks)).toBeUndefined();
    const full = withBody(right, first.block.transactions);
    expect(verdict(full, asks)).toBe("BLOCK_BOUNDARY_NOT_EMPTY");
    expect(verdict(blockOn(right, { view: 3 }), asks, right)).toBe("BLOCK_AFTER_BOUNDARY");
  });

  test("more than blockTransactionsMax, or more than blockBytesMax together", () => {
    const one = Uint8Array.of(1);
    const of = (transactions: readonly Uint8Array[]) =>
      verdict(withBody(second, transactions), first);
    expect(of(Array.from({ length: blockTransactionsMax }, () => one))).toBe("FAKE_NO_TRANSACTION");
    expect(of(Array.from({ length: blockTransactionsMax + 1 }, () => one))).toBe("BLOCK_TOO_LONG");
    const half = new Uint8Array(blockBytesMax / 2);
    expect(of([half, half])).toBe("FAKE_NO_TRANSACTION");
    expect(of([half, half, one])).toBe("BLOCK_TOO_LONG");
  });

  test("nothing where the body is not the header's: that is no block, and the right one may come", () => {
    const root = digestOf("none");
    const bodies = [
      { ...second.block, transactions: first.block.transactions },
      { ...second.block, transactions: [] },
      { ...second.block, equivocations: [legal] },
      changed({ txRoot: root }).block,
      changed({ equivocationRoot: root }).block,
    ];
    for (const block of bodies) {
      const tree = treeOf(first);
      const node = tree.add(block, { kept: true });
      expect([tree.execute(node), node.invalid]).toEqual(["pending", undefined]);
      expect(tree.chainTo(node.digest)).toEqual({ missing: node.digest });
      const right = tree.add(second.block, { kept: true });
      expect(tree.execute(right)).toBe("executed");
    }
  });

  test("every descendant of an invalid block, without executing it", () => {
    const wrong = changed({ logSize: 99n });
    const child = blockOn(wrong, { view: 3 });
    const grandchild = blockOn(child, { view: 4 });
    expect(verdict(grandchild, first, wrong, child)).toBe("BLOCK_PARENT_INVALID");
    const tree = treeOf(first, wrong);
    const node = tree.add(wrong.block, { kept: true });
    expect([tree.execute(node), tree.execute(node)]).toEqual(["invalid", "invalid"]);
  });
});

describe("BlockTree keeps", () => {
  test("looseBlocksMax blocks that nobody voted for, the newest, and all others", () => {
    const tree = treeOf(first);
    const loose = Array.from({ length: looseBlocksMax + 1 }, (_, at) =>
      blockOn(first, { view: 2 + at }),
    );
    for (const { block } of loose) tree.add(block, { kept: false });
    const here = loose.map(({ digest }) => tree.get(digest) !== undefined);
    expect(here).toEqual([false, ...Array.from({ length: looseBlocksMax }, () => true)]);
    expect(tree.get(first.digest)).toBeDefined();
    // Once voted for it no longer makes room, and is not added twice.
    const [, oldest] = loose;
    if (oldest === undefined) throw new Error("no block");
    expect(tree.add(oldest.block, { kept: true }).kept).toBe(true);
    expect(tree.add(oldest.block, { kept: false }).kept).toBe(true);
    tree.add(blockOn(first, { view: 999 }).block, { kept: false });
    tree.add(blockOn(first, { view: 1_000 }).block, { kept: false });
    expect(tree.get(oldest.digest)).toBeDefined();
  });

  test("what lies above the final block, once that advances", () => {
    const sibling = blockOn(first, { view: 4 });
    const tree = treeOf(first, second, third, sibling);
    tree.advance(tipAt(second));
    expect([tree.tip.height, tree.isTip(second.digest)]).toEqual([2, true]);
    const here = [first, second, sibling, third].map(({ digest }) => tree.get(digest));
    expect(here.map((node) => node !== undefined)).toEqual([false, false, false, true]);
    const node = tree.add(third.block, { kept: true });
    expect(tree.execute(node)).toBe("executed");
    expect(() => tree.advance(tipAt(first))).toThrow(InvariantError);
  });

  test("no other history: a chain that goes below the final block is missing there", () => {
    const sibling = blockOn(genesis, { view: 4, texts: ["note:z"] });
    const child = blockOn(sibling, { view: 5 });
    const tree = treeOf(first);
    tree.advance(tipAt(first));
    tree.add(sibling.block, { kept: false });
    tree.add(child.block, { kept: false });
    expect(tree.chainTo(child.digest)).toEqual({ missing: sibling.digest });
  });

  test("a count of what is open: transactions and boundaries that were voted for", () => {
    expect(treeOf().hasOpenTransactions).toBe(false);
    expect(treeOf(first).hasOpenTransactions).toBe(true);
    expect(treeOf(blockOn(genesis, { view: 1 })).hasOpenTransactions).toBe(false);
    const boundary = nextEpochOf(["v1"], channel);
    expect(treeOf(blockOn(genesis, { view: 1, boundary })).hasOpenTransactions).toBe(true);
    const tree = treeOf();
    tree.add(first.block, { kept: false });
    expect(tree.hasOpenTransactions).toBe(false);
  });
});
