import { describe, expect, test } from "vitest";
import {
  channel,
  momentAt,
  parameters,
  portsOf,
  sealOf,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { genesisTip, pending } from "../../../test/support/fake-ledger.ts";
import { FakeNetwork } from "../../../test/support/fake-network.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import { Replica } from "./replica.ts";

/** What every validator of a network has ordered; they must agree. */
function ordered(network: FakeNetwork): readonly string[] {
  const chains = network.up.map(({ disk }) => disk.chain.map(({ digest }) => toHex(digest)));
  const longest = chains.toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const chain of chains) expect(chain).toEqual(longest.slice(0, chain.length));
  const [node] = network.up.toSorted((a, b) => b.disk.height - a.disk.height);
  return node?.disk.chain.flatMap(({ ids }) => ids) ?? [];
}

const isSettled = (network: FakeNetwork) =>
  network.up.every(({ engine }) => {
    const { isIdle, sealedSize, finalHeight } = engine.status();
    return isIdle && finalHeight > 0 && sealedSize > 1n;
  });

describe("one validator", () => {
  test("orders within the step, and seals with its own signature", () => {
    const lone = new LoneReplica({ set: setOf(1) }).submit("note:a", "note:b");
    expect(lone.disk.chain.map(({ ids }) => ids)).toEqual([["note:a", "note:b"]]);
    const kinds = lone.effects.map(({ type }) => type).filter((type) => type !== "send");
    expect(kinds).toEqual(["persist", "commit", "sign-seal"]);
    expect(lone.all("sign-seal")[0]?.point).toMatchObject({ height: 1, size: 3n });
    expect(lone.signSeals().all("sealed")[0]?.seals).toHaveLength(1);
    expect(lone.status).toMatchObject({ isIdle: true, sealedSize: 3n, viewTimersArmed: false });
    expect(lone.wakeAt).toBeUndefined();
  });

  test("works off far more than one step may do, and never votes against itself", () => {
    const lone = new LoneReplica({ set: setOf(1), parameters: { blockTransactionsMax: 1 } });
    const texts = Array.from({ length: 1_500 }, (_, at) => `note:${at}`);
    lone.submit(...texts);
    for (let waits = 0; waits < 100 && lone.status.pending > 0; waits++) lone.wait(1);
    expect(lone.disk.height).toBe(1_500);
    expect(lone.status.view).toBe(1_501);
  });

  test("begins with a block that seals what the channel began with", () => {
    const tip = genesisTip(channel);
    const config = { channel, validators: setOf(1), self: 0, parameters };
    const floor = { epoch: 0, view: 0 };
    const none = { rows: [], blocks: [], certificates: [], amnesia: false, floor };
    const replica = new Replica(portsOf("v0"), config, { tip, ...none });
    const { effects, wakeAt } = replica.step(
      { type: "start", nonce: utf8("question") },
      momentAt(1),
    );
    expect(effects).toEqual([]);
    expect(wakeAt).toBe(1 + parameters.emptyHoldMs);
    const held = replica.step({ type: "tick" }, momentAt(1 + parameters.emptyHoldMs));
    expect(held.effects[1]).toMatchObject({ type: "commit", blocks: [{ ids: [] }] });
    const point = { epoch: 0, height: 1, size: tip.logSize, root: tip.logRoot };
    expect(held.effects.at(-1)).toEqual({ type: "sign-seal", point });
    const payload = sealOf("v0", point);
    const sealed = replica.step({ type: "seal-signed", size: 1n, payload }, momentAt(30));
    expect(sealed.effects).toEqual([{ type: "sealed", point, seals: [{ validator: 0, payload }] }]);
    expect(replica.status().isIdle).toBe(true);
  });
});

describe.each([4, 5, 7, 8, 10])("%i validators", (n) => {
  test("order what any of them was given, seal it, and nobody nullifies", () => {
    const network = new FakeNetwork(setOf(n));
    network.submit("v0", "note:a");
    network.submit(`v${n - 1}`, "note:b", "note:c");
    expect(network.run(5_000, () => isSettled(network))).toBe(true);
    expect([...ordered(network)].sort()).toEqual(["note:a", "note:b", "note:c"]);
    const votes = network.log.flatMap(({ message }) =>
      message.type === "vote" ? [message.vote.ballot.kind] : [],
    );
    expect(votes).not.toContain("nullify");
    for (const { disk } of network.up) {
      expect(disk.sealed?.seals.length).toBeGreaterThanOrEqual(setOf(n).quorum);
      expect(disk.rows.size).toBe(0);
    }
  });

  test("with f of them gone still do", () => {
    const set = setOf(n);
    const network = new FakeNetwork(set);
    for (let at = 0; at < set.faults; at++) network.crash(`v${at + 1}`);
    network.submit("v0", "note:a");
    expect(network.run(30_000, () => isSettled(network))).toBe(true);
    network.submit("v0", "note:b");
    expect(network.run(30_000, () => ordered(network).length === 2)).toBe(true);
  });
});

