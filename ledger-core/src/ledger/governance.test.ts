/** Members, policy and approvals of a channel that runs: every way in which a change is refused. */

import SqliteDatabase from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { at, Consortium, kidOf, Member } from "../../../test/support/consortium.ts";
import { signStatement } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { ApprovalRule, PolicyClaims } from "../wire/governance-claims.ts";
import { encodeGovernanceClaims } from "../wire/governance-claims.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import { governanceValue, parseGovernance } from "./governance.ts";
import { SqliteChannel } from "./sqlite-channel.ts";

const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));

async function open(...names: readonly string[]) {
  const channel = await Consortium.of(names.length === 0 ? ["dairy", "farm", "shop"] : names);
  const [a, b, c] = channel.members;
  const first = present(a, "first member");
  return { channel, a: first, b: b ?? first, c: c ?? first };
}

const rule = (more: Partial<ApprovalRule>): ApprovalRule => ({
  governed: "device",
  role: "ca",
  threshold: 2,
  organisations: [],
  ...more,
});

/** The next policy by `by`, approved by `others`. */
function policy(
  channel: Consortium,
  by: Member,
  rules: readonly ApprovalRule[],
  others: readonly Member[],
  more: Partial<PolicyClaims> = {},
): Transaction {
  const { policySequence, policy: previous } = channel.state.channel.governance;
  const claims = { kind: "policy", sequence: policySequence + 1n, previous, rules, at } as const;
  const transaction = by.say({ ...claims, ...more });
  if (others.length === 0) return transaction;
  return { ...transaction, approvals: others.map((other) => other.approve(transaction)) };
}

describe("a policy", () => {
  it("needs more than half of the organisations, each once", async () => {
    const { channel, a, b, c } = await open();
    const rules = [rule({})];
    expect(channel.order(policy(channel, a, rules, []))).toBe("APPROVALS_TOO_FEW");
    const twice = policy(channel, a, rules, [b, b]);
    expect(channel.order(twice)).toBe("APPROVAL_WRONG APPROVAL_REPEATED");
    expect(channel.order(policy(channel, a, rules, [a]))).toBe("APPROVAL_WRONG APPROVAL_REPEATED");
    const stranger = new Member("brewery");
    expect(channel.order(policy(channel, a, rules, [stranger]))).toBe(
      "APPROVAL_WRONG ORGANISATION_UNKNOWN",
    );
    expect(channel.order(policy(channel, stranger, rules, [a, b]))).toBe("ORGANISATION_UNKNOWN");
    expect(channel.order(policy(channel, a, rules, [b]))).toBe("OK");
    expect(channel.order(policy(channel, c, [], [a, b]))).toBe("OK");
    expect(channel.state.channel.governance).toMatchObject({ policySequence: 2n, rules: [] });
  });

  it("takes no approval of another statement, and none that is wrong", async () => {
    const { channel, a, b } = await open();
    const ours = policy(channel, a, [rule({})], []);
    const wrong = (approval: { statement: Uint8Array; certificates: readonly Uint8Array[] }) =>
      channel.order({ ...ours, approvals: [approval] });
    expect(wrong(b.approve(ours, digestOf("other")))).toBe(
      "APPROVAL_WRONG APPROVAL_OF_OTHER_STATEMENT",
    );
    expect(wrong({ statement: ours.statement, certificates: [] })).toBe(
      "APPROVAL_WRONG APPROVAL_OF_OTHER_STATEMENT",
    );
    expect(wrong({ statement: utf8("x"), certificates: [] })).toBe("APPROVAL_WRONG CBOR_MALFORMED");
    const empty = signStatement(b.signer, "approval", new Map());
    expect(wrong({ statement: empty, certificates: [] })).toBe("APPROVAL_WRONG FIELD_MISSING");
    const torn = b.approve(ours).statement.slice();
    torn[torn.length - 1] = (torn.at(-1) ?? 0) ^ 1;
    expect(wrong({ statement: torn, certificates: [] })).toBe("APPROVAL_WRONG SIGNATURE_WRONG");
    expect(wrong(b.approve(ours))).toBe("OK");
  });

  it("follows the policy before it, with one rule of a kind, each of which can be met", async () => {
    const { channel, a, b, c } = await open();
    const order = (rules: readonly ApprovalRule[], more: Partial<PolicyClaims> = {}) =>
      channel.order(policy(channel, a, rules, [b], more));
    expect(order([], { sequence: 2n })).toBe("POLICY_NOT_NEXT");
    expect(order([], { previous: digestOf("x") })).toBe("POLICY_NOT_NEXT");
    expect(order([rule({}), rule({ threshold: 1 })])).toBe("POLICY_RULE_REPEATED");
    expect(order([rule({ threshold: 4 })])).toBe("POLICY_UNATTAINABLE");
    expect(order([rule({ organisations: [a.name] })])).toBe("POLICY_UNATTAINABLE");
    expect(order([rule({ organisations: [name("brewery")], threshold: 0 })])).toBe(
      "POLICY_UNATTAINABLE",
    );
    expect(order([rule({ organisations: [a.name, c.name] })])).toBe("OK");
  });

  it("decides how many organisations, and which, approve a kind of transactions", async () => {
    const { channel, a, b, c } = await open();
    const rules = [rule({ organisations: [a.name, b.name] }), rule({ governed: "lane-open" })];
    expect(channel.order(policy(channel, a, rules, [b]))).toBe("OK");
    const revoke = a.owner.revoke(digestOf("x"));
    expect(channel.order(revoke)).toBe("APPROVALS_TOO_FEW");
    expect(channel.order({ ...revoke, approvals: [c.approve(revoke)] })).toBe("APPROVALS_TOO_FEW");
    expect(channel.order({ ...revoke, approvals: [b.approve(revoke)] })).toBe("OK");
    const gateway = a.owner.gateway("g");
    const lane = gateway.open(channel.id);
    const by = (...members: readonly Member[]) => members.map((member) => member.approve(lane));
    expect(channel.order({ ...lane, approvals: by(a) })).toBe("APPROVALS_TOO_FEW");
    expect(channel.order({ ...lane, approvals: by(a, c) })).toBe("OK");
  });

  it("leaves approvals out where nobody has to approve", async () => {
    const { channel, a, b } = await open();
    const revoke = a.owner.revoke(digestOf("x"));
    expect(channel.order({ ...revoke, approvals: [b.approve(revoke)] })).toBe(
      "APPROVALS_UNEXPECTED",
    );
    const gateway = a.owner.gateway("g");
    expect(channel.order(gateway.open(channel.id))).toBe("OK");
    gateway.grow();
    const head = gateway.head(channel.state.channel.revocations.head, gateway.lane.head(1));
    expect(channel.order({ ...head, approvals: [b.approve(head)] })).toBe("APPROVALS_UNEXPECTED");
  });
});

