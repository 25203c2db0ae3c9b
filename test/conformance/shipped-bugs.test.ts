/** The bugs that other projects shipped (CONSENSUS, "Bugs that others shipped"), each row by its name. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import { faultsTolerated, quorumOf } from "@tamga/ledger-core/base/quorum";
import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import type { Message } from "@tamga/ledger-core/consensus/message";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../support/consensus-blocks.ts";
import {
  certificateOf,
  finalize,
  momentAt,
  notarize,
  nullify,
  setOf,
  voteMessage,
} from "../support/consensus-fixture.ts";
import { blockVote, blockWrite, digestOf, sampleBlock } from "../support/consensus-samples.ts";
import { FakeNetwork } from "../support/fake-network.ts";
import { LoneReplica } from "../support/lone-replica.ts";

const set = setOf(4);
const others = [1, 2, 3];
const quiet = { parameters: { keepAliveMs: 1_000_000 } };
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const rival = blockOn(genesis, { view: 1, texts: ["note:z"] });

/** Each validator's chain is the beginning of the longest one. */
function expectOneChain(network: FakeNetwork): void {
  const chains = network.up.map(({ disk }) => disk.chain.map(({ digest }) => digest.join()));
  const longest = chains.toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const chain of chains) expect(chain).toEqual(longest.slice(0, chain.length));
}

describe("IBFT 1 (Celo #366, Quorum #305): f for A and 2f for B halt it for ever", () => {
  test("a leader splits the votes and is gone: the next view goes on, with one of the blocks or another", () => {
    const network = new FakeNetwork(set);
    network.crash("v1");
    network.deliver({ from: "v1", to: "v0", message: proposalOf(set, first) });
    for (const to of ["v2", "v3"])
      network.deliver({ from: "v1", to, message: proposalOf(set, rival) });
    const votes = network.log.filter(({ message }) => message.type === "vote");
    expect(new Set(votes.map(({ from }) => from))).toEqual(new Set(["v0", "v2", "v3"]));
    network.submit("v0", "note:b");
    const isDone = () =>
      network.up.every(({ disk }) => disk.chain.some(({ ids }) => ids.includes("note:b")));
    expect(network.run(20_000, isDone)).toBe(true);
    expectOneChain(network);
  });

  test("two have a notarization that the third lacks: it is told, and nobody waits for a lock", () => {
    const network = new FakeNetwork(set);
    network.passes = ({ to, message }) => to !== "v3" || message.type !== "certificate";
    network.crash("v1");
    for (const to of ["v0", "v2", "v3"])
      network.deliver({ from: "v1", to, message: proposalOf(set, first) });
    network.submit("v0", "note:b");
    const isDone = () => network.up.every(({ disk }) => disk.height >= 2);
    expect(network.run(60_000, isDone)).toBe(true);
    expectOneChain(network);
  });
});

