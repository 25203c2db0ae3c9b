import { describe, expect, test } from "vitest";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  sealOf,
  setOf,
  voteMessage,
  voteOf,
} from "../../../test/support/consensus-fixture.ts";
import type { FakeNode } from "../../../test/support/fake-network.ts";
import { FakeNetwork } from "../../../test/support/fake-network.ts";
import { present } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import type { EngineEffect } from "./engine-io.ts";
import type { Message, Status } from "./message.ts";
import { ValidatorSet } from "./validator-set.ts";

const old = setOf(4);
const joined = ["v0", "v1", "v2", "v4"];
const next = setOf(joined, 1);
const quiet = { keepAliveMs: 1_000_000 };

const ordered = ({ disk }: FakeNode) => disk.chain.flatMap(({ ids }) => ids);
const epochOf = ({ engine }: FakeNode) => engine.status().epoch;
const status = (more: Partial<Status> = {}): Status => ({
  type: "status",
  epoch: 0,
  view: 1,
  finalHeight: 0,
  sealedSize: 1n,
  ...more,
});

/** All agree, as far as each has come. */
function expectAgreement(network: FakeNetwork): void {
  const chains = network.up.map(({ disk }) => disk.chain.map(({ digest }) => toHex(digest)));
  const longest = chains.toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const chain of chains) expect(chain).toEqual(longest.slice(0, chain.length));
}

/** What one step of a node did, its messages not delivered. */
function effectsOf(network: FakeNetwork, name: string, act: () => void) {
  const { effects } = network.node(name);
  const from = effects.length;
  const { passes } = network;
  network.passes = () => false;
  act();
  network.passes = passes;
  return effects.slice(from);
}

function receive(network: FakeNetwork, to: string, from: string, message: Message) {
  return effectsOf(network, to, () => network.deliver({ from, to, message }));
}

const sentTo = (effects: readonly EngineEffect<unknown>[]) =>
  effects.flatMap((effect) => (effect.type === "send" ? [effect.to] : []));

/** v3 leaves, v4 joins; all of the new set have the boundary, and nothing after it. */
function changed(): FakeNetwork {
  const network = new FakeNetwork(old, { strangers: ["v4"] });
  network.submit("v0", `set:${joined.join()}`);
  const isThere = () => joined.every((name) => epochOf(network.node(name)) === 1);
  expect(network.run(60_000, isThere)).toBe(true);
  return network;
}

