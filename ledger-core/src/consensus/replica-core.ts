/** What the parts of a replica share: its fields, and the few things that several of them do. */

import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import { monotonicMillis, unixMillis } from "../base/time.ts";
import { Amnesia } from "./amnesia.ts";
import type { PendingTransaction } from "./application.ts";
import { BlockTree } from "./block-tree.ts";
import type { EquivocationProof } from "./equivocation-proof.ts";
import { Fetching } from "./fetching.ts";
import { Mempool } from "./mempool.ts";
import type { Propose } from "./message.ts";
import { Backoff, Patience } from "./patience.ts";
import type { Moment, Recovered, ReplicaConfig, ReplicaPorts } from "./replica-io.ts";
import { Sealing } from "./sealing.ts";
import { StepOutput } from "./step-output.ts";
import type { ValidatorSet, View } from "./validator-set.ts";
import { ViewHistory } from "./view-history.ts";
import type { BlockBallot } from "./vote.ts";
import { VoteBook } from "./vote-book.ts";

/** What was last heard of a peer. */
export type PeerView = {
  heardAt: MonotonicMillis;
  view: View;
  finalHeight: number;
  /** Wake-ups by its NULLIFY alone since the last final block. */
  nullifyWakes: number;
};

/** What is missing: blocks by digest, final blocks from the tip on, certificates of skipped views. */
export type Wants = {
  readonly digests: Map<string, Digest>;
  heights: boolean;
  certificates: { from: View; to: View } | undefined;
  /** Of a final block whose later ones are here: each of them is the parent of one that is. */
  ancestor: { readonly height: number; readonly digest: Digest } | undefined;
  /** Who should have it. */
  likely: number | undefined;
};

export function noWants(): Wants {
  return {
    digests: new Map(),
    heights: false,
    certificates: undefined,
    ancestor: undefined,
    likely: undefined,
  };
}

/** Fields are changed by the parts in this folder alone, within one step. */
export class ReplicaCore<State> {
  readonly ports: ReplicaPorts<State>;
  readonly config: ReplicaConfig;
  readonly set: ValidatorSet;
  readonly self: number | undefined;
  readonly out = new StepOutput<State>();
  readonly book: VoteBook;
  readonly history: ViewHistory;
  readonly tree: BlockTree<State>;
  readonly pool: Mempool;
  readonly sealing: Sealing<State>;
  readonly patience: Patience;
  readonly fetching: Fetching;
  readonly amnesia: Amnesia;
  readonly resend: Backoff;
  readonly peers: PeerView[];
  /** The first proposal of each view at hand, as its leader's ballot. */
  readonly proposals = new Map<View, BlockBallot>();
  /** Proposals for later views. */
  readonly later = new Map<View, Propose>();
  /** A finalization whose last blocks are here and whose first are fetched backwards, and who sent it. */
  tail: { readonly view: View; readonly from: number } | undefined;
  /** Notarized views that may still get this validator's FINALIZE. */
  readonly toFinalize = new Set<View>();
  /** Transactions that a final block did not take, although its leader knew of no further one. */
  readonly suspects = new Set<PendingTransaction>();
  readonly equivocations: EquivocationProof[] = [];
  readonly offenders = new Set<number>();
  /** Blocks and certificates that were written down. */
  readonly persisted = new Set<string>();
  readonly startedAt: { now: MonotonicMillis };
  view: View;
  /** This view was heard of from peers: its timers run although nothing is known to order. */
  woken = false;
  /** The view's proposal is invalid: it is not waited for. */
  proposalInvalid = false;
  /** An own empty proposal waits for company until then. */
  holdUntil: number | undefined;
  /** The pool's version that the last own build saw, with its view. */
  builtFor: { readonly view: View; readonly version: number } | undefined;
  statusAt: number | undefined;
  moment: Moment = { now: monotonicMillis(0), wall: unixMillis(0) };
  /** Filled while the step looks for what it can do; asked for at its end. */
  wants: Wants = noWants();
  halted: string | undefined;
  /** The boundary is final: this epoch orders nothing more. */
  ended = false;

