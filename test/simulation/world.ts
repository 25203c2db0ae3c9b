/** A channel in one thread: nodes, liars, links and the oracle around one seeded scheduler. */

import { createHash } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { PendingTransaction } from "@tamga/ledger-core/consensus/application";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { ReplicaParameters } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { LiarKind } from "./byzantine.ts";
import { makeLiar } from "./byzantine.ts";
import type { EngineFactory } from "./engine-port.ts";
import { FakeApplication } from "./fake-application.ts";
import { fakeCrypto, fakeKey } from "./fake-keys.ts";
import type { Liar } from "./liar.ts";
import type { Delivery, LinkConditions } from "./network.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { require } from "./oracle-violation.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { entryOf, nextEpochOf } from "./validators.ts";

export type WorldSetting = {
  readonly seed: number;
  /** Names of the first epoch's validators, then of those that stand by. */
  readonly names: readonly Identifier[];
  readonly size: number;
  /** Validator sets that a transaction may ask for, by index; names. */
  readonly sets: readonly (readonly Identifier[])[];
  readonly liars: ReadonlyMap<Identifier, LiarKind>;
  readonly conditions: LinkConditions;
  readonly parameters: ReplicaParameters;
  readonly syncMs: number;
  readonly groupCommit: boolean;
  readonly driftingClocks: boolean;
  readonly factory: EngineFactory;
  /** What a message becomes on the wire: itself, or what its bytes parse to. */
  readonly wire: (message: Message) => Message;
  /** Keeps the whole trace, not its hash alone. */
  readonly keepTrace: boolean;
};

/** Milliseconds for which a peer deals with the same of two twins. */
const twinTurnMs = 400;
/** Deliveries and steps of one simulation; past it, the engine spins. */
const eventsMax = 600_000;

export class World {
  readonly setting: WorldSetting;
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly application: FakeApplication;
  readonly channel: Digest;
  readonly genesis: ValidatorSet;
  readonly nodes: SimulatedNode[] = [];
  /** Messages that left honest nodes, by type. */
  readonly sentCounts = new Map<string, number>();
  readonly trace: string[] = [];
  events = 0;
  /** Whether a twin is one that deals with a peer at the time. Directed schedules plug in here. */
  dealsWith: (twin: SimulatedNode, peer: Identifier) => boolean = (twin, peer) =>
    this.#twinOf(twin, peer);
  readonly #hash = createHash("sha256");
  readonly #byName = new Map<Identifier, SimulatedNode[]>();
  readonly #liars = new Map<Identifier, Liar>();
  readonly #twinSalt: number;

  constructor(setting: WorldSetting) {
    this.setting = setting;
    this.random = new Random(setting.seed);
    this.#twinSalt = this.random.int(1_000);
    const entries = setting.names.map(entryOf);
    this.channel = fakeCrypto.sha256(utf8("fake channel"));
    this.genesis = new ValidatorSet(0, entries.slice(0, setting.size));
    this.application = new FakeApplication((index, previous) => {
      const names = setting.sets[index];
      return names === undefined ? undefined : nextEpochOf(names, previous);
    });
    this.oracle = new Oracle(this.channel, this.genesis.entries, this.application);
    this.network = new Network(this.scheduler, this.random.fork(), setting.conditions, (delivery) =>
      this.#deliver(delivery),
    );
    for (const name of setting.names) this.#addNode(name, setting.liars.get(name));
  }

  node(name: string): SimulatedNode {
    return present(
      this.nodes.find(({ id }) => id === name),
      `node ${name}`,
    );
  }

  /** Honest validators of the newest epoch. */
  get correct(): readonly SimulatedNode[] {
    const names = new Set(this.newestEntries().map(({ name }) => name));
    return this.nodes.filter((node) => node.isHonest && names.has(node.name));
  }

  newestEntries(): readonly ValidatorEntry[] {
    return this.oracle.book.entriesOf(this.oracle.book.newest);
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  submit(node: SimulatedNode, transaction: PendingTransaction): void {
    this.note(`${node.id} is given ${transaction.id}`);
    node.submit(transaction);
  }

  note(line: string): void {
    const text = `${this.scheduler.now} ${line}\n`;
    this.#hash.update(text);
    if (this.setting.keepTrace) this.trace.push(text);
  }

  /** Of everything that happened. */
  get traceHash(): string {
    return this.#hash.copy().digest("hex");
  }

  #addNode(name: Identifier, kind: LiarKind | undefined): void {
    const twins = kind === "twins" ? [`${name}-left`, `${name}-right`] : [name];
    if (kind !== undefined) this.oracle.votes.unbind(name);
    if (kind !== undefined && kind !== "twins") this.#liars.set(name, this.#makeLiar(name, kind));
    const made = twins.map((id) => this.#makeNode(name, id, kind === undefined));
    this.nodes.push(...made);
    this.#byName.set(name, made);
  }

  #makeNode(name: Identifier, id: string, isHonest: boolean): SimulatedNode {
    const { syncMs, groupCommit, parameters, driftingClocks, factory } = this.setting;
    const rate = driftingClocks ? 0.95 + this.random.int(11) / 100 : 1;
    return new SimulatedNode(
      {
        scheduler: this.scheduler,
        oracle: this.oracle,
        random: this.random.fork(),
        factory,
        application: this.application,
        channel: this.channel,
        genesis: this.genesis,
        parameters,
        syncMs,
        groupCommit,
        clockRate: rate,
        send: (node, to, message) => this.#send(node, to, message),
        trace: (line) => this.note(line),
      },
      { name, id, isHonest },
    );
  }

