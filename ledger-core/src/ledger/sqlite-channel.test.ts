/** A channel's database: one that an older release left, and one that somebody changed. */

import SqliteDatabase from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { at, Consortium } from "../../../test/support/consortium.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Transaction } from "../wire/transaction.ts";
import { SqliteChannel } from "./sqlite-channel.ts";

const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));
const corrupt = expect.objectContaining({ code: "DATABASE_CORRUPT" });

async function open() {
  const channel = await Consortium.of(["dairy", "farm"]);
  const db = new SqliteDatabase(":memory:");
  const store = SqliteChannel.open(db, nodeCrypto);
  const { opening, id, genesis } = channel;
  db.transaction(() => store.appendBlock([{ identity: id, transaction: opening }], { time: at }))();
  const order = (...transactions: readonly Transaction[]) => {
    expect(channel.order(...transactions)).toBe("OK");
    const { state } = channel;
    db.transaction(() => store.appendState(state, { time: at, digest: digestOf("block") }))();
  };
  const [dairy, farm] = channel.members;
  const members = { a: present(dairy, "dairy"), b: present(farm, "farm") };
  return { channel, db, store, genesis, order, ...members };
}

describe("the database of a channel", () => {
  it("keeps every section, and replays to it", async () => {
    const { channel, store, genesis, order, a, b } = await open();
    const gateway = a.owner.gateway("g");
    order(gateway.open(channel.id));
    const meter = b.device("meter");
    const claims = { kind: "device-key", ...meter, keyKind: "tpm", at } as const;
    order(b.say(claims, { certificates: meter.chain }));
    order(b.owner.revoke(digestOf("x"), { device: "meter" }));
    const head = { size: 2n, root: digestOf("root") };
    order(a.say({ kind: "anchor", target: a.name, head, proof: utf8("proof"), at }));
    const said = (root: string) =>
      gateway.sayHead({ head: { size: 5n, root: digestOf(root) }, revocations: head }).statement;
    const fault = { kind: "lane-fault", gateway: gateway.name } as const;
    order(b.say({ ...fault, first: said("one"), second: said("two") }));
    const loaded = store.loadState(genesis);
    expect(loaded.channel.root()).toEqual(channel.state.channel.root());
    expect(loaded.channel.lane(gateway.name)?.frozen).toBe(true);
    store.verifyAll();
  });

  it("is found out where a section was changed", async () => {
    const { channel, db, store, order, a, b } = await open();
    const gateway = a.owner.gateway("g");
    order(gateway.open(channel.id));
    const meter = b.device("meter");
    const claims = { kind: "device-key", ...meter, keyKind: "tpm", at } as const;
    order(b.say(claims, { certificates: meter.chain }));
    const head = { size: 2n, root: digestOf("root") };
    order(a.say({ kind: "anchor", target: a.name, head, proof: utf8("proof"), at }));
    for (const [there, back] of [
      ["UPDATE channel_device SET kind = 0", "UPDATE channel_device SET kind = 2"],
      [
        "UPDATE channel_device_key SET device = 'x'",
        "UPDATE channel_device_key SET device = 'meter'",
      ],
      ["UPDATE channel_anchor SET size = 1", "UPDATE channel_anchor SET size = 2"],
      ["INSERT INTO channel_lane_fault VALUES ('g', 1)", "DELETE FROM channel_lane_fault"],
      ["INSERT INTO channel_boundary VALUES (1, 2, zeroblob(32))", "DELETE FROM channel_boundary"],
    ] as const) {
      db.exec(there);
      expect(() => store.verifyAll(), there).toThrow(corrupt);
      db.exec(back);
      store.verifyAll();
    }
  });

  it("of an older release loses nothing: openings are completed, and frozen lanes stay so", async () => {
    const { channel, db, genesis, order, a } = await open();
    const [gateway, second] = [a.owner.gateway("g"), a.owner.gateway("h")];
    order(gateway.open(channel.id), second.open(channel.id));
    // As it was: an opening was its incarnation, and a lane was frozen without a leaf.
    db.exec(`INSERT INTO channel_opening SELECT incarnation, idx FROM channel_opened_lane;
      DROP TABLE channel_opened_lane;
      INSERT INTO channel_frozen VALUES ('h', x'00');`);
    const again = SqliteChannel.open(db, nodeCrypto);
    const loaded = again.loadState(genesis).channel;
    expect([...loaded.openings.values()]).toEqual([...channel.state.channel.openings.values()]);
    expect(loaded.lane(second.name)?.frozen).toBe(true);
    expect(loaded.root()).toEqual(channel.state.channel.freeze(second.name).root());
    again.verifyAll();
    expect(SqliteChannel.open(db, nodeCrypto).loadState(genesis).channel.root()).toEqual(
      loaded.root(),
    );
  });

  it("stops where an opening of an older release is none", async () => {
    const { db, order, channel, a } = await open();
    order(a.owner.gateway("g").open(channel.id));
    db.exec("INSERT INTO channel_opening VALUES (zeroblob(16), 0)");
    expect(() => SqliteChannel.open(db, nodeCrypto)).toThrow(corrupt);
  });
});