  constructor(ports: ReplicaPorts<State>, config: ReplicaConfig, recovered: Recovered<State>) {
    const { channel, validators, self, parameters } = config;
    this.ports = ports;
    this.config = config;
    this.set = validators;
    this.self = self;
    const domain = { channel, epoch: validators.epoch };
    this.book = new VoteBook({ domain, self, sign: ports.sign }, recovered);
    const { tip } = recovered;
    this.history = new ViewHistory(validators, { view: tip.view, digest: tip.digest });
    this.tree = new BlockTree(ports, { channel, validators }, tip);
    this.pool = new Mempool(validators.size);
    this.sealing = new Sealing(ports.verifySeal, validators, self, recovered.sealed);
    this.patience = new Patience(parameters.deltaMs);
    this.fetching = new Fetching(parameters.deltaMs);
    this.amnesia = new Amnesia(validators, self);
    // Above seven validators votes go to two leaders first, and to all after half a Δ.
    this.resend = new Backoff(validators.size > 7 ? parameters.deltaMs / 2 : parameters.deltaMs);
    this.peers = validators.entries.map(() => ({
      heardAt: monotonicMillis(0),
      view: 0,
      finalHeight: 0,
      nullifyWakes: 0,
    }));
    this.startedAt = { now: monotonicMillis(0) };
    this.view = tip.view + 1;
    this.ended = recovered.hasEnded ?? false;
  }

  get now(): MonotonicMillis {
    return this.moment.now;
  }

  get wall(): UnixMillis {
    return this.moment.wall;
  }

  get leader(): number {
    return this.set.leaderOf(this.view);
  }

  get isLeader(): boolean {
    return this.self !== undefined && this.leader === this.self;
  }

  /** Views since the last finalization. */
  get failedViews(): number {
    return Math.max(0, this.view - this.history.baseView - 1);
  }

  /** There is nobody else: the only validator there is. */
  get isAlone(): boolean {
    return this.set.size === 1 && this.self !== undefined;
  }

  /** Something is known that is not in a final block with a seal point: the view's timers run. */
  get isBusy(): boolean {
    if (this.ended) return false;
    const { tree, pool, sealing } = this;
    return (
      pool.size > 0 ||
      tree.hasOpenTransactions ||
      (tree.tip.logSize > sealing.askedSize && tree.tip.logSize > sealing.sealedSize) ||
      this.ports.application.nextEpoch(tree.tip.state) !== undefined
    );
  }

  misbehaviour(from: number, code: string): void {
    this.out.emit({ type: "misbehaviour", from, code });
  }

  /** A safety rule of others, or our own database, was broken: nothing is signed any more. */
  halt(code: string, detail: string): void {
    if (this.halted !== undefined) return;
    this.halted = code;
    this.out.emit({ type: "halt", code, detail });
  }

  /** A verified proof: its voter's views are not waited for. */
  offend(proof: EquivocationProof): void {
    if (this.offenders.has(proof.voter)) return;
    this.offenders.add(proof.voter);
    this.equivocations.push(proof);
    this.out.emit({ type: "equivocation", proof });
    this.out.send("all", { type: "equivocation", proof });
    if (proof.voter === this.leader && proof.voter !== this.self) this.patience.hurry(this.now);
  }

  /** A leader that equivocated, or that has been silent while a quorum was heard. */
  isHopeless(leader: number): boolean {
    if (leader === this.self) return false;
    if (this.offenders.has(leader)) return true;
    const { skipMs } = this.config.parameters;
    const isFresh = (at: number) => this.now - Math.max(at, this.startedAt.now) <= skipMs;
    const heard = this.peers.filter((peer, at) => at !== this.self && peer.heardAt > 0);
    const fresh = heard.filter(({ heardAt }) => isFresh(heardAt)).length;
    const silent = !isFresh(present(this.peers[leader], "peer of the set").heardAt);
    // "While q others spoke": of n − 1 others a quorum may be all, so oneself counts in.
    return silent && fresh + 1 >= this.set.quorum;
  }
}
