import { describe, expect, test } from "vitest";
import { blockOn, genesis, proposalOf } from "../../../test/support/consensus-blocks.ts";
import {
  certificateOf,
  digestOf,
  finalize,
  notarize,
  nullify,
  setOf,
  wallStart,
} from "../../../test/support/consensus-fixture.ts";
import { LoneReplica } from "../../../test/support/lone-replica.ts";
import { clockAheadMsMax, viewsAheadMax } from "./limits.ts";

const set = setOf(4);
const first = blockOn(genesis, { view: 1, texts: ["note:a"] });
const notarization = certificateOf(set, notarize(1, first.digest), [1, 2, 3]);
const second = blockOn(first, { view: 2, texts: ["note:b"] });
const skipped = (view: number) => certificateOf(set, nullify(view), [1, 2, 3]);

/** v0, to whom v1 has proposed the first block. */
const proposed = () => new LoneReplica({ set }).receive(1, proposalOf(set, first));

describe("a first PROPOSE", () => {
  test("that is valid gets NOTARIZE, with its body on disk before", () => {
    const lone = proposed();
    expect(lone.voted).toEqual(["notarize 1"]);
    const [persist] = lone.effects;
    expect(persist).toMatchObject({
      type: "persist",
      writes: [{ type: "block" }, { type: "vote" }],
    });
    expect([...lone.disk.blocks.values()]).toEqual([first.block]);
    // Repeated, it changes nothing.
    expect(lone.receive(2, proposalOf(set, first)).effects).toEqual([]);
  });

  test("counts as its leader's vote, whoever brings it", () => {
    const lone = new LoneReplica({ set }).receive(3, proposalOf(set, first));
    expect(lone.voted).toEqual(["notarize 1"]);
    lone.votes([2], notarize(1, first.digest));
    expect(lone.sent("certificate").map(({ certificate }) => certificate.voters)).toEqual([
      [0, 1, 2],
    ]);
    expect(lone.voted).toEqual(["finalize 1"]);
    expect(lone.status.view).toBe(2);
  });

  test("that is not signed by the view's leader is nothing", () => {
    const lone = new LoneReplica({ set }).receive(2, proposalOf(set, first, { by: 2 }));
    expect([lone.faults, lone.voted]).toEqual([["PROPOSE_SIGNATURE_WRONG"], []]);
  });

  test("whose parent is not below its view is nothing", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first, { parentView: 1 }));
    expect([lone.faults, lone.voted]).toEqual([["PROPOSE_PARENT_WRONG"], []]);
  });

  test("with a forged certificate is nothing", () => {
    const forged = { ...skipped(1), signatures: skipped(2).signatures };
    const third = blockOn(genesis, { view: 3 });
    const lone = new LoneReplica({ set }).receive(
      3,
      proposalOf(set, third, { nullifications: [forged, skipped(2)] }),
    );
    expect(lone.faults).toEqual(["CERTIFICATE_SIGNATURE_WRONG"]);
    expect(lone.status.view).toBe(1);
  });

  test("brings the certificates that let its receiver enter the view", () => {
    const lone = new LoneReplica({ set });
    lone.receive(1, proposalOf(set, first));
    lone.receive(2, proposalOf(set, second, { parent: notarization }));
    expect(lone.voted).toEqual(["finalize 1", "notarize 2"]);
    const third = blockOn(genesis, { view: 3 });
    const late = new LoneReplica({ set }).receive(
      3,
      proposalOf(set, third, { nullifications: [skipped(2), skipped(1)] }),
    );
    expect(late.voted).toEqual(["notarize 3"]);
  });

  test("for a later view waits for that view, and is the first one there", () => {
    const lone = new LoneReplica({ set });
    const other = blockOn(first, { view: 2, texts: ["note:c"] });
    lone.receive(2, proposalOf(set, second));
    lone.receive(1, proposalOf(set, first));
    expect(lone.voted).toEqual(["notarize 1"]);
    lone.receive(3, { type: "certificate", certificate: notarization });
    expect(lone.voted).toEqual(["finalize 1", "notarize 2"]);
    lone.receive(2, proposalOf(set, other));
    expect(lone.voted).not.toContain("notarize 2");
  });

  test("for a view too far ahead, or for one that is final, is passed over", () => {
    const lone = new LoneReplica({ set });
    const far = blockOn(genesis, { view: viewsAheadMax + 2 });
    lone.receive(3, proposalOf(set, far));
    expect(lone.effects).toEqual([]);
    lone.receive(1, proposalOf(set, first));
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    expect(lone.status.finalHeight).toBe(1);
    expect(lone.receive(1, proposalOf(set, first)).effects).toEqual([]);
    expect(lone.receive(2, { type: "certificate", certificate: notarization }).effects).toEqual([]);
  });
});

