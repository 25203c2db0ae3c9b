import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootFromMultiproof } from "@tamga/ledger-core/log/multiproof";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import type { EpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import { parseEpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import type {
  HeadMessage,
  ProofMessage,
  WantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import {
  parseHeadMessage,
  parseProofMessage,
  parseWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { rangesPerPageMax } from "@tamga/ledger-core/wire/limits";
import type { HaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import { encodeHaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { Admission } from "../lane/admission.ts";
import { admission, identifier, meter, openLane, orderNow, refusal } from "../lane/lane-fixture.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { admissionsPerBatchMax, answersPerHaveMax } from "../limits.ts";
import { Delivery } from "./delivery.ts";

const folder = mkdtempSync(join(tmpdir(), "delivery-"));
afterAll(() => rmSync(folder, { recursive: true }));
const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const other = identifier("meter-2");
const run = (run: number) => new Uint8Array(16).fill(run);

type Sent =
  | { readonly kind: "want"; readonly to: Identifier; readonly want: WantMessage }
  | { readonly kind: "head"; readonly to: Identifier; readonly head: HeadMessage }
  | { readonly kind: "proof"; readonly to: Identifier; readonly proof: ProofMessage };

const chain = [Uint8Array.of(1, 2, 3)];
let files = 0;
let lane: SqliteLane;
let clock: ManualClock;
let online: Set<Identifier>;
let sent: Sent[];
let ahead: bigint[];
let boundaries: BoundaryProof[];
let told: EpochsMessage[];
let isFull: boolean;
let onSent: (kind: string) => void;
let delivery: Delivery;

beforeEach(() => {
  lane = openLane(join(folder, `lane-${files++}.db`));
  clock = new ManualClock();
  online = new Set([meter]);
  sent = [];
  ahead = [];
  boundaries = [];
  told = [];
  isFull = false;
  onSent = () => undefined;
  delivery = new Delivery({
    lane,
    gatewayChain: chain,
    send: (to, kind, payload) => {
      if (isFull) return false;
      onSent(kind);
      if (kind === "want") sent.push({ kind, to, want: value(parseWantMessage(payload)) });
      else if (kind === "head") sent.push({ kind, to, head: value(parseHeadMessage(payload)) });
      else if (kind === "epochs") told.push(value(parseEpochsMessage(payload)));
      else if (kind === "proof") sent.push({ kind, to, proof: value(parseProofMessage(payload)) });
      return true;
    },
    isOnline: (device) => online.has(device),
    boundaries: () => boundaries,
    channelConsistency: () => [],
    evidenceOf: (_log, { evidence }) => evidence,
    checkpointAhead: (_device, { size }) => ahead.push(size),
    clock,
    provisionalWaitMs: 20,
  });
  return () => lane.close();
});

function value<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  return present(result.ok ? result.value : undefined, "well formed downlink message");
}

/** Commits, and tells the delivery of it as the queue does. */
function commit(batch: readonly Admission[]): void {
  for (let i = 0; i < batch.length; i += admissionsPerBatchMax) {
    const part = batch.slice(i, i + admissionsPerBatchMax);
    const admitted = lane.admit(part);
    delivery.admitted(
      part.map((one, k) => ({ admission: one, admitted: present(admitted[k], "answer") })),
    );
  }
}

function have(over: Partial<HaveMessage>): void {
  const nonce = new Uint8Array(8).fill(9);
  const message = { nonce, last: true, pending: [], kept: [], ...over };
  delivery.have(meter, encodeHaveMessage(message));
}

const listed = (runNumber: number, ...ranges: readonly (readonly [number, number])[]) => ({
  stream: identifier("main"),
  incarnation: run(runNumber),
  ranges: ranges.map(([first, count]) => ({ first: BigInt(first), count })),
});

const proofs = () => sent.flatMap((one) => (one.kind === "proof" ? [one.proof] : []));
const wants = () => sent.flatMap((one) => (one.kind === "want" ? [one.want] : []));
const heads = () => sent.flatMap((one) => (one.kind === "head" ? [one.head] : []));

/** A proof leads from the entries that the lane itself holds to the root that it names. */
function expectLeads(proof: ProofMessage): void {
  const indices = proof.entries.map(({ leafIndex }) => Number(leafIndex)).sort((a, b) => a - b);
  const leafHashes = indices.map((index) =>
    hasher.leaf(present(lane.entry(BigInt(index)), "leaf of a proof")),
  );
  const size = Number(proof.size);
  const root = rootFromMultiproof(hasher, { indices, size, leafHashes, hashes: proof.hashes });
  expect(root).toEqual({ ok: true, value: proof.root });
}

describe("after a commit", () => {
  test("what came together gets one provisional proof, whoever is on the line", async () => {
    commit([admission({ first: 0 }), admission({ first: 1, count: 4 })]);
    commit([admission({ first: 0, device: other }), admission({ first: 5 })]);
    expect(sent).toEqual([]);
    await clock.advance(20);
    expect(sent.map(({ kind, to }) => [kind, to])).toEqual([["proof", meter]]);
    const [proof] = proofs();
    expect(proof?.signature).toBeDefined();
    expect(proof?.entries.map(({ first }) => first)).toEqual([0n, 1n, 5n]);
    if (proof !== undefined) expectLeads(proof);
  });

  test("a refused message gets the rejection's bytes", async () => {
    commit([refusal(new Uint8Array([1, 2, 3]))]);
    await clock.advance(20);
    const [entry] = proofs().flatMap(({ entries }) => entries);
    expect(entry?.rejection).toEqual(lane.entry(1n));
  });

  test("a duplicate is answered again, with the place of the first", async () => {
    commit([admission({ first: 0 })]);
    commit([admission({ first: 0 })]);
    await clock.advance(20);
    expect(proofs().flatMap(({ entries }) => entries)).toHaveLength(1);
  });

  test("who goes off the line meanwhile is forgotten", async () => {
    commit([admission({ first: 0 })]);
    delivery.offline(meter);
    await clock.advance(20);
    expect(sent).toEqual([]);
  });
});

describe("after a seal", () => {
  test("the head comes once, before the proofs of what it makes final", async () => {
    commit([admission({ first: 0 }), admission({ first: 0, device: other })]);
    await clock.advance(20);
    sent = [];
    const { head } = orderNow(lane);
    delivery.sealed(0n, head.size);
    delivery.sealed(0n, head.size);
    expect(sent.map(({ kind, to }) => [kind, to])).toEqual([
      ["head", meter],
      ["proof", meter],
      ["proof", meter],
    ]);
    expect(proofs()[0]?.signature).toBeUndefined();
    for (const proof of proofs()) expectLeads(proof);
  });

  test("names the way from the checkpoint that the device knows", () => {
    commit([admission({ first: 0 })]);
    const { head } = orderNow(lane);
    have({ checkpoint: { size: 1n, root: head.root } });
    delivery.sealed(0n, head.size);
    expect(heads().map(({ consistency }) => consistency?.fromSize)).toEqual([1n]);
  });

  test("brings the gateway's chain once a connection, and again to who asks", () => {
    const seal = (first: number) => {
      commit([admission({ first })]);
      const from = lane.current.ordered?.head.size ?? 0n;
      delivery.sealed(from, orderNow(lane).head.size);
      return heads().at(-1)?.gatewayChain;
    };
    expect([seal(0), seal(1), seal(2)]).toEqual([chain, [], []]);
    have({});
    expect([seal(3), seal(4)]).toEqual([chain, []]);
    delivery.offline(meter);
    expect(seal(5)).toEqual(chain);
  });

  test("more statements than one page come in several proofs", async () => {
    const many = 2 * 1_024 + 3;
    commit(Array.from({ length: many }, (_, first) => admission({ first })));
    await clock.advance(20);
    sent = [];
    const { head } = orderNow(lane);
    delivery.sealed(0n, head.size);
    expect(heads()).toHaveLength(1);
    expect(proofs().flatMap(({ entries }) => entries)).toHaveLength(many);
    for (const proof of proofs()) expectLeads(proof);
  });
});

describe("changes of validators", () => {
  const change: BoundaryProof = {
    header: Uint8Array.of(1),
    finalization: {
      epoch: 0,
      ballot: { kind: "finalize", view: 1, parentView: 0, digest: nodeCrypto.sha256(run(1)) },
      voters: [],
      signatures: [],
    },
  };
  const toldOf = () => told.map(({ total, from, boundaries: of }) => [total, from, of.length]);

  test("are told once a connection, before anything else, and a new one at once", () => {
    have({});
    expect(toldOf()).toEqual([]);
    boundaries = [change, change];
    delivery.membersChanged();
    have({});
    expect(toldOf()).toEqual([[2, 0, 2]]);
    boundaries = [...boundaries, change];
    delivery.membersChanged();
    delivery.membersChanged();
    have({});
    expect(toldOf()).toEqual([
      [2, 0, 2],
      [3, 2, 1],
    ]);
    delivery.online(meter);
    have({});
    expect(toldOf().at(-1)).toEqual([3, 0, 3]);
  });

  test("that a full line did not take come before the next head", () => {
    boundaries = [change];
    const order: string[] = [];
    isFull = true;
    have({});
    isFull = false;
    onSent = (kind) => order.push(kind);
    commit([admission({ first: 0 })]);
    delivery.sealed(0n, orderNow(lane).head.size);
    expect(order).toEqual(["epochs", "head", "proof"]);
  });
});

describe("a have", () => {
  test("is answered by what is lacking, and by proofs of what is here", () => {
    commit([admission({ first: 0, count: 4 })]);
    orderNow(lane);
    commit([admission({ first: 8, count: 2 })]);
    have({ pending: [listed(0, [0, 10]), listed(7, [0, 3])] });
    expect(wants()).toHaveLength(1);
    expect(wants()[0]?.want).toEqual([listed(0, [4, 4]), listed(7, [0, 3])]);
    const entries = proofs().map((proof) => [
      proof.signature === undefined,
      proof.entries.map(({ first }) => first),
    ]);
    expect(entries).toEqual([
      [true, [0n]],
      [false, [8n]],
    ]);
  });

  test("wants nothing of what was refused at that very place", () => {
    const position = {
      stream: identifier("main"),
      incarnation: run(0),
      range: { first: 3n, count: 2 },
    };
    commit([refusal(new Uint8Array([1]), { position })]);
    have({ pending: [listed(0, [3, 2])] });
    expect(wants()[0]?.want).toEqual([]);
    expect(proofs().flatMap(({ entries }) => entries)).toHaveLength(1);
  });

  test("that knows more of the channel than the channel does is reported", () => {
    commit([admission({ first: 0 })]);
    const { head } = orderNow(lane);
    have({ checkpoint: { size: 1_000n, root: head.root } });
    expect(ahead).toEqual([1_000n]);
  });

  test("of more gaps than a page holds is answered by a page", () => {
    const gaps = Array.from({ length: rangesPerPageMax }, (_, i) => [10 * i, 1] as const);
    const page = { last: false, pending: [listed(0, ...gaps)] };
    have(page);
    have({ ...page, pending: [listed(1, ...gaps)], last: true });
    const ranges = wants().flatMap(({ want }) => want.flatMap((item) => item.ranges));
    expect(ranges).toHaveLength(rangesPerPageMax);
  });

  test("over more statements than one answer holds gets as many proofs as it may", () => {
    const many = answersPerHaveMax + 2_048;
    for (let first = 0; first < many; first += admissionsPerBatchMax) {
      lane.admit(
        Array.from({ length: admissionsPerBatchMax }, (_, i) => admission({ first: first + i })),
      );
    }
    have({ pending: [listed(0, [0, Number.MAX_SAFE_INTEGER])] });
    const answered = proofs().flatMap(({ entries }) => entries).length;
    expect(answered).toBeGreaterThanOrEqual(answersPerHaveMax);
    expect(answered).toBeLessThan(answersPerHaveMax + 1_024);
  });

  test("that is malformed or endless throws what cuts the client off", () => {
    const codeOf = (work: () => void) => {
      try {
        work();
        return undefined;
      } catch (error) {
        return error instanceof OperationalError ? error.code : String(error);
      }
    };
    expect(codeOf(() => delivery.have(meter, Uint8Array.of(0xff)))).toBe("HAVE_MALFORMED");
    const endless = () => {
      for (let i = 0; i < 65; i++) have({ last: false });
    };
    expect(codeOf(endless)).toBe("HAVE_TOO_MANY_PAGES");
  });
});
