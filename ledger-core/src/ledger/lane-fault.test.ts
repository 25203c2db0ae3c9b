/** What freezes a lane, what proves nothing, and that a lane is never rewritten whatever is submitted. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { at, Consortium } from "../../../test/support/consortium.ts";
import type { TestGateway } from "../../../test/support/ledger-site.ts";
import { signStatement, site } from "../../../test/support/ledger-site.ts";
import { SparseLog } from "../../../test/support/sparse-log.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { LaneFaultClaims } from "../wire/governance-claims.ts";
import type { Transaction } from "../wire/transaction.ts";
import { laneFaultTransaction } from "./lane-fault.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));

async function open() {
  const channel = await Consortium.of(["dairy", "farm"]);
  const [dairy, farm] = channel.members;
  const [a, b] = [present(dairy, "dairy"), present(farm, "farm")];
  const gateway = a.owner.gateway("g");
  const opening = gateway.open(channel.id);
  expect(channel.order(opening)).toBe("OK");
  const none = () => channel.state.channel.revocations.head;
  /** A signed head of the gateway's lane, or one that the gateway never had. */
  const said = (head = gateway.lane.head(), incarnation = gateway.incarnation) =>
    gateway.sayHead({ head, revocations: none(), incarnation }).statement;
  const fault = (
    first: Uint8Array,
    second: Uint8Array,
    more: Partial<LaneFaultClaims> = {},
  ): Transaction => b.say({ kind: "lane-fault", gateway: gateway.name, first, second, ...more });
  return { channel, a, b, gateway, opening, none, said, fault };
}

const other = (size: bigint) => ({ size, root: digestOf(`other ${size}`) });