  #makeLiar(name: Identifier, kind: Exclude<LiarKind, "twins">): Liar {
    return makeLiar(kind, {
      name,
      key: fakeKey(name),
      channel: this.channel,
      random: this.random.fork(),
      deltaMs: this.setting.parameters.deltaMs,
      application: this.application,
      entriesOf: (epoch) => (this.oracle.book.has(epoch) ? this.oracle.book.entriesOf(epoch) : []),
      stateAfter: (digest) => this.oracle.chain.stateAfter(digest),
      emit: (to, message, delay) => this.#emit(name, to, message, delay),
    });
  }

  #send(node: SimulatedNode, to: readonly Identifier[], message: Message): void {
    const liar = this.#liars.get(node.name);
    if (liar !== undefined) {
      liar.speak(to, message);
      return;
    }
    this.sentCounts.set(message.type, (this.sentCounts.get(message.type) ?? 0) + 1);
    const twins = present(this.#byName.get(node.name), "nodes of the name");
    const reached = twins.length === 1 ? to : to.filter((peer) => this.dealsWith(node, peer));
    this.#emit(node.name, reached, message);
  }

  #emit(from: Identifier, to: readonly Identifier[], message: Message, delay = 0): void {
    this.oracle.sent(from, message);
    this.note(`${from} sends ${describe(message)} to ${to.length === 1 ? to[0] : to.length}`);
    const onWire = this.#onWire(from, message);
    if (onWire === undefined) return;
    for (const peer of to)
      if (peer !== from) this.network.send({ from, to: peer, message: onWire }, delay);
  }

  /** What a liar says may have no bytes, or none that anybody reads. */
  #onWire(from: Identifier, message: Message): Message | undefined {
    if (!this.#liars.has(from)) return this.setting.wire(message);
    try {
      return this.setting.wire(message);
    } catch {
      return undefined;
    }
  }

  #deliver({ from, to, message }: Delivery): void {
    this.events++;
    require(this.events < eventsMax, "spinning", () => `${eventsMax} deliveries`);
    this.#liars.get(to)?.hear(from, message);
    for (const node of this.#byName.get(to) ?? []) {
      const deals = node.id === node.name || this.dealsWith(node, from);
      if (deals) this.#stepOf(node, from, message);
    }
  }

  #stepOf(node: SimulatedNode, from: Identifier, message: Message): void {
    if (node.isHonest) {
      node.step({ type: "message", from, message });
      return;
    }
    // What befalls an engine whose own key lies elsewhere is nobody's promise.
    try {
      node.step({ type: "message", from, message });
    } catch {
      node.powerCut();
    }
  }

  /** Whether this twin is the one that deals with `peer` for the time being. */
  #twinOf(node: SimulatedNode, peer: Identifier): boolean {
    const turn = Math.floor(this.scheduler.now / twinTurnMs);
    const place = this.setting.names.indexOf(peer);
    const draw = (turn * 7 + place * 13 + this.#twinSalt * (place + 1)) % 5;
    return draw === 4 || draw % 2 === (node.id.endsWith("-left") ? 0 : 1);
  }
}

function describe(message: Message): string {
  switch (message.type) {
    case "propose":
      return `propose ${message.epoch}/${message.view} on ${message.parentView} height ${message.block.header.height} with ${message.block.transactions.length}`;
    case "vote":
      return `${message.vote.ballot.kind} ${message.epoch}/${message.vote.ballot.view}`;
    case "certificate":
      return `certificate ${message.certificate.ballot.kind} ${message.certificate.ballot.view}`;
    case "status":
      return (
        `status ${message.epoch}/${message.view} height ${message.finalHeight}` +
        `${message.question === undefined ? "" : " asking"}` +
        `${message.answer === undefined ? "" : " answering"}`
      );
    case "final-blocks":
      return `final-blocks ${message.blocks.length} from ${message.blocks[0]?.header.height}`;
    case "seal":
    case "sealed":
      return `${message.type} ${message.epoch}/${message.size}`;
    default:
      return message.type;
  }
}
