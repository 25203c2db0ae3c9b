import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  finalize,
  proofOf,
  sealOf,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { mempoolTransactionsMax, transactionBytesMax } from "./limits.ts";
import type { Message } from "./message.ts";
import type { SealPoint } from "./replica-io.ts";

const set = setOf(4);
const next = setOf(4, 1);
const others = [1, 2, 3];
const quiet = { keepAliveMs: 1_000_000 };
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });

/** v0, which waits for the seal of its first block. */
function waiting(): { readonly lone: LoneReplica; readonly point: SealPoint } {
  const lone = new LoneReplica({ set, parameters: quiet });
  const certificate = certificateOf(set, finalize(1, first.digest), others);
  lone.receive(1, { type: "final-blocks", blocks: [first.block], certificate });
  return { lone, point: present(lone.disk.unsealed, "a point that waits") };
}

describe("a seal", () => {
  const sealBy = (validator: number, point: SealPoint): Message => ({
    type: "seal",
    epoch: 0,
    size: point.size,
    payload: sealOf(`v${validator}`, point),
  });

  test("of each peer counts once, and a quorum's is the point's", () => {
    const { lone, point } = waiting();
    lone.receive(1, sealBy(1, point), sealBy(1, point));
    lone.receive(2, sealBy(2, point));
    expect(lone.all("sealed")).toEqual([]);
    lone.receive(3, sealBy(3, point));
    const [sealed] = lone.all("sealed");
    expect(sealed?.seals.map(({ validator }) => validator)).toEqual([1, 2, 3]);
    expect(lone.status).toMatchObject({ isIdle: true, sealedSize: point.size });
  });

  test("that its sender did not make is held against it, alone or among others'", () => {
    const { lone, point } = waiting();
    const fault = { type: "misbehaviour", from: 1, code: "SEAL_SIGNATURE_WRONG" };
    expect(lone.receive(1, sealBy(2, point)).effects).toEqual([fault]);
    const seals = others.map((validator) => ({ validator, payload: sealOf("v3", point) }));
    const sealed = { type: "sealed", epoch: 0, size: point.size, seals } as const;
    expect(lone.receive(1, sealed).effects).toEqual([fault]);
    expect(lone.status.sealedSize).toBe(1n);
  });
});

test("what is of another epoch is nothing here, and nobody is counted for it", () => {
  const { lone, point } = waiting();
  const { view } = lone.status;
  const payload = sealOf("v1", point);
  const ahead = blockOn(genesis, { view, epoch: 1 });
  const messages: readonly Message[] = [
    proposalOf(next, ahead, { by: 1 }),
    { type: "seal", epoch: 1, size: point.size, payload },
    { type: "sealed", epoch: 1, size: point.size, seals: [{ validator: 1, payload }] },
  ];
  for (const message of messages) expect(lone.receive(1, message).effects).toEqual([]);
  const ballots = [finalize(3, first.digest), finalize(3, ahead.digest)] as const;
  lone.receive(1, { type: "equivocation", proof: proofOf(next, 2, ballots) });
  expect(lone.faults).toEqual(["EQUIVOCATION_OTHER_EPOCH"]);
});

describe("a flood of transactions", () => {
  test("fills its sender's share and no other's, and is asked of nobody again", () => {
    const lone = new LoneReplica({ set, parameters: quiet });
    // Beside the validators, own submissions have a share, and all strangers one.
    const share = Math.floor(mempoolTransactionsMax / (set.size + 2));
    const of = (peer: number, from: number, count: number): Message => ({
      type: "transactions",
      transactions: Array.from({ length: count }, (_, at) => utf8(`note:${peer}-${from + at}`)),
    });
    for (let at = 0; at < share + 1_000; at += 1_000) lone.receive(1, of(1, at, 1_000));
    expect([lone.status.pending, lone.faults]).toEqual([share, []]);
    lone.receive(2, of(2, 0, 5));
    expect(lone.status.pending).toBe(share + 5);
    lone.submit("note:own");
    expect(lone.status.pending).toBe(share + 6);
  });

  test("of what is no transaction, or too long, is counted and ends with its first one", () => {
    const parameters = { ...quiet, blockBytesMax: 10 * transactionBytesMax };
    const lone = new LoneReplica({ set, parameters });
    const long = utf8("note:".padEnd(transactionBytesMax + 1, "x"));
    const fits = long.subarray(0, transactionBytesMax);
    lone.receive(1, { type: "transactions", transactions: [fits, long, utf8("note:after")] });
    expect([lone.faults, lone.status.pending]).toEqual([["TRANSACTION_TOO_LONG"], 1]);
    lone.receive(1, { type: "transactions", transactions: [utf8("garbage"), utf8("note:b")] });
    expect([lone.faults, lone.status.pending]).toEqual([["FAKE_NO_TRANSACTION"], 1]);
  });
});