describe("a second PROPOSE", () => {
  test("is a proof of equivocation and nothing else: its view is not waited for", () => {
    const lone = proposed();
    const other = blockOn(genesis, { view: 1, texts: ["note:z"] });
    lone.receive(1, proposalOf(set, other));
    expect(lone.all("equivocation").map(({ proof }) => proof.voter)).toEqual([1]);
    expect(lone.sent("equivocation")).toHaveLength(1);
    expect(lone.voted).toEqual(["nullify 1"]);
    // Its other views are not waited for either, and the proof is told once.
    const heard = new LoneReplica({ set }).receive(3, ...lone.sent("equivocation"));
    for (const view of [1, 2, 3, 4])
      heard.receive(3, { type: "certificate", certificate: skipped(view) });
    expect(heard.status.view).toBe(5);
    expect(heard.submit("note:x").voted).toEqual(["nullify 5"]);
  });

  test("after a restart: the stored NOTARIZE is the first one", () => {
    const lone = proposed().restart();
    const other = blockOn(genesis, { view: 1, texts: ["note:z"] });
    lone.receive(1, proposalOf(set, other));
    expect(lone.voted).not.toContain("notarize 1");
    expect(lone.status.halted).toBeUndefined();
  });
});

describe("an invalid PROPOSE is treated as a time-out", () => {
  const invalid = (made: ReturnType<typeof blockOn>) => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, made));
    return [lone.faults, lone.voted];
  };
  const nullified = (code: string) => [[code], ["nullify 1"]];

  test("where the ledger or the header says so", () => {
    const bad = blockOn(genesis, { view: 1, change: { logSize: 9n } });
    expect(invalid(bad)).toEqual(nullified("BLOCK_ROOTS_WRONG"));
    const high = blockOn(genesis, { view: 1, change: { height: 2 } });
    expect(invalid(high)).toEqual(nullified("BLOCK_HEIGHT_WRONG"));
  });

  test("where its clock is further ahead than clockAheadMsMax, and only then", () => {
    const at = (time: number) => invalid(blockOn(genesis, { view: 1, time: wallStart + 1 + time }));
    expect(at(clockAheadMsMax)).toEqual([[], ["notarize 1"]]);
    expect(at(clockAheadMsMax + 1)).toEqual(nullified("PROPOSE_NOT_JUSTIFIED"));
  });

  test("but never where the parent's time is as far ahead: the channel has to go on", () => {
    const far = blockOn(genesis, { view: 1, time: wallStart + 10 * clockAheadMsMax });
    const child = blockOn(far, { view: 2 });
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, far));
    expect(lone.voted).toEqual(["nullify 1"]);
    const parent = certificateOf(set, notarize(1, far.digest), [1, 2, 3]);
    lone.receive(2, proposalOf(set, child, { parent }));
    expect(lone.voted).toEqual(["notarize 2"]);
    const later = blockOn(far, { view: 2, time: wallStart + 10 * clockAheadMsMax + 1 });
    const other = new LoneReplica({ set }).receive(1, proposalOf(set, far));
    other.receive(2, proposalOf(set, later, { parent }));
    expect(other.voted).toEqual(["nullify 2"]);
  });

  test("where another block is notarized in its parent's view, or final there", () => {
    const lone = new LoneReplica({ set }).receive(1, proposalOf(set, first));
    const parent = certificateOf(set, notarize(1, digestOf("other")), [1, 2, 3]);
    lone.receive(2, proposalOf(set, second, { parent }));
    expect(lone.faults).toEqual(["PROPOSE_NOT_JUSTIFIED"]);
    expect(lone.voted).toEqual(["nullify 2"]);
    const orphan = blockOn({ ...genesis, digest: digestOf("other") }, { view: 1 });
    expect(invalid(orphan)).toEqual(nullified("PROPOSE_NOT_JUSTIFIED"));
  });

  test("where its header speaks of another parent view, or of another view", () => {
    const lone = proposed();
    lone.receive(3, { type: "certificate", certificate: notarization });
    const wrong = blockOn(first, { view: 2, parentView: 0 });
    lone.receive(2, proposalOf(set, wrong, { parentView: 1 }));
    expect(lone.faults).toEqual(["PROPOSE_NOT_JUSTIFIED"]);
    const again = proposed();
    again.receive(3, { type: "certificate", certificate: notarization });
    again.receive(2, proposalOf(set, first, { view: 2, parentView: 1 }));
    expect([again.faults, again.voted]).toEqual([["PROPOSE_NOT_JUSTIFIED"], ["nullify 2"]]);
  });
});

