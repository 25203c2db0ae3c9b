/**
 * Leads a real replica through one validator's part of a model's run: what the model's validator signs,
 * the replica must sign too, over the same bytes as its peers.
 *
 * The replica is eager where the model may wait: it signs at once what it may. Where that, or a rule that
 * is stricter than the model's, parts the two, the replay ends there and says why.
 */

import { equal, utf8 } from "@tamga/ledger-core/base/bytes";
import { headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { Message, Status } from "@tamga/ledger-core/consensus/message";
import type { VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot, NullifyBallot } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Ground, Made } from "../support/consensus-blocks.ts";
import { blockOn, genesis, proposalOf } from "../support/consensus-blocks.ts";
import { certificateOf, channel, setOf } from "../support/consensus-fixture.ts";
import { FakeLedger, genesisTip } from "../support/fake-ledger.ts";
import { FakeVoteDisk } from "../support/fake-vote-disk.ts";
import { LoneReplica } from "../support/lone-replica.ts";
import { unwrap } from "../support/unwrap.ts";
import { SignedVotes } from "./signed-votes.ts";
import type { Trace, TraceBallot, TraceStep } from "./trace.ts";

export type Replayed = {
  /** Votes that the replica signed as the model did. */
  readonly votes: number;
  readonly recoveries: number;
  /** Why the replay ended before the run did. */
  readonly parted?: "leader chose another parent" | "no vote after its NULLIFY" | "eager" | "final";
};

/** @throws where the replica does what the rules forbid, or leaves undone what the model did. */
export function replay(trace: Trace, self: number): Replayed {
  const player = new Player(trace, self);
  let votes = 0;
  let recoveries = 0;
  for (const [at, step] of trace.steps.entries()) {
    if (step.validator === self) {
      const outcome = player.follow(step, at);
      if (outcome !== undefined) return { votes, recoveries, parted: outcome };
      if (step.type === "vote") votes++;
      if (step.type === "recover") recoveries++;
    }
    if (step.type === "vote") player.hear(step.validator, step.ballot);
  }
  return { votes, recoveries };
}

class Player {
  readonly #trace: Trace;
  readonly #set;
  readonly #self: number;
  readonly #other: number;
  readonly #voters = new Map<string, { readonly ballot: TraceBallot; readonly who: Set<number> }>();
  readonly #blocks = new Map<string, Made>();
  readonly #signed = new SignedVotes();
  #lone: LoneReplica;
  #wanted = 0;

  constructor(trace: Trace, self: number) {
    this.#trace = trace;
    this.#self = self;
    this.#other = self === 0 ? 1 : 0;
    this.#set = setOf(trace.validators);
    this.#lone = new LoneReplica({ set: this.#set, self });
  }

  hear(validator: number, ballot: TraceBallot): void {
    const key = JSON.stringify(ballot);
    const entry = this.#voters.get(key) ?? { ballot, who: new Set(this.#trace.liars) };
    entry.who.add(validator);
    this.#voters.set(key, entry);
  }

  /** @returns why replica and model part here, if they do. */
  follow(step: TraceStep, at: number): Replayed["parted"] {
    const outcome = this.#follow(step, `step ${at}, ${step.type} of ${step.validator}`);
    const broken = this.#signed.broken();
    require(broken === undefined, `step ${at}: ${broken}`);
    return outcome;
  }

