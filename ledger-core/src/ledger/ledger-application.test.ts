/** Blocks on immutable states: the same block on the same parent, siblings, a state out of SQLite. */

import SqliteDatabase from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import type { TestGateway } from "../../../test/support/ledger-site.ts";
import { LedgerSite } from "../../../test/support/ledger-site.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import type { PendingTransaction } from "../consensus/application.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { rootOf } from "../log/merkle-root.ts";
import type { Transaction } from "../wire/transaction.ts";
import { encodeTransaction, parseTransaction } from "../wire/transaction.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import { ChannelState } from "./channel-state.ts";
import { LedgerApplication } from "./ledger-application.ts";
import type { LedgerState, OrderedHistory } from "./ledger-state.ts";
import { firstState } from "./ledger-state.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { rememberVerifications } from "./verification-memory.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const limits = { transactionsMax: 1_000, bytesMax: 1_048_576 };
const time = unixMillis(1_750_000_000_000);

async function openChannel() {
  const owner = new LedgerSite();
  const opening = await owner.openChannel(createKey("EdDSA").spki.subarray(-32));
  const judged = judgeGenesis(nodeCrypto, opening);
  if (!judged.ok) throw new Error(judged.fault.code);
  const genesis = judged.value;
  const { id } = genesis.identity;
  const stored = new Set<string>();
  const history = { size: 1, isOrdered: (of: string) => stored.has(of) };
  const application = new LedgerApplication({ crypto: nodeCrypto, history });
  const first = firstState(ChannelState.of({ crypto: nodeCrypto, genesis }), opening.statement);
  const moment = (height: number) => ({ height, time, parentDigest: id });
  const pending = (transaction: Transaction): PendingTransaction => {
    const bytes = encodeTransaction(transaction);
    const identified = application.identify(bytes);
    if (!identified.ok) throw new Error(identified.fault.code);
    return { id: identified.value, bytes };
  };
  const execute = (parent: LedgerState, ...transactions: readonly Transaction[]) => {
    const block = { ...moment(1), transactions: transactions.map(encodeTransaction) };
    const executed = application.execute(parent, block);
    if (!executed.ok) throw new Error(executed.fault.code);
    return executed.value;
  };
  const nextHead = (state: LedgerState, gateway: TestGateway) => {
    gateway.grow();
    const last = present(state.channel.lane(gateway.name), "open lane").head;
    return gateway.head(state.channel.revocations.head, last);
  };
  const parts = { owner, opening, genesis, id, application, history, stored, first };
  return { ...parts, moment, pending, execute, nextHead };
}