describe("a lane-fault", () => {
  it("of two roots of one size freezes the gateway for ever", async () => {
    const { channel, gateway, said, fault, none } = await open();
    gateway.grow();
    const proof = fault(said(), said(other(2n)));
    expect(channel.order(proof)).toBe("OK");
    expect(channel.state.channel.lane(gateway.name)?.frozen).toBe(true);
    expect(channel.state.channel.frozenCount).toBe(1);
    expect(channel.order(gateway.head(none(), gateway.lane.head(1)))).toBe("LANE_FROZEN");
    const predecessor = { incarnation: gateway.incarnation, head: gateway.lane.head(1) };
    gateway.restart();
    expect(channel.order(gateway.open(channel.id, predecessor))).toBe("LANE_FROZEN");
    expect(channel.order(fault(said(), said(other(3n))))).toBe("LANE_FROZEN");
  });

  it("may hold the lane-open as it was ordered against a head of size 1", async () => {
    const { channel, gateway, opening, said, fault } = await open();
    const again = gateway.open(channel.id);
    // ECDSA signs anew each time: the same statement, and another leaf.
    expect(again.statement).not.toEqual(opening.statement);
    expect(channel.order(fault(again.statement, said(other(1n))))).toBe("LANE_FAULT_NOT_PROVEN");
    expect(channel.order(fault(said(other(1n)), opening.statement))).toBe("LANE_FAULT_OTHER_LANE");
    expect(channel.order(fault(opening.statement, said(other(1n))))).toBe("OK");
  });

  it("may show two leaves at one index of trees of any sizes", async () => {
    const { channel, gateway, said, fault } = await open();
    const fork = new SparseLog();
    for (let i = 0; i < 5; i++) {
      gateway.grow();
      fork.append(utf8(`fork ${i}`));
    }
    const index = 2;
    const divergence = {
      index: BigInt(index),
      first: { leaf: hasher.leaf(utf8("fork 2")), path: fork.inclusion(index) },
      second: { leaf: hasher.leaf(utf8("g 2 statement")), path: gateway.lane.inclusion(index) },
    };
    const [first, second] = [said(fork.head()), said()];
    const order = (more: Partial<typeof divergence>) =>
      channel.order(fault(first, second, { divergence: { ...divergence, ...more } }));
    expect(channel.order(fault(first, second))).toBe("LANE_FAULT_NOT_PROVEN");
    expect(order({ second: divergence.first })).toBe("LANE_FAULT_NOT_PROVEN");
    expect(order({ first: { ...divergence.first, path: [] } })).toBe("LANE_FAULT_NOT_PROVEN");
    expect(order({ index: 3n })).toBe("LANE_FAULT_NOT_PROVEN");
    expect(order({})).toBe("OK");
  });

  it("proves nothing by honest heads, in whatever order", async () => {
    const { channel, gateway, said, fault, none, opening } = await open();
    const heads = Array.from({ length: 4 }, () => {
      gateway.grow();
      return said();
    });
    expect(channel.order(gateway.head(none(), gateway.lane.head(1)))).toBe("OK");
    for (const first of [...heads, opening.statement])
      for (const second of heads)
        expect(channel.order(fault(first, second))).toBe("LANE_FAULT_NOT_PROVEN");
  });

  it("is about one opened lane of its gateway, by the key that opened it", async () => {
    const { channel, a, gateway, said, fault } = await open();
    const [two, twin] = [said(other(2n)), said({ size: 2n, root: digestOf("y") })];
    const stranger = a.owner.gateway("stranger");
    const foreign = stranger.sayHead({ head: other(2n), revocations: other(0n) }).statement;
    const unopened = said({ size: 2n, root: digestOf("z") }, new Uint8Array(16));
    expect(channel.order(fault(two, twin, { gateway: name("nobody") }))).toBe("LANE_UNKNOWN");
    expect(channel.order(fault(two, foreign))).toBe("LANE_FAULT_OTHER_LANE");
    expect(channel.order(fault(two, unopened))).toBe("LANE_FAULT_OTHER_LANE");
    expect(channel.order(fault(unopened, unopened))).toBe("LANE_FAULT_OTHER_LANE");
    expect(channel.order(fault(utf8("x"), two))).toBe("LANE_FAULT_STATEMENT_BAD CBOR_MALFORMED");
    const empty = signStatement(gateway.signer, "lane-head", new Map());
    expect(channel.order(fault(two, empty))).toBe("LANE_FAULT_STATEMENT_BAD FIELD_MISSING");
    const torn = twin.slice();
    torn[torn.length - 1] = (torn.at(-1) ?? 0) ^ 1;
    expect(channel.order(fault(two, torn))).toBe("LANE_FAULT_SIGNATURE_WRONG SIGNATURE_WRONG");
    const elsewhere = signStatement(gateway.signer, "lane-head", new Map(), {
      channel: name("beer"),
    });
    expect(channel.order(fault(two, elsewhere))).toBe("LANE_FAULT_OTHER_LANE");
  });

  it("about a lane that is closed brings the certificate of its key", async () => {
    const { channel, a, gateway, said, fault } = await open();
    const proof = fault(said(other(2n)), said({ size: 2n, root: digestOf("y") }));
    const old = { incarnation: gateway.incarnation, head: gateway.lane.head(1) };
    const renewed = a.owner.gateway("g");
    expect(channel.order(renewed.open(channel.id, old))).toBe("OK");
    expect(channel.order(proof)).toBe("LANE_FAULT_KEY_MISSING");
    expect(channel.order({ ...proof, certificates: renewed.chain })).toBe("LANE_FAULT_KEY_MISSING");
    expect(channel.order({ ...proof, certificates: [utf8("x")] })).toBe("LANE_FAULT_KEY_MISSING");
    expect(channel.order({ ...proof, certificates: gateway.chain })).toBe("OK");
    expect(channel.state.channel.lane(gateway.name)?.frozen).toBe(true);
  });

  it("is reported by a validator, a gateway in good standing or an organisation's CA", async () => {
    const { channel, a, b, gateway, said } = await open();
    const [first, second] = [said(other(2n)), said({ size: 2n, root: digestOf("y") })];
    const claims = { gateway: gateway.name, first, second };
    const reporter = (key: ReturnType<typeof createKey>, issuer = b.validator.name) => ({
      name: issuer,
      publicKey: key.publicKey,
      sign: (bytes: Uint8Array) => key.sign(bytes),
    });
    const parts = { crypto: nodeCrypto, channel: site.channel };
    const make = (...of: Parameters<typeof reporter>) =>
      laneFaultTransaction({ ...parts, reporter: reporter(...of) }, claims, { at });
    expect(channel.order(make(createKey("EdDSA")))).toBe("ORGANISATION_UNKNOWN");
    const neighbour = b.owner.gateway("h");
    expect(channel.order(make(neighbour.key, neighbour.name))).toBe("ORGANISATION_UNKNOWN");
    expect(channel.order(neighbour.open(channel.id))).toBe("OK");
    const before = channel.state;
    for (const by of [make(b.validatorKey), make(neighbour.key, neighbour.name)]) {
      channel.state = before;
      expect(channel.order(by)).toBe("OK");
    }
    channel.state = before;
    expect(channel.order(b.owner.revoke(neighbour.kid, { device: "h" }))).toBe("OK");
    expect(channel.order(make(neighbour.key, neighbour.name))).toBe("LANE_KEY_REVOKED");
    const report = { ...make(b.validatorKey), approvals: [a.approve(make(b.validatorKey))] };
    expect(channel.order(report)).toBe("APPROVALS_UNEXPECTED");
    const empty = signStatement(b.signer, "lane-fault", new Map());
    expect(channel.order({ ...report, statement: empty })).toBe("FIELD_MISSING");
  });
});