  #follow(step: TraceStep, where: string): Replayed["parted"] {
    switch (step.type) {
      case "vote":
        return this.#vote(step.ballot, where);
      case "enter": {
        this.#deliver(step.ballot);
        const { view, finalView } = this.#lone.status;
        if (finalView > step.ballot.view) return "final";
        require(view > step.ballot.view, `${where}: the view is not entered`);
        return undefined;
      }
      case "restart":
        this.#lone = this.#lone.restart();
        this.#collect();
        return undefined;
      case "lose": {
        const disk = new FakeVoteDisk(genesisTip(channel));
        disk.amnesia = true;
        this.#lone = this.#lone.restart({ disk });
        this.#collect();
        for (const liar of this.#trace.liars) this.#answer(liar, 1);
        require(this.#lone.status.abstaining, `${where}: the flag is not kept`);
        return undefined;
      }
      case "answer":
        require(this.#lone.status.abstaining, `${where}: the flag was cleared too early`);
        this.#answer(step.peer, step.view);
        return undefined;
      case "recover":
        require(!this.#lone.status.abstaining, `${where}: the flag is still set`);
        require(this.#lone.disk.floor.view === step.floor, `${where}: abstains to another view`);
        return undefined;
    }
  }

  #vote(ballot: TraceBallot, where: string): Replayed["parted"] {
    const { view } = ballot;
    if (view <= this.#lone.status.finalView) return "final";
    const before = this.#row(view);
    if (ballot.kind === "notarize") {
      if (this.#set.leaderOf(view) === this.#self) {
        if (!this.#lead(ballot)) return "leader chose another parent";
      } else {
        if (before?.nullified !== undefined) return "no vote after its NULLIFY";
        this.#receive(this.#proposal(ballot));
      }
      const made = this.#made(ballot.block);
      const row = this.#row(view)?.notarized;
      const isSame = row !== undefined && equal(row.digest, made.digest);
      require(isSame && row.parentView === ballot.parentView, `${where}: no NOTARIZE`);
      return undefined;
    }
    if (ballot.kind === "nullify") {
      if (before?.finalized !== undefined) return "eager";
      this.#want();
      this.#lone.wait(10_000);
      this.#collect();
      require(this.#row(view)?.nullified !== undefined, `${where}: no NULLIFY`);
      return undefined;
    }
    this.#deliver({ ...ballot, kind: "notarize" });
    const { digest } = this.#made(ballot.block);
    const isSigned = this.#signed.hasFinalized(view, digest);
    require(isSigned, `${where}: no FINALIZE`);
    return undefined;
  }

  /** The replica makes a block of its own; from here on it stands for the model's. */
  #lead(ballot: TraceBallot): boolean {
    this.#want();
    this.#lone.wait(50);
    this.#collect();
    const row = this.#row(ballot.view)?.notarized;
    const block = [...this.#lone.disk.blocks.values()].find(
      ({ header }) => row !== undefined && equal(headerDigest(nodeCrypto, header), row.digest),
    );
    const ground = this.#ground(ballot.block.slice(0, -1));
    if (
      row === undefined ||
      block === undefined ||
      !equal(block.header.parentDigest, ground.digest)
    )
      return false;
    const { height, time, parentDigest } = block.header;
    const content = { height, time, parentDigest, transactions: block.transactions };
    const { state } = unwrap(new FakeLedger().execute(ground.state, content));
    this.#blocks.set(ballot.block.join(), { block, digest: row.digest, state });
    return row.parentView === ballot.parentView;
  }

  /** Something to order: an idle replica has no timers, and proposes nothing. */
  #want(): void {
    this.#lone.submit(`note:wanted ${this.#wanted++}`);
    this.#collect();
  }

  #proposal({ view, parentView, block }: TraceBallot): Message {
    const parent = this.#certificateIn(parentView, ["notarize", "finalize"], block.slice(0, -1));
    const nullifications: Certificate<NullifyBallot>[] = [];
    for (let skipped = parentView + 1; skipped < view; skipped++) {
      const { ballot, voters } =
        this.#certificateIn(skipped, ["nullify"]) ?? fail("no nullification");
      if (ballot.kind === "nullify") nullifications.push(certificateOf(this.#set, ballot, voters));
    }
    const grounds = { view, parentView, nullifications };
    return proposalOf(this.#set, this.#made(block), {
      ...grounds,
      ...(parentView === 0 || parent === undefined ? {} : { parent }),
    });
  }

  /** The certificate, and what bodies the replica asks for because of it. */
  #deliver(ballot: TraceBallot): void {
    const { view, kind, block } = ballot;
    const certificate =
      this.#certificateIn(view, [kind], block) ?? fail(`no certificate in ${view}`);
    this.#receive({ type: "certificate", certificate });
    for (let rounds = 0; rounds < 10; rounds++) {
      const digests = this.#lone.sent("fetch-blocks").flatMap((fetch) => fetch.digests);
      if (digests.length === 0) return;
      const made = [...this.#blocks.values()];
      const blocks = made.filter((one) => digests.some((digest) => equal(one.digest, digest)));
      this.#receive({ type: "blocks", blocks: blocks.map((one) => one.block) });
    }
  }

  #answer(peer: number, view: number): void {
    const entry = this.#certificateIn(view - 1, ["notarize", "nullify", "finalize"]);
    const status: Status = {
      type: "status",
      epoch: 0,
      view,
      finalHeight: 0,
      sealedSize: 0n,
      ...(entry === undefined ? {} : { entry }),
      answer: { question: utf8("question"), votes: [] },
    };
    this.#lone.receive(peer, status);
    this.#collect();
  }

  #receive(message: Message): void {
    this.#lone.receive(this.#other, message);
    this.#collect();
  }

  #collect(): void {
    for (const { writes } of this.#lone.all("persist"))
      for (const write of writes) if (write.type === "vote") this.#signed.add(write.row);
    for (const { code, detail } of this.#lone.all("halt")) fail(`halt: ${code} ${detail}`);
  }

  #row(view: number): VoteRow | undefined {
    return this.#lone.disk.rows.get(`0 ${view}`);
  }

  #certificateIn(
    view: number,
    kinds: readonly TraceBallot["kind"][],
    block?: readonly number[],
  ): Certificate | undefined {
    for (const { ballot, who } of this.#voters.values()) {
      if (ballot.view !== view || !kinds.includes(ballot.kind)) continue;
      if (who.size < this.#set.quorum) continue;
      if (block !== undefined && ballot.block.join() !== block.join()) continue;
      const { kind, parentView } = ballot;
      const signed: Ballot =
        kind === "nullify"
          ? { kind, view }
          : { kind, view, parentView, digest: this.#made(ballot.block).digest };
      return certificateOf(
        this.#set,
        signed,
        [...who].sort((a, b) => a - b),
      );
    }
    return undefined;
  }

  #made(chain: readonly number[]): Made {
    const held = this.#blocks.get(chain.join());
    if (held !== undefined) return held;
    const last = chain.at(-1) ?? fail("a block without a view");
    const view = Math.floor(last / 10);
    const made = blockOn(this.#ground(chain.slice(0, -1)), { view, texts: [`note:${chain}`] });
    this.#blocks.set(chain.join(), made);
    return made;
  }

  #ground(chain: readonly number[]): Ground {
    return chain.length === 0 ? genesis : this.#made(chain);
  }
}

function require(isTrue: boolean, otherwise: string): asserts isTrue {
  if (!isTrue) fail(otherwise);
}

function fail(reason: string): never {
  throw new Error(reason);
}
