/** Engines of all validators over a network of the test's making, in virtual time. */

import { present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { ChannelEngine } from "@tamga/ledger-core/consensus/channel-engine";
import type { EngineEffect, EngineEvent } from "@tamga/ledger-core/consensus/engine-io";
import type { Message } from "@tamga/ledger-core/consensus/message";
import { encodeMessage, parseMessage } from "@tamga/ledger-core/consensus/message-codec";
import type { ReplicaParameters } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import { channel, keyOf, momentAt, parameters, portsOf, sealOf } from "./consensus-fixture.ts";
import type { FakeState } from "./fake-ledger.ts";
import { FakeLedger, genesisTip, pending } from "./fake-ledger.ts";
import { FakeVoteDisk } from "./fake-vote-disk.ts";
import { unwrap } from "./unwrap.ts";

/** A message on its way. */
export type Flight = { readonly from: string; readonly to: string; readonly message: Message };

export type FakeNode = {
  readonly name: string;
  readonly disk: FakeVoteDisk;
  readonly ledger: FakeLedger;
  engine: ChannelEngine<FakeState>;
  wakeAt: number | undefined;
  isUp: boolean;
  readonly effects: EngineEffect<FakeState>[];
};

export class FakeNetwork {
  readonly nodes = new Map<string, FakeNode>();
  readonly #set: ValidatorSet;
  readonly #parameters: ReplicaParameters;
  readonly #flights: (Flight & { readonly at: number })[] = [];
  /** All that was sent and not dropped. */
  readonly log: Flight[] = [];
  now = 1;
  delayMs = 1;
  /** Whether a message arrives. */
  passes: (flight: Flight) => boolean = () => true;

  /** @param strangers names of nodes that are no validators at first. */
  constructor(
    set: ValidatorSet,
    options: {
      readonly strangers?: readonly string[];
      readonly parameters?: Partial<ReplicaParameters>;
    } = {},
  ) {
    this.#set = set;
    this.#parameters = { ...parameters, ...options.parameters };
    const names = [...set.entries.map(({ name }) => name), ...(options.strangers ?? [])];
    for (const name of names) {
      const disk = new FakeVoteDisk(genesisTip(channel));
      const ledger = new FakeLedger();
      const engine = this.#engine(name, disk, { ledger, set, ended: undefined });
      this.nodes.set(name, {
        name,
        disk,
        ledger,
        engine,
        wakeAt: undefined,
        isUp: true,
        effects: [],
      });
    }
    for (const { name } of [...this.nodes.values()]) this.#start(name);
  }

  node(name: string): FakeNode {
    return present(this.nodes.get(name), `node ${name}`);
  }

  /** The nodes that run. */
  get up(): readonly FakeNode[] {
    return [...this.nodes.values()].filter(({ isUp }) => isUp);
  }

  submit(name: string, ...texts: readonly string[]): void {
    this.step(name, { type: "submit", transactions: texts.map(pending) });
  }

  /** Hands a message over at once. */
  deliver({ from, to, message }: Flight): void {
    this.step(to, { type: "message", from: mint<Identifier>(from), message });
  }

  crash(name: string): void {
    this.node(name).isUp = false;
  }

  /**
   * @param set of the epoch in which the node's tip is, or which it began.
   * @param ended of the epoch that the tip ended, where that may still have to be sealed.
   */
  restart(name: string, set: ValidatorSet = this.#set, ended?: ValidatorSet): void {
    const node = this.node(name);
    node.engine = this.#engine(name, node.disk, { ledger: node.ledger, set, ended });
    node.isUp = true;
    this.#start(name);
  }

  /** Runs until a condition holds, or for so long. @returns whether it held. */
  run(ms: number, until: () => boolean = () => false): boolean {
    const end = this.now + ms;
    while (!until()) {
      const flight = this.#flights[0];
      const [sleeper] = this.up
        .filter(({ wakeAt }) => wakeAt !== undefined)
        .toSorted((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0));
      const next = Math.min(flight?.at ?? Infinity, sleeper?.wakeAt ?? Infinity);
      if (next > end) {
        this.now = end;
        return until();
      }
      this.now = Math.max(this.now, next);
      if (flight !== undefined && flight.at === next) {
        this.#flights.shift();
        if (this.node(flight.to).isUp) this.deliver(flight);
      } else if (sleeper !== undefined) this.step(sleeper.name, { type: "tick" });
    }
    return true;
  }

  /** Messages of a kind that were sent so far. */
  count(type: Message["type"]): number {
    return this.log.filter(({ message }) => message.type === type).length;
  }

  step(name: string, event: EngineEvent): void {
    const node = this.node(name);
    const { effects, wakeAt } = node.engine.step(event, momentAt(this.now));
    node.wakeAt = wakeAt;
    for (const effect of effects) this.#carryOut(node, effect);
  }

  #carryOut(node: FakeNode, effect: EngineEffect<FakeState>): void {
    const { name, disk } = node;
    node.effects.push(effect);
    disk.take(effect);
    switch (effect.type) {
      case "send":
        this.#send(name, effect.to, effect.message);
        return;
      case "serve-heights": {
        const answer = disk.serve(effect.from);
        if (answer !== undefined) this.#send(name, effect.to, answer);
        return;
      }
      case "serve-ancestors": {
        const answer = disk.ancestors(effect.height);
        if (answer !== undefined) this.#send(name, effect.to, answer);
        return;
      }
      case "sign-seal": {
        const { epoch, size } = effect.point;
        this.step(name, { type: "seal-signed", epoch, size, payload: sealOf(name, effect.point) });
        return;
      }
    }
  }

  #send(from: string, to: string, message: Message): void {
    const peers = to === "all" ? [...this.nodes.keys()].filter((name) => name !== from) : [to];
    const bytes = encodeMessage(message);
    for (const peer of peers) {
      const flight = { from, to: peer, message: unwrap(parseMessage(bytes)) };
      if (!this.passes(flight)) continue;
      this.log.push(flight);
      this.#flights.push({ ...flight, at: this.now + this.delayMs });
    }
  }

  #engine(
    name: string,
    disk: FakeVoteDisk,
    of: {
      readonly ledger: FakeLedger;
      readonly set: ValidatorSet;
      readonly ended: ValidatorSet | undefined;
    },
  ) {
    const { ledger, set, ended } = of;
    const publicKey = keyOf(name).spki.subarray(-32);
    const self = { name: mint<Identifier>(name), publicKey };
    const config = { channel, parameters: this.#parameters, self };
    const recovered = {
      ...disk.recovered(set.epoch),
      validators: set,
      ...(ended && { ended: { tip: disk.tip(ended.epoch), validators: ended } }),
    };
    return new ChannelEngine(portsOf(name, { application: ledger }), config, recovered);
  }

  #start(name: string): void {
    this.step(name, { type: "start", nonce: utf8(`ask-${name}`.padEnd(8).slice(0, 8)) });
  }
}