describe("what is unknown is fetched, never called invalid", () => {
  test("a body that is not the header's: whoever sends it speaks for itself alone", () => {
    const swapped = { ...first, block: { ...first.block, transactions: [] } };
    const lone = new LoneReplica({ set }).receive(3, proposalOf(set, swapped));
    expect([lone.voted, lone.faults]).toEqual([[], []]);
    expect(lone.sent("fetch-blocks").map(({ digests }) => digests)).toEqual([[first.digest]]);
    lone.receive(2, { type: "blocks", blocks: [swapped.block] });
    expect(lone.voted).toEqual([]);
    lone.receive(2, { type: "blocks", blocks: [first.block] });
    expect(lone.voted).toEqual(["notarize 1"]);
  });

  test("a body: from the leader that built on it, then from the others", () => {
    const lone = new LoneReplica({ set, parameters: { keepAliveMs: 100_000 } });
    lone.receive(2, proposalOf(set, second, { parent: notarization }));
    expect([lone.voted, lone.faults]).toEqual([[], []]);
    expect(lone.sent("fetch-blocks").map(({ digests }) => digests)).toEqual([[first.digest]]);
    expect(lone.sentTo("fetch-blocks")).toEqual([2]);
    expect(lone.wait(100).sentTo("fetch-blocks")).toEqual([3]);
    lone.receive(3, { type: "blocks", blocks: [second.block, first.block] });
    expect(lone.voted).toEqual(["finalize 1", "notarize 2"]);
    expect(lone.wait(500).sent("fetch-blocks")).toEqual([]);
  });

  test("the ancestors of a block that is notarized, before FINALIZE", () => {
    const lone = new LoneReplica({ set, parameters: { keepAliveMs: 100_000 } });
    lone.certificate(notarize(2, second.digest), [1, 2, 3]);
    lone.receive(2, { type: "blocks", blocks: [second.block] });
    expect(lone.voted).toEqual([]);
    expect(lone.sent("fetch-blocks").map(({ digests }) => digests)).toEqual([[first.digest]]);
    lone.receive(3, { type: "blocks", blocks: [first.block] });
    expect(lone.voted).toEqual(["finalize 2"]);
  });

  test("a body that comes with its proposal after the view was certified is kept, and finalized", () => {
    const lone = new LoneReplica({ set, parameters: { keepAliveMs: 100_000 } });
    lone.certificate(notarize(1, first.digest), [1, 2, 3]);
    expect(lone.voted).toEqual([]);
    lone.receive(1, proposalOf(set, first));
    expect(lone.voted).toEqual(["finalize 1"]);
  });

  test("nullifications of skipped views: from the leader that skipped them", () => {
    const lone = new LoneReplica({ set });
    const third = blockOn(genesis, { view: 3 });
    lone.receive(3, proposalOf(set, third, { nullifications: [skipped(2)] }));
    expect([lone.voted, lone.faults]).toEqual([[], []]);
    const [fetch] = lone.sent("fetch-certificates");
    expect(fetch).toEqual({ type: "fetch-certificates", epoch: 0, from: 1, to: 2 });
    expect(lone.sentTo("fetch-certificates")).toEqual([3]);
    lone.receive(1, { type: "certificate", certificate: skipped(1) });
    expect(lone.voted).toEqual(["notarize 3"]);
  });

  test("the notarization of its parent", () => {
    const lone = new LoneReplica({ set });
    const onFirst = blockOn(first, { view: 3 });
    lone.receive(3, proposalOf(set, onFirst, { nullifications: [skipped(2)] }));
    expect(lone.sent("fetch-certificates")).toEqual([
      { type: "fetch-certificates", epoch: 0, from: 1, to: 2 },
    ]);
    lone.receive(1, { type: "certificate", certificate: notarization });
    lone.receive(1, { type: "blocks", blocks: [first.block] });
    expect(lone.voted).toEqual(["finalize 1", "notarize 3"]);
  });

  test("a proposal that builds below what is final runs out of time", () => {
    const lone = proposed();
    lone.certificate(finalize(1, first.digest), [1, 2, 3]);
    const old = blockOn(genesis, { view: 2 });
    lone.receive(2, proposalOf(set, old));
    expect([lone.voted, lone.faults]).toEqual([[], []]);
    expect(lone.wait(200).voted).toContain("nullify 2");
  });
});