describe("four validators", () => {
  const set = setOf(4);

  test("are idle once all is final and sealed: no timer runs, only keep-alives flow", () => {
    const network = new FakeNetwork(set);
    network.submit("v0", "note:a");
    network.run(5_000, () => isSettled(network));
    network.run(2_000);
    network.log.length = 0;
    const before = network.up.map(({ engine }) => engine.status());
    network.run(20_000);
    expect(new Set(network.log.map(({ message }) => message.type))).toEqual(new Set(["status"]));
    expect(network.count("status")).toBe(20 * 4 * 3);
    expect(network.up.map(({ engine }) => engine.status())).toEqual(before);
    expect(before.map(({ viewTimersArmed }) => viewTimersArmed)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(new Set(before.map(({ view }) => view)).size).toBe(1);
  });

  test("order nothing at all where nothing is given", () => {
    const network = new FakeNetwork(set);
    network.run(20_000);
    expect(network.up.map(({ disk }) => disk.height)).toEqual([0, 0, 0, 0]);
    expect(new Set(network.log.map(({ message }) => message.type))).toEqual(new Set(["status"]));
  });

  test("go on in the next view with the next leader, block after block, in one order", () => {
    const network = new FakeNetwork(set);
    for (let at = 0; at < 40; at++) {
      network.submit(`v${at % 4}`, `note:${at}`);
      network.run(3);
    }
    expect(network.run(20_000, () => isSettled(network))).toBe(true);
    expect(ordered(network)).toHaveLength(40);
    expect(new Set(network.node("v0").disk.chain.map(({ block }) => block.header.view)).size).toBe(
      network.node("v0").disk.height,
    );
  });

  test("bring one that was away up to date, by heights, and it votes again", () => {
    const network = new FakeNetwork(set);
    network.crash("v3");
    for (const at of [1, 2, 3, 4, 5]) {
      network.submit("v0", `note:${at}`);
      network.run(3_000);
    }
    network.restart("v3");
    const v0 = network.node("v0").disk;
    expect(network.run(20_000, () => network.node("v3").disk.height === v0.height)).toBe(true);
    network.crash("v2");
    network.submit("v3", "note:late");
    expect(network.run(20_000, () => ordered(network).includes("note:late"))).toBe(true);
    network.run(5_000);
    expect(network.node("v3").engine.status().sealedSize).toBe(v0.sealed?.point.size);
  });

  test("withstand the power cut of all at any moment", () => {
    for (const ms of [1, 2, 3, 4, 5, 6]) {
      const network = new FakeNetwork(set);
      network.submit("v0", "note:a");
      network.run(ms);
      for (const { name } of [...network.nodes.values()]) network.crash(name);
      network.run(50);
      for (const { name } of [...network.nodes.values()]) network.restart(name);
      network.submit("v1", "note:b", "note:a");
      expect(network.run(30_000, () => ordered(network).length === 2)).toBe(true);
    }
  });
});

describe("an empty block", () => {
  test("is held back for company, and is proposed all the same when it is wanted", () => {
    // Woken by a peer's NULLIFY in a view of its own, with nothing to order.
    const set = setOf(4);
    const lone = new LoneReplica({ set, self: 1, parameters: { keepAliveMs: 100_000 } });
    lone.step({ type: "tick" });
    lone.votes([2], { kind: "nullify", view: 1 });
    expect(lone.status.viewTimersArmed).toBe(true);
    expect(lone.sent("propose")).toEqual([]);
    expect(lone.wait(19).sent("propose")).toEqual([]);
    expect(lone.wait(1).sent("propose")[0]?.block.transactions).toEqual([]);
  });

  test("is not sent where company comes in time", () => {
    const set = setOf(4);
    const lone = new LoneReplica({ set, self: 1 }).votes([2], { kind: "nullify", view: 1 });
    lone.wait(10);
    lone.receive(2, { type: "transactions", transactions: [utf8("note:a")] });
    expect(lone.sent("propose")[0]?.block.transactions).toEqual([utf8("note:a")]);
  });
});

describe("a transaction", () => {
  test("that is known already is passed over", () => {
    const lone = new LoneReplica({ set: setOf(1) }).submit("note:a");
    expect(lone.submit("note:a").effects).toEqual([]);
    expect(lone.disk.height).toBe(1);
  });

  test("that is longer than a block is refused at once; of a peer it is held against it", () => {
    const lone = new LoneReplica({ parameters: { blockBytesMax: 50 } });
    const long = `note:${"x".repeat(50)}`;
    lone.submit(long, "note:a");
    expect(lone.all("refused")).toEqual([
      {
        type: "refused",
        id: long,
        bytes: utf8(long),
        fault: { code: "TRANSACTION_TOO_LONG", limit: 50 },
      },
    ]);
    expect(lone.sent("transactions").map(({ transactions }) => transactions)).toEqual([
      [utf8("note:a")],
    ]);
    lone.receive(1, { type: "transactions", transactions: [utf8(long), utf8("note:b")] });
    expect([lone.faults, lone.status.pending]).toEqual([["TRANSACTION_TOO_LONG"], 1]);
    lone.receive(1, { type: "transactions", transactions: [utf8("what")] });
    expect(lone.faults).toEqual(["FAKE_NO_TRANSACTION"]);
  });

  test("that is never valid is refused by final blocks alone, at every validator alike", () => {
    const network = new FakeNetwork(setOf(4));
    network.submit("v0", "bad:a", "note:b");
    network.run(20_000, () => isSettled(network));
    const refused = network.up.map(({ effects }) =>
      effects.flatMap((effect) => (effect.type === "refused" ? [effect.fault.code] : [])),
    );
    expect(refused).toEqual(Array.from({ length: 4 }, () => ["FAKE_BAD"]));
    expect(ordered(network)).toEqual(["note:b"]);
    expect(network.node("v0").engine.status().pending).toBe(0);
  });

  test("that is never valid is refused by the boundary, and not by the block that asks for it", () => {
    const network = new FakeNetwork(setOf(4));
    network.submit("v0", "bad:a");
    network.run(20_000, () => network.up.every(({ disk }) => disk.height > 0));
    network.submit("v0", "set:v0,v1,v2,v3");
    network.run(20_000, () => isSettled(network));
    for (const { effects } of network.up) {
      const told = effects.flatMap((effect) => {
        if (effect.type === "refused") return [`refused ${effect.id}`];
        if (effect.type !== "commit") return [];
        return effect.blocks.map(({ block, ids }) =>
          block.header.boundary === undefined ? ids.join() : "boundary",
        );
      });
      expect(told.slice(0, 4)).toEqual(["", "set:v0,v1,v2,v3", "boundary", "refused bad:a"]);
    }
  });

  test("that is never valid is refused at once by one validator, and no block is made of it", () => {
    const lone = new LoneReplica({ set: setOf(1) }).submit("bad:a");
    expect(lone.all("refused").map(({ id }) => id)).toEqual(["bad:a"]);
    lone.submit("note:a", "bad:b", "note:b");
    expect(lone.disk.chain.map(({ ids }) => ids)).toEqual([["note:a", "note:b"]]);
    expect(lone.all("refused").map(({ id }) => id)).toEqual(["bad:b"]);
    // Another set may take what this one does not.
    lone.submit("set:v0", "bad:c");
    expect(lone.disk.chain.map(({ ids }) => ids).slice(1)).toEqual([["set:v0"], []]);
    expect([lone.all("refused"), lone.status.pending]).toEqual([[], 1]);
  });

  test("that loses to another is not refused while the winner's block is not final", () => {
    const lone = new LoneReplica({ set: setOf(4), self: 1 }).submit("spend:c:x", "spend:c:y");
    expect(lone.sent("propose")[0]?.block.transactions).toEqual([utf8("spend:c:x")]);
    expect(lone.all("refused")).toEqual([]);
    lone.certificate({ kind: "nullify", view: 1 }, [0, 2, 3]);
    expect([lone.all("refused"), lone.status.pending]).toEqual([[], 2]);
  });

  test("is gossiped in messages of bounded size, and again until it is final", () => {
    const lone = new LoneReplica({ parameters: { keepAliveMs: 1_000_000 } });
    const texts = Array.from({ length: 1_500 }, (_, at) => `note:${at}`);
    lone.step({ type: "submit", transactions: texts.map(pending) });
    expect(lone.sent("transactions").map(({ transactions }) => transactions.length)).toEqual([
      1_000, 500,
    ]);
    lone.wait(100);
    expect(lone.sent("transactions").map(({ transactions }) => transactions.length)).toEqual([
      1_000,
    ]);
  });
});
