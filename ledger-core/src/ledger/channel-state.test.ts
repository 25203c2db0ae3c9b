/** Every way in which a transaction is not valid, by its code; and the bounds of a channel. */

import { describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { LedgerSite, signStatement, site } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { encodeChannelClaims } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { emptyChannel } from "./channel-content.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import { ChannelState } from "./channel-state.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { LedgerLimits } from "./limits.ts";
import { laneSizeMax, ledgerLimits } from "./limits.ts";

const kidOf = (text: string) => nodeCrypto.sha256(utf8(text));

async function openChannel(limits: Partial<LedgerLimits> = {}) {
  const owner = new LedgerSite();
  const opening = await owner.openChannel(createKey("EdDSA").spki.subarray(-32));
  const genesis = judgeGenesis(nodeCrypto, opening);
  if (!genesis.ok) throw new Error(genesis.fault.code);
  let state = ChannelState.of({ crypto: nodeCrypto, genesis: genesis.value }, emptyChannel, {
    ...ledgerLimits,
    ...limits,
  });
  let index = 0n;
  /** Judges, applies what is valid, and tells the code. */
  const submit = (transaction: Transaction, time = 1_750_000_000_000): string => {
    const statement = parseStatement(transaction.statement);
    if (!statement.ok) return statement.fault.code;
    const at = { transaction, time: unixMillis(time), index: index + 1n };
    const judged = judgeTransaction(state, statement.value, at);
    if (!judged.ok) return judged.fault.code;
    state = state.apply(judged.value, ++index);
    return "OK";
  };
  const none = state.revocations.head;
  const { id } = genesis.value.identity;
  const openLane = (text: string) => {
    const gateway = owner.gateway(text);
    expect(submit(gateway.open(id))).toBe("OK");
    return gateway;
  };
  const freeze = (gateway: Identifier) => {
    state = state.freeze(gateway);
  };
  return { owner, opening, now: () => state, freeze, submit, openLane, none, id };
}

describe("any transaction", () => {
  it("is of this channel, of a kind that is ordered, and about the right subject", async () => {
    const { owner, opening, submit, id } = await openChannel();
    const gateway = owner.gateway("a");
    const say = (type: "bundle" | "lane-open" | "device", header = {}) => ({
      ...gateway.open(id),
      statement: signStatement(gateway.signer, type, new Map(), header),
    });
    expect(submit(opening)).toBe("CHANNEL_ALREADY_OPEN");
    expect(submit(say("bundle"))).toBe("TRANSACTION_TYPE_REFUSED");
    expect(submit(say("lane-open", { channel: name("beer") }))).toBe("TRANSACTION_OTHER_CHANNEL");
    expect(submit(say("lane-open", { subject: name("x") }))).toBe("TRANSACTION_SUBJECT_WRONG");
    expect(submit(say("device", { subject: name("lane") }))).toBe("TRANSACTION_SUBJECT_WRONG");
    expect(submit(say("lane-open"))).toBe("FIELD_MISSING");
  });
});

describe("lane-open", () => {
  it("begins a lane at its own statement", async () => {
    const { now, openLane } = await openChannel();
    const gateway = openLane("a");
    expect(now().lane(gateway.name)).toMatchObject({
      head: gateway.lane.head(1),
      index: 1n,
      organisation: site.organisation,
    });
  });

  it("needs a chain to an organisation of the channel, in this name, and its key's signature", async () => {
    const { owner, submit, id } = await openChannel();
    const [a, b] = [owner.gateway("a"), owner.gateway("b")];
    const foreign = new LedgerSite().gateway("a");
    expect(submit({ ...a.open(id), certificates: [] })).toBe("GATEWAY_CHAIN_BAD");
    expect(submit(foreign.open(id))).toBe("GATEWAY_CHAIN_BAD");
    expect(submit({ ...a.open(id), certificates: b.chain })).toBe("GATEWAY_NAME_MISMATCH");
    const twin = owner.gateway("a");
    expect(submit({ ...a.open(id), certificates: twin.chain })).toBe("SIGNATURE_KEY_MISMATCH");
    const torn = a.open(id).statement.slice();
    torn[torn.length - 1] = (torn.at(-1) ?? 0) ^ 1;
    expect(submit({ ...a.open(id), statement: torn })).toBe("SIGNATURE_WRONG");
  });

  it("is for this opening of the channel", async () => {
    const { owner, submit } = await openChannel();
    expect(submit(owner.gateway("a").open(kidOf("other")))).toBe("LANE_OPEN_OTHER_CHANNEL");
  });

  it("is not refused for a certificate out of its time, and says so", async () => {
    const { owner, submit, id } = await openChannel();
    expect(submit(owner.gateway("a").open(id), 0)).toBe("OK");
    expect(submit(owner.gateway("b").open(id), Date.UTC(2090, 0))).toBe("OK");
  });

  it("names the last ordered head, and closes the old incarnation for ever", async () => {
    const { now, submit, openLane, none, id } = await openChannel();
    const gateway = openLane("a");
    gateway.grow();
    const grown = gateway.head(none, gateway.lane.head(1));
    expect(submit(grown)).toBe("OK");
    const last = present(now().lane(gateway.name), "lane");
    const old = { incarnation: gateway.incarnation, lane: gateway.lane };
    expect(submit(gateway.open(id))).toBe("LANE_INCARNATION_USED");

    gateway.restart();
    expect(submit(gateway.open(id))).toBe("LANE_PREDECESSOR_MISMATCH");
    const tooOld = { incarnation: old.incarnation, head: old.lane.head(1) };
    expect(submit(gateway.open(id, tooOld))).toBe("LANE_PREDECESSOR_MISMATCH");
    const other = { incarnation: gateway.incarnation, head: last.head };
    expect(submit(gateway.open(id, other))).toBe("LANE_PREDECESSOR_MISMATCH");
    const predecessor = { incarnation: old.incarnation, head: last.head };
    gateway.restart();
    expect(submit(gateway.open(id, predecessor))).toBe("OK");

    old.lane.append(utf8("late"));
    const late = { head: old.lane.head(), revocations: none, consistency: old.lane.consistency(2) };
    expect(submit(gateway.sayHead({ ...late, incarnation: old.incarnation }))).toBe(
      "LANE_INCARNATION_NOT_OPEN",
    );
    Object.assign(gateway, old);
    const back = { incarnation: old.incarnation, head: gateway.lane.head(1) };
    expect(submit(gateway.open(id, back))).toBe("LANE_INCARNATION_USED");
  });

  it("names no predecessor where there was none", async () => {
    const { owner, submit, id, none } = await openChannel();
    const gateway = owner.gateway("a");
    const predecessor = { incarnation: new Uint8Array(16), head: none };
    expect(submit(gateway.open(id, predecessor))).toBe("LANE_PREDECESSOR_MISMATCH");
  });

  it("stops at the bounds of lanes and openings", async () => {
    const lanes = await openChannel({ lanesMax: 2 });
    lanes.openLane("a");
    lanes.openLane("b");
    expect(lanes.submit(lanes.owner.gateway("c").open(lanes.id))).toBe("LANES_FULL");
    const openings = await openChannel({ laneOpeningsMax: 1 });
    openings.openLane("a");
    const second = openings.owner.gateway("b").open(openings.id);
    expect(openings.submit(second)).toBe("LANE_OPENINGS_FULL");
  });
});

describe("lane-head", () => {
  it("is signed by the key that opened the lane", async () => {
    const { owner, submit, openLane, none } = await openChannel();
    const gateway = openLane("a");
    const twin = owner.gateway("a");
    expect(submit(twin.sayHead({ head: none, revocations: none }))).toBe("SIGNATURE_KEY_MISMATCH");
    expect(submit(owner.gateway("b").sayHead({ head: none, revocations: none }))).toBe(
      "LANE_UNKNOWN",
    );
    gateway.grow();
    expect(submit(gateway.head(none, gateway.lane.head(1)))).toBe("OK");
  });

  it("only grows, by a proof", async () => {
    const { submit, openLane, none } = await openChannel();
    const gateway = openLane("a");
    for (let i = 0; i < 5; i++) gateway.grow();
    const first = gateway.lane.head(1);
    expect(submit(gateway.head(none, first))).toBe("OK");
    expect(submit(gateway.head(none, first))).toBe("LANE_HEAD_NOT_GROWN");
    const shrunk = { head: gateway.lane.head(3), revocations: none };
    expect(submit(gateway.sayHead(shrunk))).toBe("LANE_HEAD_NOT_GROWN");
    gateway.grow();
    expect(submit(gateway.head(none, first))).toBe("LANE_HEAD_PROOF_WRONG");
    const forged = { size: gateway.lane.head().size, root: kidOf("forged") };
    const consistency = gateway.lane.consistency(6);
    expect(submit(gateway.sayHead({ head: forged, revocations: none, consistency }))).toBe(
      "LANE_HEAD_PROOF_WRONG",
    );
    const huge = { size: laneSizeMax + 1n, root: kidOf("huge") };
    expect(submit(gateway.sayHead({ head: huge, revocations: none }))).toBe("LANE_HEAD_TOO_LARGE");
    expect(submit(gateway.head(none, gateway.lane.head(6)))).toBe("OK");
  });

  it("freezes nothing by a size that cannot be compared, and is told apart where it can", async () => {
    const { freeze, submit, openLane, none } = await openChannel();
    const gateway = openLane("a");
    const other = { size: 1n, root: kidOf("other") };
    expect(submit(gateway.sayHead({ head: other, revocations: none }))).toBe(
      "LANE_HEAD_INCONSISTENT",
    );
    freeze(gateway.name);
    gateway.grow();
    expect(submit(gateway.head(none, gateway.lane.head(1)))).toBe("LANE_FROZEN");
  });

  it("names the list of revoked keys as it is", async () => {
    const { owner, submit, openLane, none } = await openChannel();
    const gateway = openLane("a");
    expect(submit(owner.revoke(kidOf("x")))).toBe("OK");
    gateway.grow();
    expect(submit(gateway.head(none, gateway.lane.head(1)))).toBe("LANE_HEAD_STALE_REVOCATIONS");
  });
});

describe("a revocation", () => {
  it("is signed by an organisation's CA", async () => {
    const { owner, submit } = await openChannel();
    expect(submit(new LedgerSite().revoke(kidOf("x")))).toBe("SIGNATURE_WRONG");
    const claims = encodeChannelClaims({
      kind: "device",
      device: name("device-1"),
      kid: kidOf("x"),
      reason: "retired",
      since: unixMillis(1),
    });
    const stranger = { issuer: name("brewery"), key: owner.caKey };
    const statement = signStatement(stranger, "device", claims);
    expect(submit({ statement, consistency: [], certificates: [] })).toBe("ORGANISATION_UNKNOWN");
  });

  it("is made worse and never better", async () => {
    const { owner, now, submit } = await openChannel();
    const x = kidOf("x");
    expect(submit(owner.revoke(x, { since: 50 }))).toBe("OK");
    expect(submit(owner.revoke(x, { since: 40 }))).toBe("KEY_REVOKED");
    expect(submit(owner.revoke(x, { reason: "compromised", since: 50 }))).toBe("OK");
    expect(submit(owner.revoke(x, { reason: "compromised", since: 60 }))).toBe("KEY_REVOKED");
    expect(submit(owner.revoke(x, { reason: "compromised", since: 30 }))).toBe("OK");
    expect(submit(owner.revoke(x, { since: 1 }))).toBe("KEY_REVOKED");
    expect(now().revocations.entries).toEqual([{ kid: x, reason: 1, since: 30n }]);
  });

  it("of a gateway's own key stops its lane", async () => {
    const { owner, now, submit, openLane, id } = await openChannel();
    const gateway = openLane("a");
    expect(submit(owner.revoke(gateway.kid))).toBe("OK");
    gateway.grow();
    const head = gateway.head(now().revocations.head, gateway.lane.head(1));
    expect(submit(head)).toBe("LANE_KEY_REVOKED");
    const { incarnation } = gateway;
    const predecessor = { incarnation, head: gateway.lane.head(1) };
    gateway.restart();
    expect(submit(gateway.open(id, predecessor))).toBe("LANE_KEY_REVOKED");
  });

  it("stops at the bound of the list, but for what is in it", async () => {
    const { owner, submit } = await openChannel({ revocationsMax: 2 });
    expect(submit(owner.revoke(kidOf("x")))).toBe("OK");
    expect(submit(owner.revoke(kidOf("y")))).toBe("OK");
    expect(submit(owner.revoke(kidOf("z")))).toBe("REVOCATIONS_FULL");
    expect(submit(owner.revoke(kidOf("y"), { reason: "compromised" }))).toBe("OK");
  });
});