describe("validators change at a boundary", () => {
  test("who joins votes, who leaves follows, and all keep one chain", () => {
    const network = changed();
    network.submit("v4", "note:by v4");
    network.submit("v0", "note:by v0");
    const all = ["note:by v0", "note:by v4"];
    const isOrdered = () =>
      network.up.every((node) => all.every((note) => ordered(node).includes(note)));
    expect(network.run(60_000, isOrdered)).toBe(true);
    expectAgreement(network);
    const v3 = network.node("v3");
    expect(epochOf(v3)).toBe(1);
    const votes = network.log.filter(
      ({ message }) => message.type === "vote" && message.epoch === 1,
    );
    expect(new Set(votes.map(({ from }) => from))).toEqual(new Set(joined));
    // v4 is needed: any one of the other three may be away now.
    network.crash("v1");
    network.submit("v2", "note:without v1");
    const isGoingOn = () => ordered(network.node("v4")).includes("note:without v1");
    expect(network.run(60_000, isGoingOn)).toBe(true);
  });

  test("is said once, after the boundary is committed and before anything of the new epoch", () => {
    const { effects } = changed().node("v0");
    const at = effects.findIndex(({ type }) => type === "epoch-started");
    const started = effects.filter((effect) => effect.type === "epoch-started");
    expect(started.map(({ validators }) => validators.epoch)).toEqual([1]);
    expect(started[0]?.validators.entries.map(({ name }) => name)).toEqual(joined);
    const commit = effects.findIndex(
      (effect) =>
        effect.type === "commit" &&
        effect.blocks.some(({ block }) => block.header.boundary !== undefined),
    );
    expect(commit).toBeGreaterThanOrEqual(0);
    expect(commit).toBeLessThan(at);
    const early = effects
      .slice(0, at)
      .filter(
        (effect) =>
          effect.type === "send" && "epoch" in effect.message && effect.message.epoch === 1,
      );
    expect(early).toEqual([]);
  });

  test("what was submitted and is not final yet goes into the next epoch", () => {
    const network = new FakeNetwork(old, { strangers: ["v4"] });
    network.submit("v0", `set:${joined.join()}`, "note:late");
    expect(network.run(60_000, () => ordered(network.node("v4")).includes("note:late"))).toBe(true);
    const { chain } = network.node("v4").disk;
    const of = chain.find(({ ids }) => ids.includes("note:late"));
    expect(of?.block.header.epoch).toBe(1);
    expectAgreement(network);
  });

  test("a validator that was away for the change comes along by heights, and votes again", () => {
    const network = new FakeNetwork(old, { strangers: ["v4"] });
    network.crash("v2");
    network.submit("v0", `set:${joined.join()}`);
    const isChanged = () => ["v0", "v1", "v4"].every((name) => epochOf(network.node(name)) === 1);
    expect(network.run(60_000, isChanged)).toBe(true);
    network.submit("v0", "note:b");
    network.run(20_000, () => ordered(network.node("v4")).includes("note:b"));
    network.restart("v2");
    const isHere = () => ordered(network.node("v2")).includes("note:b");
    expect(network.run(60_000, isHere)).toBe(true);
    network.crash("v1");
    network.submit("v2", "note:c");
    expect(network.run(60_000, () => ordered(network.node("v4")).includes("note:c"))).toBe(true);
  });

  test("a restart in the new epoch starts there, with its own rows and no others", () => {
    const network = changed();
    network.submit("v0", "note:b");
    network.run(20_000, () => ordered(network.node("v0")).includes("note:b"));
    network.crash("v0");
    network.restart("v0", next);
    expect(network.node("v0").engine.validators.epoch).toBe(1);
    network.crash("v1");
    network.submit("v0", "note:c");
    expect(network.run(60_000, () => ordered(network.node("v4")).includes("note:c"))).toBe(true);
    expectAgreement(network);
  });

  test("a vote of the next epoch that was written before its boundary was committed stands", () => {
    const network = new FakeNetwork(old, { strangers: ["v4"] });
    const { disk } = network.node("v0");
    const { view, parentView, digest } = notarize(1, digestOf("before the cut"), 0);
    const { signature } = voteOf(next, 0, notarize(view, digest, parentView));
    const row = { epoch: 1, view, notarized: { parentView, digest, signature } };
    disk.rows.set("1 1", row);
    network.crash("v0");
    network.restart("v0");
    network.submit("v1", `set:${joined.join()}`);
    expect(network.run(60_000, () => epochOf(network.node("v0")) === 1)).toBe(true);
    network.submit("v1", "note:b");
    const isOrdered = () => joined.every((name) => ordered(network.node(name)).includes("note:b"));
    expect(network.run(60_000, isOrdered)).toBe(true);
    const written = network
      .node("v0")
      .effects.flatMap((effect) => (effect.type === "persist" ? effect.writes : []))
      .flatMap((write) => (write.type === "vote" ? [write.row] : []))
      .filter((one) => one.epoch === row.epoch && one.view === row.view);
    for (const { notarized, finalized } of written)
      expect([notarized, finalized?.digest]).toEqual([row.notarized, undefined]);
    expectAgreement(network);
  });

  test("amnesia stays: who signs nothing in one epoch signs nothing in the next", () => {
    const network = new FakeNetwork(old, { strangers: ["v4"] });
    network.node("v2").disk.amnesia = true;
    network.passes = ({ message, to }) => message.type !== "status" || to !== "v2";
    network.crash("v2");
    network.restart("v2");
    network.submit("v0", `set:${joined.join()}`);
    const v2 = network.node("v2");
    expect(network.run(60_000, () => epochOf(v2) === 1)).toBe(true);
    network.submit("v0", "note:b");
    network.run(20_000);
    expect(v2.engine.status().abstaining).toBe(true);
    expect(
      network.log.filter(({ from, message }) => from === "v2" && message.type === "vote"),
    ).toEqual([]);
  });
});