describe("executing a block", () => {
  it("gives the roots of the log, of the transactions as they came, and of the state", async () => {
    const { owner, opening, id, first, execute } = await openChannel();
    const transactions = ["a", "b", "c"].map((text) => owner.gateway(text).open(id));
    const { roots, ids, state } = execute(first, ...transactions);
    const leaves = [opening, ...transactions].map(({ statement }) => hasher.leaf(statement));
    expect(roots.logSize).toBe(4n);
    expect(roots.logRoot).toEqual(rootOf(hasher, leaves));
    const bodies = transactions.map((transaction) => hasher.leaf(encodeTransaction(transaction)));
    expect(roots.txRoot).toEqual(rootOf(hasher, bodies));
    expect(roots.stateRoot).toEqual(state.channel.root());
    expect(ids).toHaveLength(3);
    expect(state.channel.lanes.size).toBe(3);
  });

  it("leaves its parent as it was, twice gives the same, and keeps siblings apart", async () => {
    const { owner, id, first, execute, nextHead } = await openChannel();
    const [a, b] = [owner.gateway("a"), owner.gateway("b")];
    const parent = execute(first, a.open(id), b.open(id)).state;
    const before = [parent.channel.root(), parent.log.root(), parent.log.size];
    const growA = nextHead(parent, a);
    const left = execute(parent, growA);
    const right = execute(parent, nextHead(parent, b), owner.revoke(nodeCrypto.sha256(utf8("x"))));
    expect([parent.channel.root(), parent.log.root(), parent.log.size]).toEqual(before);
    expect(execute(parent, growA).roots).toEqual(left.roots);
    expect(left.roots.stateRoot).not.toEqual(right.roots.stateRoot);
    expect(left.state.channel.lane(b.name)?.head.size).toBe(1n);
    expect(right.state.channel.lane(a.name)?.head.size).toBe(1n);
    expect(left.state.channel.revocations.head.size).toBe(0n);
    // What the siblings ordered can be ordered on top of the other.
    expect(execute(right.state, owner.revoke(nodeCrypto.sha256(utf8("y")))).ids).toHaveLength(1);
    expect(execute(left.state, nextHead(left.state, b)).ids).toHaveLength(1);
  });

  it("refuses a block with one transaction that is not valid where it stands", async () => {
    const { owner, id, application, first, moment } = await openChannel();
    const gateway = owner.gateway("a");
    const open = gateway.open(id);
    const codeOf = (...transactions: readonly Uint8Array[]) => {
      const executed = application.execute(first, { ...moment(1), transactions });
      return executed.ok ? "OK" : JSON.stringify(executed.fault);
    };
    gateway.grow();
    const head = gateway.head(first.channel.revocations.head, gateway.lane.head(1));
    const bytes = encodeTransaction(open);
    expect(codeOf(bytes, encodeTransaction(head))).toBe("OK");
    expect(codeOf(encodeTransaction(head), bytes)).toContain('"position":0');
    expect(codeOf(encodeTransaction(head), bytes)).toContain("LANE_UNKNOWN");
    expect(codeOf(bytes, bytes)).toContain("TRANSACTION_REPEATED");
    expect(codeOf(bytes, utf8("junk"))).toContain("CBOR_MALFORMED");
    const boundary = { validators: [], previous: id, approvals: [] };
    expect(application.execute(first, { ...moment(1), transactions: [], boundary })).toMatchObject({
      fault: { code: "BLOCK_BOUNDARY_WRONG" },
    });
  });

  it("finds what its ancestors ordered, on disk or not yet, and nothing of other branches", async () => {
    const { owner, id, application, first, stored, history, execute, pending } =
      await openChannel();
    const opens = ["a", "b", "c"].map((text) => owner.gateway(text).open(id));
    const ids = opens.map((transaction) => pending(transaction).id);
    const states = [first];
    for (const open of opens) states.push(execute(present(states.at(-1), "tip"), open).state);
    const branch = execute(first, present(opens[2], "c")).state;
    const known = (state: LedgerState) => ids.map((of) => application.isOrdered(state, of));
    expect(states.map(known)).toEqual([
      [false, false, false],
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ]);
    expect(known(branch)).toEqual([false, false, true]);
    for (const of of ids.slice(0, 2)) stored.add(of);
    history.size = 3;
    const tip = present(states[3], "tip");
    expect(known(tip)).toEqual([true, true, true]);
    expect(tip.recent?.before).toBeUndefined();
  });
});

describe("building a block", () => {
  it("takes what is valid in order, says why it refuses the rest, and what it knew", async () => {
    const { owner, id, application, first, moment, pending, execute } = await openChannel();
    const [a, b] = [owner.gateway("a"), owner.gateway("b")];
    const openA = a.open(id);
    const parent = execute(first, openA).state;
    b.grow();
    const early = b.sayHead({ head: b.lane.head(), revocations: first.channel.revocations.head });
    const junk = { id: "00", bytes: utf8("junk") };
    const candidates = [pending(openA), pending(early), junk, pending(b.open(id))];
    const built = application.build(parent, moment(2), candidates, limits);
    expect(built.known).toEqual([pending(openA).id]);
    expect(built.refused.map(({ fault }) => fault.code)).toEqual([
      "LANE_UNKNOWN",
      "CBOR_MALFORMED",
    ]);
    expect(built.ids).toEqual([present(candidates[3], "b").id]);
    expect(built.transactions).toEqual([present(candidates[3], "b").bytes]);
    const { transactions } = built;
    const again = application.execute(parent, { ...moment(2), transactions });
    expect(again.ok && again.value.roots).toEqual(built.roots);
  });

  it("stops at the bounds of a block, and refuses what fits into none", async () => {
    const { owner, id, application, first, moment, pending } = await openChannel();
    const all = Array.from({ length: 6 }, (_, i) => pending(owner.gateway(`g${i}`).open(id)));
    const take = (bounds: Partial<typeof limits>) =>
      application.build(first, moment(1), all, { ...limits, ...bounds });
    expect(take({ transactionsMax: 4 }).transactions).toHaveLength(4);
    const two = all.slice(0, 2).reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(take({ bytesMax: two + 1 }).transactions).toHaveLength(2);
    expect(take({ bytesMax: 10 }).refused.map(({ fault }) => fault.code)).toEqual(
      Array(6).fill("TRANSACTION_TOO_LONG"),
    );
  });
});

