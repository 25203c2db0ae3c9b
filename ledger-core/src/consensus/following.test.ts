/** Who orders nothing and submits all the same: heard within bounds, and told of blocks and seals. */

import { expect, test } from "vitest";
import { setOf } from "../../../test/support/consensus-fixture.ts";
import { pending } from "../../../test/support/fake-ledger.ts";
import { FakeNetwork } from "../../../test/support/fake-network.ts";
import { utf8 } from "../base/bytes.ts";

const set = setOf(4);

test("a stranger's submission is ordered and sealed, and the stranger has both", () => {
  const network = new FakeNetwork(set, { strangers: ["shop"] });
  network.submit("shop", "note:milk");
  const { disk } = network.node("shop");
  expect(network.run(30_000, () => (disk.sealed?.point.size ?? 0n) >= 2n)).toBe(true);
  expect(disk.chain.flatMap(({ ids }) => ids)).toEqual(["note:milk"]);
  expect(network.run(60_000, () => network.up.every(({ engine }) => engine.status().isIdle))).toBe(
    true,
  );
});

test("it is sent again until it is ordered", () => {
  const network = new FakeNetwork(set, { strangers: ["shop"] });
  network.passes = ({ message }) => message.type !== "transactions";
  network.submit("shop", "note:milk");
  network.run(10_000);
  expect(network.node("v0").disk.height).toBe(0);
  network.passes = () => true;
  expect(network.run(60_000, () => network.node("shop").disk.height > 0)).toBe(true);
});

test("what a stranger sends that is no transaction is counted and kept by nobody", () => {
  const network = new FakeNetwork(set, { strangers: ["shop"] });
  const message = { type: "transactions", transactions: [utf8("nothing")] } as const;
  network.deliver({ from: "shop", to: "v0", message });
  const node = network.node("v0");
  expect(node.effects).toContainEqual({
    type: "misbehaviour",
    from: "shop",
    code: "FAKE_NO_TRANSACTION",
  });
  expect(node.engine.status().pending).toBe(0);
});

test("a copy with other evidence does not keep the true one from its place", () => {
  // The same identity, and a form of it that nobody can order.
  const network = new FakeNetwork(set);
  for (const { ledger } of network.nodes.values()) {
    const identify = ledger.identify.bind(ledger);
    const build = ledger.build.bind(ledger);
    ledger.identify = (bytes) => identify(bytes.at(-1) === 0x21 ? bytes.subarray(0, -1) : bytes);
    ledger.build = (state, block, candidates, limits) => {
      const all = [...candidates];
      const isForged = ({ bytes }: { readonly bytes: Uint8Array }) => bytes.at(-1) === 0x21;
      const good = all.filter((candidate) => !isForged(candidate));
      const built = build(state, block, good, limits);
      const fault = { code: "FAKE_EVIDENCE_WRONG" };
      const refused = all.filter(isForged).map(({ id }) => ({ id, fault }));
      return { ...built, refused: [...built.refused, ...refused] };
    };
  }
  const forged = { type: "transactions", transactions: [utf8("note:a!")] } as const;
  for (const to of ["v0", "v2", "v3"]) network.deliver({ from: "v1", to, message: forged });
  network.step("v0", { type: "submit", transactions: [pending("note:a")] });
  const ids = () => network.node("v2").disk.chain.flatMap((block) => block.ids);
  expect(network.run(60_000, () => ids().length > 0)).toBe(true);
  expect(ids()).toEqual(["note:a"]);
});