describe("the epoch before", () => {
  const question = new Uint8Array(8);

  test("still answers until a block of the new one is final, and then no more", () => {
    const network = changed();
    const asked = status({ question, finalHeight: 2, sealedSize: 0n });
    const answers = receive(network, "v0", "v1", asked).flatMap((effect) =>
      effect.type === "send" ? [effect.message] : [],
    );
    // The question gets no answer: who asks may have forgotten votes of the new epoch.
    expect(answers).toMatchObject([{ type: "sealed", epoch: 0 }]);
    network.submit("v0", "note:b");
    expect(network.run(20_000, () => ordered(network.node("v0")).includes("note:b"))).toBe(true);
    // Who is behind is led there by heights.
    const v0 = network.node("v0").disk;
    expect(receive(network, "v0", "v1", { ...asked, sealedSize: 99n })).toEqual([
      { type: "serve-heights", to: "v1", from: 3 },
    ]);
    expect(v0.height).toBeGreaterThan(2);
  });

  test("signs nothing after a restart, which knows none of its votes", () => {
    const network = changed();
    network.crash("v0");
    network.restart("v0", next, old);
    const view = network.node("v0").disk.tip().view + 1;
    const effects = [1, 2, 3].flatMap((voter) =>
      receive(network, "v0", `v${voter}`, voteMessage(old, voter, nullify(view))),
    );
    expect(effects.filter(({ type }) => type === "persist")).toEqual([]);
    expect(effects.filter(({ type }) => type === "misbehaviour")).toEqual([]);
  });

  test("sends to its own validators by name, the one that left too, and not to itself", () => {
    const network = changed();
    const v0 = network.node("v0");
    const sealed = v0.effects.filter((effect) => effect.type === "sign-seal");
    const { point } = present(sealed.at(-1), "a seal point");
    const { epoch, size } = point;
    expect(epoch).toBe(0);
    const payload = sealOf("v0", point);
    const again = effectsOf(network, "v0", () =>
      network.step("v0", { type: "seal-signed", epoch, size, payload }),
    );
    expect(sentTo(again)).toEqual(["v1", "v2", "v3"]);
    const current = effectsOf(network, "v0", () =>
      network.step("v0", { type: "seal-signed", epoch: 1, size, payload }),
    );
    expect(sentTo(current)).toEqual(["all"]);
    const gone = effectsOf(network, "v0", () =>
      network.step("v0", { type: "seal-signed", epoch: 7, size, payload }),
    );
    expect(gone).toEqual([]);
  });

  test("has its votes and certificates count there alone: replayed, they move nothing in the new one", () => {
    const network = changed();
    network.submit("v0", "note:b");
    network.run(20_000, () => ordered(network.node("v0")).includes("note:b"));
    const before = network.node("v0").engine.status();
    const digest = digestOf("replayed");
    const { view } = before;
    const replayed: Message[] = [
      voteMessage(old, 1, nullify(view)),
      voteMessage(old, 2, notarize(view, digest)),
      { type: "certificate", certificate: certificateOf(old, nullify(view), [0, 1, 2]) },
      { type: "certificate", certificate: certificateOf(old, finalize(view, digest), [0, 1, 2]) },
      // And dressed as the new epoch's.
      { ...voteMessage(old, 1, nullify(view)), epoch: 1 },
      {
        type: "certificate",
        certificate: { ...certificateOf(old, nullify(view), [0, 1, 2]), epoch: 1 },
      },
    ];
    const codes = replayed.flatMap((message) =>
      receive(network, "v0", "v1", message).flatMap((effect) =>
        effect.type === "misbehaviour" ? [`${effect.from} ${effect.code}`] : [],
      ),
    );
    expect(codes).toEqual(["v1 VOTE_SIGNATURE_WRONG", "v1 CERTIFICATE_SIGNATURE_WRONG"]);
    expect(network.node("v0").engine.status()).toEqual(before);
  });
});

