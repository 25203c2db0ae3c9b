/** One validator: its disk, its engine while it is up, and the shell that carries out effects in order. */

import { assert, assertNever, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { Application, PendingTransaction } from "@tamga/ledger-core/consensus/application";
import type { EngineEffect, EngineEvent } from "@tamga/ledger-core/consensus/engine-io";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { ReplicaParameters, SealPoint } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { EngineFactory, EnginePort, EngineStatus } from "./engine-port.ts";
import type { FakeState } from "./fake-application.ts";
import { fakeCrypto, fakeKey } from "./fake-keys.ts";
import { NodeClock } from "./node-clock.ts";
import type { Oracle } from "./oracle.ts";
import { OracleViolation } from "./oracle-violation.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import { sealBytes } from "./seal-bytes.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

type Effect = EngineEffect<FakeState>;

/** Where in an effect a crash falls. `torn`: written, and not known to be synced. */
export type CrashPoint = "before" | "torn" | "after";

export type NodeSetting = {
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly random: Random;
  readonly factory: EngineFactory;
  readonly application: Application<FakeState>;
  readonly channel: Digest;
  readonly genesis: ValidatorSet;
  readonly parameters: ReplicaParameters;
  /** Milliseconds of an fsync. */
  readonly syncMs: number;
  /** Whether persists of several steps share a commit. */
  readonly groupCommit: boolean;
  readonly clockRate: number;
  /** Leaves the node, for everybody of `to`. */
  readonly send: (node: SimulatedNode, to: readonly Identifier[], message: Message) => void;
  readonly trace: (line: string) => void;
};

export class SimulatedNode {
  readonly name: Identifier;
  /** The name, or the name and which twin. */
  readonly id: string;
  readonly disk: SimulatedDisk;
  readonly clock: NodeClock;
  readonly isHonest: boolean;
  /** Transactions of its clients that are not final here; a restart submits them again. */
  readonly clients = new Map<string, PendingTransaction>();
  /** Counts effects; consulted at each: where to crash in it, if at all. */
  crashAt: (effect: Effect) => CrashPoint | undefined = () => undefined;
  /** After a crash by `crashAt`. */
  crashed: () => void = () => undefined;
  abstaining = false;
  halted = false;
  /** Blocks below this height are gone here: who asks for them is told so. Directed schedules set it. */
  prunedBelow = 1;
  readonly #setting: NodeSetting;
  #engine: EnginePort | undefined;
  #queue: Effect[] = [];
  #isSyncing = false;
  #incarnation = 0;
  #wakeAt: number | undefined;
  #tickAt: number | undefined;
  #peers: ValidatorSet[] = [];

  constructor(
    setting: NodeSetting,
    { name, id, isHonest }: { name: Identifier; id: string; isHonest: boolean },
  ) {
    this.#setting = setting;
    this.name = name;
    this.id = id;
    this.isHonest = isHonest;
    this.disk = new SimulatedDisk({ channel: setting.channel, validators: setting.genesis });
    this.clock = new NodeClock(setting.clockRate);
  }

  get isUp(): boolean {
    return this.#engine !== undefined;
  }

  status(): EngineStatus | undefined {
    return this.#engine?.status();
  }

  /** Power on. */
  start(): void {
    if (this.#engine !== undefined) return;
    const { scheduler, oracle, factory, application, channel, genesis, parameters, random } =
      this.#setting;
    const recovered = this.disk.recover();
    if (this.isHonest) oracle.started(this.name, recovered);
    const key = fakeKey(this.name);
    this.#peers = [genesis, recovered.validators];
    this.abstaining = recovered.amnesia;
    this.halted = false;
    this.#incarnation++;
    this.clock.boot(scheduler.now);
    this.#engine = factory(
      {
        crypto: fakeCrypto,
        sign: key.sign,
        application,
        verifySeal: ({ publicKey }, point, payload) =>
          fakeCrypto.verify({ algorithm: "EdDSA", point: publicKey }, sealBytes(point), payload),
      },
      { channel, self: { name: this.name, publicKey: key.publicKey }, parameters },
      recovered,
    );
    this.#setting.trace(`${this.id} starts at height ${recovered.tip.height}`);
    this.step({ type: "start", nonce: random.bytes(8) });
    if (this.clients.size > 0)
      this.step({ type: "submit", transactions: [...this.clients.values()] });
  }

  /** A client hands in a transaction, and again after each restart until it is final. */
  submit(transaction: PendingTransaction): void {
    this.clients.set(transaction.id, transaction);
    this.step({ type: "submit", transactions: [transaction] });
  }

  step(event: EngineEvent): void {
    if (this.#engine === undefined || this.halted) return;
    const before = this.#engine.status();
    const { effects, wakeAt } = this.#engine.step(
      event,
      this.clock.read(this.#setting.scheduler.now),
    );
    if (this.isHonest)
      this.#setting.oracle.grounds.signed(this.name, effects, [before, this.#engine.status()]);
    this.#queue.push(...effects);
    this.#wakeAt = wakeAt;
    this.#scheduleTick();
    this.#pump();
  }

  /** The power goes: unsynced transactions survive up to a random one. */
  powerCut(): void {
    if (this.#engine === undefined) return;
    const { random } = this.#setting;
    this.#stop();
    const keep = random.int(this.disk.channel.unsyncedCount + 1);
    // A commit in the channel's database is issued to the oracle when it is written.
    this.disk.channel.powerCut(keep);
    const kept = this.disk.votes.powerCut(random.int(this.disk.votes.unsyncedCount + 1));
    this.#tellDurable(kept);
    this.#forgetLostCommits();
    this.#setting.trace(`${this.id} loses power`);
  }

  #stop(): void {
    this.#engine = undefined;
    this.#queue = [];
    this.#isSyncing = false;
    this.#wakeAt = undefined;
    this.#tickAt = undefined;
    this.#incarnation++;
  }

  /** What the oracle has to know after a disk lost its end or was set back. */
  forgetLost(): void {
    this.#forgetLostCommits();
    if (this.isHonest) this.#setting.oracle.votes.setBack(this.name, this.disk.votes.durable.floor);
  }

  #forgetLostCommits(): void {
    if (this.isHonest)
      this.#setting.oracle.chain.setBack(this.name, this.disk.channel.durable.blocks.length);
  }

  #scheduleTick(): void {
    const { scheduler } = this.#setting;
    if (this.#wakeAt === undefined) return;
    const at = Math.max(scheduler.now + 1, this.clock.timeOf(this.#wakeAt));
    if (this.#tickAt !== undefined && this.#tickAt <= at) return;
    this.#tickAt = at;
    const incarnation = this.#incarnation;
    scheduler.at(at, () => {
      if (incarnation !== this.#incarnation || this.#tickAt !== at) return;
      this.#tickAt = undefined;
      if (this.#wakeAt !== undefined && this.clock.timeOf(this.#wakeAt) > scheduler.now)
        this.#scheduleTick();
      else this.step({ type: "tick" });
    });
  }

  #pump(): void {
    while (!this.#isSyncing && this.#engine !== undefined && this.#queue.length > 0) {
      const effect = present(this.#queue.shift(), "effect");
      const point = this.crashAt(effect);
      if (point === "torn" && (effect.type === "persist" || effect.type === "commit"))
        this.#write(effect);
      else if (point !== "before") this.#carryOut(effect);
      if (point !== undefined) this.#crashHere();
    }
  }

  #crashHere(): void {
    this.powerCut();
    this.crashed();
  }

  #carryOut(effect: Effect): void {
    const { oracle, trace } = this.#setting;
    switch (effect.type) {
      case "persist":
        this.#write(effect);
        this.#gather();
        this.#sync(() => this.#tellDurable(this.disk.votes.sync()));
        return;
      case "commit":
        this.#write(effect);
        this.#sync(() => this.#committed(effect));
        return;
      case "send":
        if (this.isHonest)
          oracle.grounds.leaving(
            this.name,
            effect.message,
            this.disk.votes.durable,
            this.disk.finalView(),
          );
        this.#setting.send(this, this.#recipients(effect.to), effect.message);
        return;
      case "serve-heights": {
        if (this.#sayPruned(effect.to, effect.from)) return;
        const answer = this.disk.finalBlocks(effect.from);
        if (answer !== undefined)
          this.#setting.send(this, [effect.to], { type: "final-blocks", ...answer });
        return;
      }
      case "serve-ancestors": {
        if (this.#sayPruned(effect.to, effect.height)) return;
        const blocks = this.disk.ancestors(effect.height);
        if (blocks.length > 0) this.#setting.send(this, [effect.to], { type: "blocks", blocks });
        return;
      }
      case "sign-seal":
        this.#signSeal(effect.point);
        return;
      case "sealed":
        if (this.isHonest) oracle.chain.sealed(this.name, effect.point, effect.seals);
        this.disk.channel.write([effect]);
        return;
      case "refused":
        this.#setting.trace(`${this.id} refuses ${effect.id}: ${effect.fault.code}`);
        if (this.isHonest) oracle.refused(this.name, effect);
        this.clients.delete(effect.id);
        return;
      case "equivocation":
        if (this.isHonest) oracle.accused(this.name, effect);
        trace(`${this.id} holds a proof against ${effect.proof.voter}`);
        return;
      case "epoch-started":
        this.#peers = [present(this.#peers.at(-1), "validators"), effect.validators];
        trace(`${this.id} begins epoch ${effect.validators.epoch}`);
        return;
      case "amnesia":
        this.abstaining = effect.state === "found";
        trace(`${this.id} amnesia ${effect.state}`);
        return;
      case "misbehaviour":
        if (this.isHonest) oracle.blamed(this.name, effect.from, effect.code);
        return;
      case "halt":
        this.halted = true;
        trace(`${this.id} halts: ${effect.code}`);
        if (this.isHonest)
          throw new OracleViolation("halt", `${this.id}: ${effect.code} ${effect.detail}`);
        return;
      default:
        assertNever(effect);
    }
  }

  #sayPruned(to: Identifier, height: number): boolean {
    const { prunedBelow: below } = this;
    if (height >= below) return false;
    this.#setting.send(this, [to], { type: "pruned", below });
    return true;
  }

  /**
   * What the shell does with a snapshot that a peer has and this node lacks: the chain is the peer's, the votes
   * stay, and are doubted where nothing was final here.
   */
  jump(peer: SimulatedNode): void {
    const isDoubted = this.disk.channel.durable.blocks.length === 0;
    this.powerCut();
    this.disk.restore(peer.disk.snapshot(), {
      ...{ votes: "kept", channel: "set-back", flag: isDoubted },
    });
    this.forgetLost();
    this.#setting.trace(`${this.id} takes the snapshot of ${peer.id}`);
    this.start();
  }

  #write(effect: Extract<Effect, { type: "persist" | "commit" }>): void {
    if (effect.type === "persist") {
      this.disk.votes.write(effect.writes);
      return;
    }
    const { blocks, certificate } = effect;
    if (this.isHonest) this.#setting.oracle.committed(this.name, effect);
    this.disk.channel.write([{ type: "commit", blocks, certificate }]);
  }

  /** A group commit: what later steps persist goes into the same transaction, up to the next commit. */
  #gather(): void {
    if (!this.#setting.groupCommit) return;
    const end = this.#queue.findIndex(({ type }) => type === "commit");
    const reach = this.#queue.slice(0, end < 0 ? undefined : end);
    const rest = this.#queue.slice(reach.length);
    for (const effect of reach) if (effect.type === "persist") this.#write(effect);
    this.#queue = [...reach.filter(({ type }) => type !== "persist"), ...rest];
  }

  /** Everything that was written is durable after an fsync's time; nothing later happens before. */
  #sync(then: () => void): void {
    const { syncMs, scheduler, random } = this.#setting;
    if (syncMs === 0) {
      then();
      return;
    }
    this.#isSyncing = true;
    const incarnation = this.#incarnation;
    scheduler.in(random.between(0, syncMs), () => {
      if (incarnation !== this.#incarnation) return;
      this.#isSyncing = false;
      then();
      this.#pump();
    });
  }

  #committed(effect: Extract<Effect, { type: "commit" }>): void {
    this.disk.channel.sync();
    for (const { ids, block } of effect.blocks) {
      for (const id of ids) this.clients.delete(id);
      this.#setting.trace(`${this.id} commits height ${block.header.height}`);
    }
    // Another database: its clean-up may be lost with the next power cut, and is idempotent.
    this.disk.votes.write([{ type: "clean-up", floor: effect.floor }]);
    if (this.#setting.random.chance(0.5)) this.#tellDurable(this.disk.votes.sync());
  }

  #tellDurable(writes: ReturnType<SimulatedDisk["votes"]["sync"]>): void {
    if (!this.isHonest || writes.length === 0) return;
    const final = this.disk.finalView();
    this.#setting.oracle.durable(this.name, writes, this.disk.votes.durable, final);
  }

  /** The one function that signs seals: from a durable row, one root a size. */
  #signSeal(point: SealPoint): void {
    const { oracle, scheduler, random, syncMs } = this.#setting;
    if (this.isHonest) oracle.chain.sealAsked(this.name, point);
    this.disk.channel.write([{ type: "seal", point }]);
    this.#sync(() => {
      this.disk.channel.sync();
      const payload = fakeKey(this.name).sign(sealBytes(point));
      const incarnation = this.#incarnation;
      scheduler.in(random.between(0, syncMs), () => {
        if (incarnation === this.#incarnation)
          this.step({ type: "seal-signed", epoch: point.epoch, size: point.size, payload });
      });
    });
  }

  #recipients(to: Identifier | "all"): readonly Identifier[] {
    if (to !== "all") return [to];
    const names = new Set(this.#peers.flatMap(({ entries }) => entries.map(({ name }) => name)));
    names.delete(this.name);
    assert(names.size > 0, "peers");
    return [...names];
  }
}