describe("an administrator", () => {
  it("speaks for the organisation whose CA certified the key, inside the certificate's time", async () => {
    const { channel, a, b } = await open();
    const ours = policy(channel, a, [], []);
    const by = ({ signer, chain }: ReturnType<Member["admin"]>) => {
      const of = b.approve(ours);
      const claims = decodeClaims(of.statement);
      return { statement: signStatement(signer, "approval", claims), certificates: chain };
    };
    const order = (admin: ReturnType<Member["admin"]>) =>
      channel.order({ ...ours, approvals: [by(admin)] });
    expect(order(b.admin({ notAfter: new Date(Date.UTC(2025, 3, 1)) }))).toBe(
      "APPROVAL_WRONG ADMIN_CERTIFICATE_OUT_OF_TIME",
    );
    expect(order(b.admin({ of: "farm-2" }))).toBe("APPROVAL_WRONG ADMIN_NAME_MISMATCH");
    const other = { ...b.admin(), chain: a.admin().chain };
    expect(order(other)).toBe("APPROVAL_WRONG ADMIN_CHAIN_BAD");
    expect(order({ ...b.admin(), signer: b.admin().signer })).toBe(
      "APPROVAL_WRONG SIGNATURE_KEY_MISMATCH",
    );
    const revoked = b.admin();
    expect(channel.order(b.owner.revoke(kidOf(revoked.key), { device: "admin" }))).toBe("OK");
    expect(order(revoked)).toBe("APPROVAL_WRONG ADMIN_KEY_REVOKED");
    expect(order(b.admin())).toBe("OK");
  });

  it("does not count where the rule asks for the CA's own key", async () => {
    const { channel, a, b } = await open();
    const rules = [rule({ governed: "policy" })];
    expect(channel.order(policy(channel, a, rules, [b]))).toBe("OK");
    const next = policy(channel, a, [], []);
    const admin = b.admin();
    const approval = signStatement(
      admin.signer,
      "approval",
      decodeClaims(b.approve(next).statement),
    );
    const byAdmin = [{ statement: approval, certificates: admin.chain }];
    expect(channel.order({ ...next, approvals: byAdmin })).toBe("APPROVALS_TOO_FEW");
    expect(channel.order({ ...next, approvals: [b.approve(next)] })).toBe("OK");
  });

  it("may sign the statement itself, with the chain beside it", async () => {
    const { channel, a, b } = await open();
    const { policySequence, policy: previous } = channel.state.channel.governance;
    const claims = {
      kind: "policy",
      sequence: policySequence + 1n,
      previous,
      rules: [],
      at,
    } as const;
    const admin = a.admin();
    const statement = signStatement(admin.signer, "policy", encodeGovernanceClaims(claims));
    const transaction = { statement, consistency: [], certificates: admin.chain };
    const approvals = [b.approve(transaction)];
    expect(channel.order({ ...transaction, certificates: [], approvals })).toBe("SIGNATURE_WRONG");
    expect(channel.order({ ...transaction, approvals })).toBe("OK");
  });
});