describe("a peer that is ahead by an epoch", () => {
  test("is asked for the boundary, once in a Δ", () => {
    const network = new FakeNetwork(old, { parameters: quiet });
    const ahead = () => receive(network, "v0", "v1", status({ epoch: 1, finalHeight: 9 }));
    const asked = [{ type: "send", to: "v1", message: { type: "fetch-heights", from: 1 } }];
    expect(ahead()).toEqual(asked);
    expect(ahead()).toEqual([]);
    network.now += 99;
    expect(ahead()).toEqual([]);
    network.now += 1;
    expect(ahead()).toEqual(asked);
  });

  test("is asked for it by whatever speaks of that epoch, and by nothing else", () => {
    const later = setOf(4, 1);
    const speaking: Message[] = [
      voteMessage(later, 1, nullify(1)),
      { type: "certificate", certificate: certificateOf(later, nullify(1), [0, 1, 2]) },
      { type: "fetch-blocks", epoch: 1, digests: [] },
      { type: "seal", epoch: 1, size: 9n, payload: new Uint8Array() },
    ];
    for (const message of speaking) {
      const network = new FakeNetwork(old, { parameters: quiet });
      expect(sentTo(receive(network, "v0", "v1", message))).toEqual(["v1"]);
    }
    const silent: Message[] = [
      { type: "blocks", blocks: [] },
      { type: "transactions", transactions: [] },
      { type: "fetch-heights", from: 1 },
    ];
    for (const message of silent) {
      const network = new FakeNetwork(old, { parameters: quiet });
      expect(receive(network, "v0", "v1", message)).toEqual([]);
    }
  });
});

describe("a node that is no validator", () => {
  const settled = () => {
    const network = new FakeNetwork(old, { strangers: ["v9"], parameters: quiet });
    network.submit("v0", "note:a");
    expect(network.run(20_000, () => network.node("v0").disk.height === 1)).toBe(true);
    return network;
  };

  test("is served final blocks that it asks for, and no others", () => {
    const network = settled();
    const ask = (from: number) => receive(network, "v0", "v9", { type: "fetch-heights", from });
    expect(ask(1)).toEqual([{ type: "serve-heights", to: "v9", from: 1 }]);
    expect([ask(0), ask(2)]).toEqual([[], []]);
    const below = (height: number) =>
      receive(network, "v0", "v9", { type: "fetch-ancestors", height });
    expect(below(1)).toEqual([{ type: "serve-ancestors", to: "v9", height: 1 }]);
    expect([below(0), below(2)]).toEqual([[], []]);
  });

  test("is told where the chain is where it is behind, and not where it is not", () => {
    const network = settled();
    const [told] = receive(network, "v0", "v9", status());
    expect(told).toMatchObject({
      type: "send",
      to: "v9",
      message: { type: "status", finalHeight: 1, final: { ballot: { kind: "finalize" } } },
    });
    expect(receive(network, "v0", "v9", status({ finalHeight: 1 }))).toEqual([]);
  });

  test("is listened to in nothing else but transactions: not its votes and certificates", () => {
    const network = settled();
    const before = network.node("v0").engine.status();
    const strange: Message[] = [
      voteMessage(old, 1, nullify(2)),
      { type: "certificate", certificate: certificateOf(old, nullify(2), [1, 2, 3]) },
      { type: "fetch-blocks", epoch: 0, digests: [] },
    ];
    for (const message of strange) expect(receive(network, "v0", "v9", message)).toEqual([]);
    expect(network.node("v0").engine.status()).toEqual(before);
  });

  test("follows the chain all the same, and signs nothing", () => {
    const network = new FakeNetwork(old, { strangers: ["v9"] });
    network.submit("v0", "note:a");
    expect(network.run(60_000, () => network.node("v9").disk.height === 1)).toBe(true);
    const said = network.log.filter(({ from }) => from === "v9").map(({ message }) => message.type);
    expect(said).not.toContain("vote");
    expect(said).not.toContain("seal");
  });

  test("has its name and another key than the set's: it follows, and is no validator", () => {
    const network = new FakeNetwork(setOf(["v0", "v1", "v2", "v3"]));
    const imposter = setOf(["v0", "v1", "v2", "v7"]).entries.map((entry, at) =>
      at === 3 ? { ...entry, name: old.entryOf(3).name } : entry,
    );
    network.crash("v3");
    network.restart("v3", new ValidatorSet(0, imposter));
    network.submit("v0", "note:a");
    network.run(20_000, () => network.node("v0").disk.height === 1);
    expect(
      network.log.filter(({ from, message }) => from === "v3" && message.type === "vote"),
    ).toEqual([]);
  });
});