describe("ARK Mainsail (#1449, #1450, #1482): any valid proposal, no record, a view that changed, view 0", () => {
  test("a second valid proposal of a view gets no vote, nor after a restart", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    expect(lone.voted).toEqual(["notarize 1"]);
    for (const one of [lone, lone.restart()]) {
      one.receive(1, proposalOf(set, rival));
      expect(one.voted).not.toContain("notarize 1");
    }
  });

  test("what was signed is on disk before it leaves, and is sent again to the byte", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    const kinds = lone.effects.map(({ type }) => type);
    expect(kinds.indexOf("persist")).toBe(0);
    const [sent] = lone.sent("vote");
    expect(lone.restart().wait(100).sent("vote")).toEqual([sent]);
  });

  test("a step is over when it returns: nothing is awaited between reading a view and signing it", () => {
    const lone = new LoneReplica({ set, ...quiet });
    const message = proposalOf(set, first);
    const result = lone.replica.step({ type: "message", from: 1, message }, momentAt(2));
    expect(result).not.toBeInstanceOf(Promise);
    expect(result.effects.some(({ type }) => type === "persist")).toBe(true);
  });

  test("view 0 exists: an epoch's first block builds on it, and is finalized at it", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    expect(first.block.header.parentView).toBe(0);
    lone.certificate(notarize(1, first.digest, 0), others);
    expect(lone.voted).toEqual(["finalize 1"]);
    const third = blockOn(genesis, { view: 3, parentView: 0, texts: ["note:c"] });
    const skipped = [2, 1].map((view) => certificateOf(set, nullify(view), others));
    const late = new LoneReplica({ set, ...quiet });
    late.receive(3, proposalOf(set, third, { nullifications: skipped }));
    expect(late.voted).toEqual(["notarize 3"]);
    late.certificate(finalize(3, third.digest, 0), others);
    expect(late.status.finalHeight).toBe(1);
  });

  test("index 0, and a first proposal at time 0, exist as well", () => {
    const lone = new LoneReplica({ set, self: 1, now: 0, ...quiet }).submit("note:a");
    expect(lone.sent("propose")).toHaveLength(1);
    lone.votes([0], nullify(1));
    lone.votes([2], nullify(1));
    expect(lone.sent("certificate").map(({ certificate }) => certificate.voters)).toEqual([
      [0, 1, 2],
    ]);
  });
});

describe("ava-labs/Simplex #280: FINALIZE for a view that it had nullified", () => {
  test("is refused from the durable row: also after a restart, with the notarization at hand", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    lone.votes([2, 3], nullify(1));
    expect(lone.voted).toContain("nullify 1");
    for (const one of [lone, lone.restart()]) {
      one.certificate(notarize(1, first.digest), others);
      expect(one.voted).not.toContain("finalize 1");
      expect(one.wait(10_000).voted).not.toContain("finalize 1");
    }
    const row = present(lone.disk.rows.get("0 1"), "the row of view 1");
    expect([row.nullified !== undefined, row.finalized]).toEqual([true, undefined]);
  });

  test("and NULLIFY for one that it had finalized", () => {
    const lone = new LoneReplica({ set, ...quiet }).receive(1, proposalOf(set, first));
    lone.certificate(notarize(1, first.digest), others);
    expect(lone.voted).toEqual(["finalize 1"]);
    for (const one of [lone, lone.restart()]) {
      one.votes(others, nullify(1));
      expect(one.wait(10_000).voted).not.toContain("nullify 1");
    }
  });
});

describe("ava-labs/Simplex #545, #551: heights reused by filler blocks, votes of the old epoch replayed", () => {
  const asks = blockOn(genesis, { view: 1, texts: ["set:v1,v2"] });
  const boundary = blockOn(asks, { view: 2, boundary: present(asks.state.next, "an epoch") });

  test("until the boundary is final nothing but itself may follow it, at its height or above", () => {
    const voterAt = (made: typeof first, by: number, view: number) => {
      const lone = new LoneReplica({ set, ...quiet });
      lone.receive(1, {
        type: "final-blocks",
        blocks: [asks.block],
        certificate: certificateOf(set, finalize(1, asks.digest), others),
      });
      lone.receive(2, proposalOf(set, boundary));
      lone.certificate(notarize(2, boundary.digest), others);
      return lone.receive(by, proposalOf(set, made, { view, parentView: 2 })).voted;
    };
    const filler = blockOn(boundary, { view: 3, texts: ["note:x"] });
    expect(voterAt(filler, 3, 3)).toEqual(["nullify 3"]);
    expect(voterAt(boundary, 3, 3)).toEqual(["notarize 3"]);
  });

  test("rows and votes are of (channel, epoch, view): an old vote is no vote in the new epoch", () => {
    const next = setOf(4, 1);
    const lone = new LoneReplica({ set: next, ...quiet });
    const replayed: Message[] = others.flatMap((voter) => [
      voteMessage(set, voter, nullify(1)),
      { ...voteMessage(set, voter, nullify(1)), epoch: 1 },
    ]);
    for (const message of replayed) lone.receive(1, message);
    expect([lone.status.view, lone.voted]).toEqual([1, []]);
    // Its own row of the same view in the old epoch says nothing here either.
    const { signature } = voteMessage(set, 0, nullify(1)).vote;
    const rows = [{ epoch: 0, view: 1, nullified: { signature } }];
    const again = new LoneReplica({ set: next, ...quiet, recovered: { rows } });
    again.votes([next.leaderOf(1)], nullify(1));
    expect(again.sent("vote").map(({ epoch }) => epoch)).toEqual([1]);
    expect(again.sent("vote")[0]?.vote.signature).not.toEqual(signature);
  });
});