describe("a lane", () => {
  /** What a gateway, honest or not, may try; forks share a prefix with the lane. */
  const tries = fc.array(
    fc.record({
      kind: fc.constantFrom("grow", "fork", "shrink", "lie", "jump", "fault" as const),
      by: fc.integer({ min: 1, max: 9 }),
      keep: fc.nat({ max: 9 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it("is never rewritten: each ordered head has every earlier one as a prefix", async () => {
    await fc.assert(
      fc.asyncProperty(tries, async (steps) => {
        const { channel, gateway, none, fault, said } = await open();
        const entries: string[] = [];
        const heads = [present(channel.state.channel.lane(gateway.name), "lane").head];
        const logs = [gateway.lane];
        for (const { kind, by, keep } of steps) {
          const last = present(heads.at(-1), "head");
          const attempt = tryOne(gateway, { kind, by, keep, last, none: none(), entries });
          const wasFrozen = channel.state.channel.lane(gateway.name)?.frozen === true;
          const code =
            kind === "fault"
              ? channel.order(fault(said(other(BigInt(by))), said(gateway.lane.head())))
              : channel.order(attempt.transaction);
          if (wasFrozen) expect(code).toBe("LANE_FROZEN");
          const { head } = present(channel.state.channel.lane(gateway.name), "lane");
          if (head.size !== last.size) {
            expect(code).toBe("OK");
            heads.push(head);
            logs.push(attempt.log);
          } else expect(head).toEqual(last);
        }
        const newest = present(logs.at(-1), "log");
        for (const [i, head] of heads.entries()) {
          const later = present(heads.at(-1), "head");
          expect(later.size >= head.size).toBe(true);
          const claim = {
            size1: head.size,
            size2: later.size,
            root1: head.root,
            root2: later.root,
          };
          const path = newest.consistency(Number(head.size), Number(later.size));
          expect(verifyConsistency(hasher, { ...claim, path }).ok, `head ${i}`).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });
});

/** The log that the gateway claims to have, and its head as a transaction. */
function tryOne(
  gateway: TestGateway,
  of: {
    readonly kind: string;
    readonly by: number;
    readonly keep: number;
    readonly last: { readonly size: bigint; readonly root: ReturnType<typeof digestOf> };
    readonly none: { readonly size: bigint; readonly root: ReturnType<typeof digestOf> };
    readonly entries: string[];
  },
): { readonly log: SparseLog; readonly transaction: Transaction } {
  const { kind, by, keep, last, none, entries } = of;
  const size = Number(last.size);
  const lie = (head: typeof last, consistency: readonly ReturnType<typeof digestOf>[] = []) => ({
    log: gateway.lane,
    transaction: gateway.sayHead({ head, revocations: none, consistency }),
  });
  switch (kind) {
    case "fork": {
      const fork = new SparseLog();
      for (let i = 0; i < size + by; i++) fork.append(utf8(`fork ${i < keep ? "" : by} ${i}`));
      return {
        log: fork,
        transaction: gateway.sayHead({
          head: fork.head(),
          revocations: none,
          consistency: fork.consistency(size),
        }),
      };
    }
    case "shrink":
      return lie({ size: BigInt(Math.max(0, size - by)), root: digestOf("shrunk") });
    case "lie":
      return lie({ size: last.size, root: digestOf(`lie ${by}`) });
    case "jump":
      return lie({ size: last.size + BigInt(by), root: last.root }, [last.root]);
    default:
      for (let i = 0; i < by; i++) {
        gateway.grow();
        entries.push(`${gateway.lane.size}`);
      }
      return {
        log: gateway.lane,
        transaction: gateway.head(none, { ...last, size: BigInt(size) }),
      };
  }
}