describe("a change of members", () => {
  it("waits for its boundary, which carries exactly it, and then holds", async () => {
    const { channel, a, b, c } = await open();
    const d = new Member("brewery");
    const gateway = c.owner.gateway("g");
    expect(channel.order(gateway.open(channel.id))).toBe("OK");
    expect(channel.order(d.owner.revoke(digestOf("x")))).toBe("ORGANISATION_UNKNOWN");
    const change = channel.change([a, b, d], [a, b]);
    expect(channel.order(change)).toBe("OK");
    const next = present(channel.application.nextEpoch(channel.state), "next epoch");
    expect(next.validators.map((of) => of.name)).toEqual([a, b, d].map((of) => of.validator.name));
    expect(next.previous).toEqual(channel.id);
    const block = { height: 2, time: at, parentDigest: channel.id, transactions: [] };
    const code = (of: object) => {
      const executed = channel.application.execute(channel.state, { ...block, ...of });
      return executed.ok ? "OK" : executed.fault.code;
    };
    const revoke = encodeTransaction(a.owner.revoke(digestOf("y")));
    expect(code({})).toBe("BLOCK_BOUNDARY_WRONG");
    expect(code({ boundary: { ...next, previous: digestOf("x") } })).toBe("BLOCK_BOUNDARY_WRONG");
    expect(code({ boundary: next, transactions: [revoke] })).toBe("BLOCK_BOUNDARY_NOT_EMPTY");
    expect(code({ boundary: next })).toBe("OK");
    const stored = channel.boundary(digestOf("boundary 1"));
    expect(stored.isBoundary).toBe(true);
    expect(channel.state.channel.governance).toMatchObject({ epoch: 1, pending: undefined });
    expect(channel.application.nextEpoch(channel.state)).toBeUndefined();
    // The new one is a member, and the one that left is not.
    expect(channel.order(d.owner.revoke(digestOf("x")))).toBe("OK");
    expect(channel.order(c.owner.revoke(digestOf("z")))).toBe("ORGANISATION_UNKNOWN");
    gateway.grow();
    const head = gateway.head(channel.state.channel.revocations.head, gateway.lane.head(1));
    expect(channel.order(head)).toBe("LANE_ORGANISATION_LEFT");
    const again = c.owner.gateway("h").open(channel.id);
    expect(channel.order(again)).toBe("GATEWAY_CHAIN_BAD CHAIN_NOT_TRUSTED");
    expect(channel.order(channel.change([a, b], [a, b]))).toBe("OK");
    expect(channel.application.nextEpoch(channel.state)?.previous).toEqual(digestOf("boundary 1"));
  });

  it("is one at a time, approved, for the next epoch, and ready", async () => {
    const { channel, a, b, c } = await open();
    const d = new Member("brewery");
    const all = [a, b, c, d];
    const order = (...of: Parameters<Consortium["change"]>) => channel.order(channel.change(...of));
    expect(order(all, [a])).toBe("APPROVALS_TOO_FEW");
    expect(order(all, [d, a, b])).toBe("ORGANISATION_UNKNOWN");
    expect(order(all, [a, b], { epoch: 2 })).toBe("EPOCH_NOT_NEXT");
    expect(order(all, [a, b], { ready: [0, 1] })).toBe("READINESS_TOO_FEW");
    expect(order(all, [a, b], { ready: [0, 2, 1] })).toBe("READINESS_WRONG");
    expect(order(all, [a, b], { ready: [0, 0, 1] })).toBe("READINESS_WRONG");
    expect(order(all, [a, b], { ready: [0, 1, 60] })).toBe("READINESS_WRONG");
    expect(order([a, a, b], [a, b])).toBe("MEMBERS_WRONG TRUST_NAME_REPEATED");
    const without = { ...channel.change(all, [a, b]), certificates: [] };
    expect(channel.order(without)).toBe("MEMBERS_CA_MISSING");
    const wrong = { ...channel.change(all, [a, b]), certificates: [a.owner.ca] };
    expect(channel.order(wrong)).toBe("MEMBERS_CA_MISSING");
    expect(order(all, [a, b], { ready: [0, 2, 3] })).toBe("OK");
    expect(order(all, [a, b])).toBe("BLOCK_BOUNDARY_WRONG");
  });

  it("lets nothing else change with it in one block", async () => {
    const { channel, a, b, c } = await open();
    const change = channel.change([a, b], [a, b]);
    const second = channel.change([a, c], [a, b]);
    expect(channel.order(change, second)).toBe("MEMBERS_CHANGE_PENDING");
    expect(channel.order(change, policy(channel, a, [], [b]))).toBe("MEMBERS_CHANGE_PENDING");
    expect(channel.order(change, a.owner.revoke(digestOf("x")))).toBe("OK");
  });

  it("is refused where a rule of the policy could never be met then", async () => {
    const { channel, a, b, c } = await open();
    expect(channel.order(policy(channel, a, [rule({ threshold: 3 })], [b]))).toBe("OK");
    expect(channel.order(channel.change([a, b], [a, b]))).toBe("POLICY_UNATTAINABLE");
    expect(channel.order(channel.change([a, b, c], [a, b]))).toBe("OK");
  });

  it("may be of validators alone, with the administrator's chain after the CAs", async () => {
    const { channel, a, b, c } = await open();
    const d = new Member("brewery");
    const admin = a.admin();
    const change = channel.change([a, b, c, d], [a]);
    const statement = signStatement(admin.signer, "validators", decodeClaims(change.statement));
    const certificates = [...change.certificates, ...admin.chain];
    const transaction = { ...change, statement, certificates };
    const approvals = [b.approve(transaction)];
    expect(channel.order({ ...transaction, approvals })).toBe("OK");
  });
});