test("Commonware #4275: own NULLIFY counts again after a restart, else it is one short for ever", () => {
  const lone = new LoneReplica({ set, ...quiet }).submit("note:a").wait(200);
  expect(lone.voted).toContain("nullify 1");
  const again = lone.restart();
  again.votes([2], nullify(1));
  expect(again.status.view).toBe(1);
  again.votes([3], nullify(1));
  expect(again.status.view).toBe(2);
  // And it is sent again, for those who never had it.
  expect(lone.restart().wait(100).voted).toContain("nullify 1");
});

test("Commonware #733: any two quorums of n = 1..64 share an honest validator, and the honest are a quorum", () => {
  for (let n = 1; n <= 64; n++) {
    const [f, q] = [faultsTolerated(n), quorumOf(n)];
    expect(2 * q - n).toBeGreaterThan(f);
    expect(n - f).toBeGreaterThanOrEqual(q);
    expect([3 * f < n, 3 * (f + 1) >= n]).toEqual([true, true]);
    const of = setOf(Array.from({ length: n }, (_, at) => `v${at}`));
    expect([of.faults, of.quorum]).toEqual([f, q]);
  }
});

test("Commonware #3727: blocks, states, certificate and floor are one commit, before anything that follows", () => {
  const network = new FakeNetwork(set);
  network.submit("v0", "note:a");
  network.run(5_000);
  for (const { effects } of network.nodes.values()) {
    const commits = effects.filter((effect) => effect.type === "commit");
    expect(commits.length).toBeGreaterThan(0);
    for (const commit of commits) expectWhole(commit);
  }
});

/** It has all that a restart needs, and fits together. */
function expectWhole({ blocks, certificate, floor }: CommitEffect): void {
  const { digest, block, state } = present(blocks.at(-1), "a final block");
  const { ballot } = certificate;
  expect(ballot.kind).toBe("finalize");
  expect("digest" in ballot && equal(ballot.digest, digest)).toBe(true);
  expect(state.size).toBe(block.header.logSize);
  expect(floor).toEqual({ epoch: certificate.epoch, view: ballot.view });
}
type CommitEffect = Extract<EngineEffect<{ readonly size: bigint }>, { readonly type: "commit" }>;