describe("what a node remembers", () => {
  it("spares the second check of a signature, and only of that one", async () => {
    let checks = 0;
    const counting = {
      ...nodeCrypto,
      verify: (...question: Parameters<typeof nodeCrypto.verify>) => {
        checks++;
        return nodeCrypto.verify(...question);
      },
    };
    const crypto = rememberVerifications(counting, 2);
    const key = createKey("ES256");
    const [m1, m2, m3] = [utf8("1"), utf8("2"), utf8("3")];
    const ask = (message: Uint8Array, of = message) =>
      crypto.verify(key.publicKey, message, signatures.get(of) ?? new Uint8Array());
    const signatures = new Map([m1, m2, m3].map((message) => [message, key.sign(message)]));
    expect([ask(m1), ask(m1), checks]).toEqual([true, true, 1]);
    expect([ask(m2, m1), ask(m2, m1), checks]).toEqual([false, false, 2]);
    expect([ask(m1), ask(m3), checks]).toEqual([true, true, 3]);
    // The oldest of two answers made room.
    expect([ask(m1), checks]).toEqual([true, 4]);
  });

  it("is bounded by count and by bytes, and bound to the exact bytes", async () => {
    const { owner, id } = await openChannel();
    const opens = Array.from({ length: 4 }, (_, i) => owner.gateway(`g${i}`).open(id));
    const history: OrderedHistory = { size: 1, isOrdered: () => false };
    const small = { transactionsKeptMax: 2, transactionBytesKeptMax: 10_000_000 };
    const application = new LedgerApplication({ crypto: nodeCrypto, history }, small);
    for (const open of opens) expect(application.identify(encodeTransaction(open)).ok).toBe(true);
    expect(application.kept).toMatchObject({ transactions: 2 });
    const tight = { transactionsKeptMax: 100, transactionBytesKeptMax: 1 };
    const none = new LedgerApplication({ crypto: nodeCrypto, history }, tight);
    for (const open of opens) expect(none.identify(encodeTransaction(open)).ok).toBe(true);
    expect(none.kept).toEqual({ transactions: 0, bytes: 0 });
  });
});

describe("a state out of SQLite", () => {
  it("has the roots of the one in memory, and executes the same", async () => {
    const { owner, opening, genesis, id, application, first, moment, nextHead } =
      await openChannel();
    const db = new SqliteDatabase(":memory:");
    const store = SqliteChannel.open(db, nodeCrypto);
    db.transaction(() => store.appendBlock([{ identity: id, transaction: opening }], { time }))();
    const gateways = ["a", "b", "c"].map((text) => owner.gateway(text));
    let state = first;
    const step = (...transactions: readonly Transaction[]) => {
      const block = { ...moment(1), transactions: transactions.map(encodeTransaction) };
      const loaded = store.loadState(genesis);
      const [here, there] = [state, loaded].map((of) => application.execute(of, block));
      if (here?.ok !== true || there?.ok !== true) throw new Error("not executed");
      expect(there.value.roots).toEqual(here.value.roots);
      state = here.value.state;
      db.transaction(() => store.appendState(state, { time, digest: id }))();
      expect(store.loadState(genesis).channel.root()).toEqual(here.value.roots.stateRoot);
      expect(store.log.root()).toEqual(here.value.roots.logRoot);
      for (const of of here.value.ids) expect(store.history.isOrdered(of)).toBe(true);
    };
    step(...gateways.map((gateway) => gateway.open(id)));
    step(...gateways.map((gateway) => nextHead(state, gateway)));
    step(owner.revoke(nodeCrypto.sha256(utf8("x"))));
    step(...gateways.map((gateway) => nextHead(state, gateway)));
    expect(store.history.size).toBe(store.log.size);
    store.verifyAll();
    db.close();
  });

  it("keeps transactions as they were submitted", async () => {
    const { id, opening } = await openChannel();
    const db = new SqliteDatabase(":memory:");
    const store = SqliteChannel.open(db, nodeCrypto);
    db.transaction(() => store.appendBlock([{ identity: id, transaction: opening }], { time }))();
    const bytes = encodeTransaction(opening);
    const parsed = parseTransaction(bytes);
    expect(parsed.ok && encodeTransaction(parsed.value)).toEqual(bytes);
    expect(encodeTransaction(present(store.transaction(0), "opening"))).toEqual(bytes);
    db.close();
  });
});