describe("governance", () => {
  it("survives SQLite and its replay, boundary, policy and approvals too", async () => {
    const { channel, a, b, c } = await open();
    const db = new SqliteDatabase(":memory:");
    const store = SqliteChannel.open(db, nodeCrypto);
    const { opening, id, genesis } = channel;
    const write = (work: () => void) => db.transaction(work)();
    write(() => store.appendBlock([{ identity: id, transaction: opening }], { time: at }));
    const keep = (state = channel.state, digest = digestOf("block")) => {
      write(() => store.appendState(state, { time: at, digest }));
      const loaded = store.loadState(genesis);
      expect(loaded.channel.root()).toEqual(state.channel.root());
      expect(channel.application.nextEpoch(loaded)).toEqual(channel.application.nextEpoch(state));
    };
    const rules = [rule({ governed: "anchor", organisations: [a.name, b.name] })];
    expect(channel.order(policy(channel, a, rules, [b, c]))).toBe("OK");
    keep();
    const d = new Member("brewery");
    expect(channel.order(channel.change([a, b, d], [c, b]))).toBe("OK");
    keep();
    keep(channel.boundary(digestOf("boundary")), digestOf("boundary"));
    expect(store.loadState(genesis).epochStart).toEqual(digestOf("boundary"));
    keep();
    expect(channel.order(d.owner.revoke(digestOf("x")))).toBe("OK");
    keep();
    store.verifyAll();
    expect(encodeTransaction(present(store.transaction(1), "policy")).length).toBeGreaterThan(0);
    expect(store.transaction(1)?.approvals).toHaveLength(2);
    db.close();
  });

  it("is what its bytes say, and no policy of members where they are none", async () => {
    const { channel, a, b } = await open();
    expect(channel.order(policy(channel, a, [rule({})], [b]))).toBe("OK");
    expect(channel.order(channel.change([a, b], [a, b]))).toBe("OK");
    const { governance } = channel.state.channel;
    const read = (bytes: Uint8Array) => {
      const decoded = decodeCbor(bytes, 1_000_000);
      if (!decoded.ok) throw new Error(decoded.fault.code);
      const fields = new FieldReader(decoded.value);
      return fields.finish(parseGovernance(fields, channel.genesis));
    };
    const bytes = encodeCbor(governanceValue(governance));
    const parsed = read(bytes);
    expect(parsed.ok && parsed.value).toEqual(governance);
    const none = encodeCbor([0, [[], []], [], 0n, channel.id, null]);
    expect(read(none)).toEqual({ ok: true, value: undefined });
  });
});

function decodeClaims(statement: Uint8Array) {
  const parsed = parseStatement(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value.claims;
}
