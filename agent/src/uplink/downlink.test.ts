import { present } from "@tamga/ledger-core/base/assert";
import { equal, utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { ProofEntry } from "@tamga/ledger-core/wire/downlink-message";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { describe, expect, test } from "vitest";
import type { SealedHead } from "../../../test/support/synthetic-channel.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { HeldStatement } from "./downlink.ts";
import { Downlink } from "./downlink.ts";
import { KnownEpochs } from "./known-epochs.ts";

const hasher = treeHasher(nodeCrypto.sha256);

function held(statement: Uint8Array, id = 1): HeldStatement {
  const parsed = parseStatement(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const identity = identityOf(nodeCrypto.sha256, parsed.value.part);
  return { id, identity, leaf: hasher.leaf(statement) };
}

/** A device that holds one bundle, which the lane has at `index`. */
function oneBundle(channel = new SyntheticChannel(), checkpoint?: TreeHead) {
  const { statement } = channel.bundle();
  const own = held(statement);
  const { incarnation, range } = channel.position(2);
  const downlink = new Downlink<HeldStatement>({
    crypto: nodeCrypto,
    policy: channel.policy,
    epochs: new KnownEpochs(nodeCrypto, channel.policy),
    device: channel.device.name,
    find: (of, first) => (equal(of, incarnation) && first === range.first ? own : undefined),
    checkpoint,
  });
  const proof = (head: SealedHead, index: number, more: Partial<ProofEntry> = {}) => ({
    gateway: channel.gateway.name,
    incarnation: channel.laneIncarnation,
    ...head.lane,
    entries: [{ incarnation, first: range.first, leafIndex: BigInt(index), ...more }],
    hashes: channel.lane.multiproof([index], Number(head.lane.size)),
  });
  return { channel, downlink, statement, own, proof };
}

/** The gateway's refusal of a statement. */
function refusal(
  channel: SyntheticChannel,
  refused: HeldStatement,
  { by = channel.gateway, device = channel.device.name, code = "SEQUENCE_CONFLICT" } = {},
): Uint8Array {
  return channel.sign(by, "rejection", "lane", {
    kind: "rejection",
    device,
    refused: refused.identity,
    code,
    at: unixMillis(1_780_000_000_000),
  });
}

function fault(result: { readonly ok: boolean; readonly fault?: { readonly code: string } }) {
  return result.ok ? "accepted" : result.fault?.code;
}

describe("heads", () => {
  test("are accepted, and their checkpoint is the next to be linked to", () => {
    const { channel, downlink } = oneBundle();
    const first = channel.seal();
    expect(fault(downlink.head(first))).toBe("accepted");
    expect(downlink.checkpoint?.size).toBe(first.channel.size);
    const second = channel.seal();
    expect(fault(downlink.head(second))).toBe("HEAD_CONSISTENCY_MISSING");
    const from = Number(first.channel.size);
    const path = channel.log.consistency(from, Number(second.channel.size));
    const other = { ...second, consistency: { fromSize: BigInt(from - 1), path } };
    expect(fault(downlink.head(other))).toBe("HEAD_CONSISTENCY_OTHER_SIZE");
    const linked = { ...second, consistency: { fromSize: BigInt(from), path } };
    expect(fault(downlink.head(linked))).toBe("accepted");
    expect(downlink.checkpoint?.size).toBe(second.channel.size);
  });

  test("a path that does not lead there, or another root at one size, is a fork", () => {
    const channel = new SyntheticChannel();
    const root = nodeCrypto.sha256(utf8("another history"));
    const { downlink } = oneBundle(channel, { size: 1n, root });
    const head = channel.seal();
    const consistency = { fromSize: 1n, path: channel.log.consistency(1) };
    expect(fault(downlink.head({ ...head, consistency }))).toBe("LEDGER_FORK");
    const same = oneBundle(channel, { size: head.channel.size, root }).downlink;
    expect(fault(same.head(head))).toBe("LEDGER_FORK");
    expect(same.checkpoint?.root).toEqual(root);
  });

  test("an older one is taken for what it seals and is not remembered as newest", () => {
    const { channel, statement, own } = oneBundle();
    const index = channel.admit(statement);
    const old = channel.seal();
    const newer = channel.seal();
    const root = channel.log.head(Number(newer.channel.size)).root;
    const later = new Downlink<HeldStatement>({
      crypto: nodeCrypto,
      policy: channel.policy,
      epochs: new KnownEpochs(nodeCrypto, channel.policy),
      device: channel.device.name,
      find: () => own,
      checkpoint: { size: newer.channel.size, root },
    });
    expect(fault(later.head(old))).toBe("accepted");
    expect(later.checkpoint?.size).toBe(newer.channel.size);
    const { proof } = oneBundle(channel);
    expect(fault(later.proof(proof(old, index)))).toBe("accepted");
  });

  test("without a chain are judged by the last one that came, and refused before", () => {
    const { channel, downlink } = oneBundle();
    const first = channel.seal();
    expect(fault(downlink.head({ ...first, gatewayChain: [] }))).toBe("GATEWAY_CHAIN_BAD");
    expect(fault(downlink.head(first))).toBe("accepted");
    const again = downlink.head({ ...first, gatewayChain: [] });
    expect(again).toMatchObject({ ok: true, value: { gatewayChain: first.gatewayChain } });
  });

  test("of another channel are refused", () => {
    const { downlink } = oneBundle();
    expect(fault(downlink.head(new SyntheticChannel().seal()))).not.toBe("accepted");
  });
});

describe("proofs", () => {
  test("are final under a head, and need it", () => {
    const { channel, downlink, statement, own, proof } = oneBundle();
    const index = channel.admit(statement);
    const head = channel.seal();
    expect(fault(downlink.proof(proof(head, index)))).toBe("PROOF_HEAD_UNKNOWN");
    downlink.head(head);
    const judged = downlink.proof(proof(head, index));
    expect(judged).toMatchObject({
      ok: true,
      value: { final: true, accepted: [own], refused: [] },
    });
    if (judged.ok) expect(judged.value.checkpoint?.size).toBe(head.channel.size);
    const later = { ...proof(head, index), size: head.lane.size + 1n };
    expect(fault(downlink.proof(later))).toBe("PROOF_OTHER_HEAD");
  });

  test("are provisional under the gateway's signature, once its key is known", () => {
    const { channel, downlink, statement, proof } = oneBundle();
    const index = channel.admit(statement);
    const head = channel.seal();
    const signed = { ...proof(head, index), signature: head.laneSignature };
    expect(fault(downlink.proof(signed))).toBe("PROOF_GATEWAY_UNKNOWN");
    downlink.rememberGateway(channel.gateway.name, new SyntheticChannel().gateway.chain);
    expect(fault(downlink.proof(signed))).toBe("PROOF_GATEWAY_UNKNOWN");
    downlink.rememberGateway(channel.gateway.name, channel.gateway.chain);
    expect(downlink.proof(signed)).toMatchObject({ ok: true, value: { final: false } });
    const forged = { ...signed, signature: new Uint8Array(64) };
    expect(fault(downlink.proof(forged))).toBe("PROOF_SIGNATURE_WRONG");
  });

  test("the lane has to hold the bytes that are held here", () => {
    const { channel, downlink, proof } = oneBundle();
    const index = channel.admit(channel.statement("heartbeat"));
    const head = channel.seal();
    downlink.head(head);
    expect(fault(downlink.proof(proof(head, index)))).toBe("PROOF_NOT_IN_LANE");
  });

  test("of what is not held here cannot be judged", () => {
    const { channel, downlink, statement, proof } = oneBundle();
    const index = channel.admit(statement);
    const head = channel.seal();
    downlink.head(head);
    const other = proof(head, index, { first: 99n });
    expect(fault(downlink.proof(other))).toBe("PROOF_STATEMENT_UNKNOWN");
  });

  test("a refusal counts when the gateway signed it, for this device and this statement", () => {
    const { channel, downlink, own, proof } = oneBundle();
    const stranger = held(channel.statement("gap"));
    const refusals = [
      { rejection: refusal(channel, own), verdict: "accepted" },
      { rejection: refusal(channel, stranger), verdict: "REJECTION_OF_ANOTHER" },
      {
        rejection: refusal(channel, own, { device: channel.gateway.name }),
        verdict: "REJECTION_OF_ANOTHER",
      },
      {
        rejection: refusal(channel, own, { by: channel.device }),
        verdict: "REJECTION_NOT_BY_GATEWAY",
      },
    ];
    const placed = refusals.map((part) => ({ ...part, index: channel.admit(part.rejection) }));
    const head = channel.seal();
    downlink.head(head);
    for (const { rejection, verdict, index } of placed) {
      const judged = downlink.proof(proof(head, index, { rejection }));
      expect(fault(judged)).toBe(verdict);
      if (!judged.ok) continue;
      expect(judged.value.accepted).toEqual([]);
      expect(judged.value.refused).toEqual([
        { statement: own, rejection, code: "SEQUENCE_CONFLICT" },
      ]);
    }
  });

  test("a refusal of what could not be placed is known by the digest of what was sent", () => {
    const { channel, downlink, statement, own } = oneBundle();
    const { incarnation, range } = channel.position(2);
    const code = "STATEMENT_TYPE_UNKNOWN";
    const byBytes = { ...own, identity: nodeCrypto.sha256(statement) };
    const never = held(channel.statement("gap"));
    const rejections = [byBytes, own, never].map((of) => refusal(channel, of, { code }));
    const foreign = refusal(channel, own, { code, device: channel.gateway.name });
    const indices = [...rejections, foreign].map((rejection) => channel.admit(rejection));
    const head = channel.seal();
    downlink.head(head);
    const unplaced = (which: readonly number[]) => ({
      gateway: channel.gateway.name,
      incarnation: channel.laneIncarnation,
      ...head.lane,
      entries: which.map((i) => ({
        incarnation: new Uint8Array(16),
        first: 0n,
        leafIndex: BigInt(present(indices[i], "leaf")),
        rejection: present([...rejections, foreign][i], "rejection"),
      })),
      hashes: channel.lane.multiproof(
        which.map((i) => present(indices[i], "leaf")),
        Number(head.lane.size),
      ),
    });
    const nothing = { ok: true, value: { accepted: [], refused: [] } };
    expect(downlink.proof(unplaced([0, 1, 2]))).toMatchObject(nothing);
    downlink.sent({ ...own, incarnation, range, bytes: statement });
    for (const i of [0, 1]) {
      const rejection = rejections[i];
      const refused = [{ statement: own, rejection, code }];
      expect(downlink.proof(unplaced([i]))).toMatchObject({ value: { accepted: [], refused } });
      // One that this device did not send lately keeps nothing from the others of its page.
      expect(downlink.proof(unplaced([i, 2]))).toMatchObject({ value: { accepted: [], refused } });
    }
    expect(downlink.proof(unplaced([2]))).toMatchObject(nothing);
    expect(fault(downlink.proof(unplaced([3])))).toBe("REJECTION_OF_ANOTHER");
    const otherLeaf = { ...unplaced([0]), hashes: unplaced([1]).hashes };
    expect(fault(downlink.proof(otherLeaf))).toBe("PROOF_NOT_IN_LANE");
  });
});