describe("Tendermint #247, #8739: a torn end of the log is skipped in silence, and votes are signed twice", () => {
  const channel = digestOf("channel");
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tamga-torn-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** What a store says whose process was killed, its write-ahead log changed in between. */
  function afterKill(change: (log: Uint8Array) => Uint8Array) {
    const path = join(directory, "votes.db");
    const copy = join(directory, "copy.db");
    const store = SqliteVoteStore.open(path, nodeCrypto);
    store.begin(channel, { amnesia: false });
    for (let view = 1; view <= 20; view++) {
      const notarized = blockVote("a", view);
      const block = sampleBlock({ view }, [new Uint8Array(500)]);
      const writes = [
        blockWrite(block),
        { type: "vote", row: { epoch: 0, view, notarized } },
      ] as const;
      store.write([{ channel, writes }]);
    }
    const whole = store.load(channel);
    copyFileSync(path, copy);
    const log = new Uint8Array(readFileSync(`${path}-wal`));
    store.close();
    writeFileSync(`${copy}-wal`, change(log));
    const killed = SqliteVoteStore.open(copy, nodeCrypto);
    try {
      return { whole, found: killed.load(channel) };
    } finally {
      killed.close();
    }
  }

  test("all that was committed is there after a kill", () => {
    const { whole, found } = afterKill((log) => log);
    expect(whole.rows).toHaveLength(20);
    expect(found).toEqual(whole);
  });

  test.each([0.002, 0.1, 0.3, 0.5, 0.7, 0.9])(
    "a byte that decayed in what was committed stops the node, which says where (%d of the log)",
    (share) => {
      const decayed = () => afterKill((log) => flipped(log, Math.floor(log.length * share)));
      expect(decayed).toThrow(
        expect.objectContaining({
          code: "DATABASE_CORRUPT",
          message: expect.stringMatching(/frame \d+ of its -wal is not what was written/),
        }),
      );
    },
  );

  test("in the newest commit alone it looks as one that was cut off: a peer that holds the vote tells", () => {
    const { whole, found } = afterKill((log) => flipped(log, log.length - 100));
    expect(found.rows).toEqual(whole.rows.slice(0, -1));
    const lone = new LoneReplica({ set, ...quiet }).receive(1, voteMessage(set, 0, nullify(1)));
    expect([lone.status.abstaining, lone.submit("note:a").wait(1_000).voted]).toEqual([true, []]);
  });

  test("a write that was cut off is not there, and nothing before it is missing", () => {
    const { whole, found } = afterKill((log) => {
      const torn = new Uint8Array(log.length + 3_000).fill(7);
      torn.set(log);
      return torn;
    });
    expect(found).toEqual(whole);
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    const last = afterKill((log) => log.subarray(0, log.length - 100));
    expect(last.found.rows).toEqual(last.whole.rows.slice(0, -1));
  });
});

function flipped(log: Uint8Array, at: number): Uint8Array {
  const bytes = new Uint8Array(log);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

describe("CometBFT ASA-2025-001: a peer's declared height is believed", () => {
  const status = {
    type: "status",
    epoch: 0,
    view: 9_000,
    finalHeight: 9_000,
    sealedSize: 9_000n,
  } as const;

  test("a height without a certificate leads nowhere, and holds nobody up", () => {
    const network = new FakeNetwork(set);
    network.deliver({ from: "v3", to: "v0", message: status });
    network.crash("v3");
    expect(network.node("v0").engine.status()).toMatchObject({ view: 1, finalHeight: 0 });
    network.submit("v0", "note:a");
    expect(network.run(20_000, () => network.node("v0").disk.height === 1)).toBe(true);
  });

  test("certificate, then headers, then bodies, before a block is stored", () => {
    const answers: readonly (readonly [string, Message])[] = [
      ["FINAL_BLOCKS_NO_FINALIZATION", finalBlocks(notarize(1, first.digest))],
      ["FINAL_BLOCKS_NOT_LINKED", finalBlocks(finalize(1, rival.digest))],
      [
        "FINAL_BLOCKS_BODY_WRONG",
        {
          ...finalBlocks(finalize(1, first.digest)),
          blocks: [{ ...first.block, transactions: [] }],
        },
      ],
    ];
    for (const [code, message] of answers) {
      const lone = new LoneReplica({ set, ...quiet }).receive(3, message);
      expect(lone.all("misbehaviour")).toEqual([{ type: "misbehaviour", from: 3, code }]);
      expect(lone.disk.height).toBe(0);
      expect(lone.disk.blocks.size).toBe(0);
    }
    const lone = new LoneReplica({ set, ...quiet });
    lone.receive(3, finalBlocks(finalize(1, first.digest)));
    expect(lone.disk.height).toBe(1);
  });

  function finalBlocks(ballot: ReturnType<typeof notarize>) {
    const certificate = certificateOf(set, ballot, others);
    return { type: "final-blocks", blocks: [first.block], certificate } as const;
  }
});
