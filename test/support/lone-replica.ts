/** One replica of the consensus, driven by hand: what its peers say is the test's to choose. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { ReplicaStatus } from "@tamga/ledger-core/consensus/replica";
import { Replica } from "@tamga/ledger-core/consensus/replica";
import type {
  Recovered,
  ReplicaEffect,
  ReplicaEvent,
  ReplicaParameters,
  ReplicaPorts,
} from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";
import {
  certificateOf,
  channel,
  momentAt,
  parameters,
  portsOf,
  sealOf,
  setOf,
  voteMessage,
} from "./consensus-fixture.ts";
import type { FakeState } from "./fake-ledger.ts";
import { genesisTip, pending } from "./fake-ledger.ts";
import { FakeVoteDisk } from "./fake-vote-disk.ts";

type Effect = ReplicaEffect<FakeState>;
type EffectOf<T extends Effect["type"]> = Extract<Effect, { readonly type: T }>;
type MessageOf<T extends Message["type"]> = Extract<Message, { readonly type: T }>;

export type LoneOptions = {
  readonly set?: ValidatorSet;
  /** Index; a follower where null. 0 where left out. */
  readonly self?: number | null;
  readonly parameters?: Partial<ReplicaParameters>;
  readonly ports?: Partial<ReplicaPorts<FakeState>>;
  readonly recovered?: Partial<Recovered<FakeState>>;
  readonly disk?: FakeVoteDisk;
  readonly now?: number;
};

export class LoneReplica {
  readonly set: ValidatorSet;
  readonly self: number | undefined;
  readonly disk: FakeVoteDisk;
  readonly replica: Replica<FakeState>;
  readonly #options: LoneOptions;
  now: number;
  /** Of the last call. */
  effects: readonly Effect[] = [];
  wakeAt: MonotonicMillis | undefined;

  /** Started already. */
  constructor(options: LoneOptions = {}) {
    const { set = setOf(4), self = 0, disk = new FakeVoteDisk(genesisTip(channel)) } = options;
    this.#options = options;
    this.set = set;
    this.self = self ?? undefined;
    this.disk = disk;
    this.now = options.now ?? 1;
    const name = self === null ? "a follower" : set.entryOf(self).name;
    this.replica = new Replica(
      portsOf(name, options.ports),
      {
        channel,
        validators: set,
        parameters: { ...parameters, ...options.parameters },
        ...(self === null ? {} : { self }),
      },
      { ...disk.recovered(set.epoch), ...options.recovered },
    );
    this.step({ type: "start", nonce: utf8("question") });
  }

  get status(): ReplicaStatus {
    return this.replica.status();
  }

  step(...events: readonly ReplicaEvent[]): this {
    this.effects = [];
    for (const event of events) this.#step(event);
    return this;
  }

  /** Lets time pass; ticks whenever the replica asked for it. */
  wait(ms: number): this {
    this.effects = [];
    const until = this.now + ms;
    for (let ticks = 0; this.wakeAt !== undefined && this.wakeAt <= until; ticks++) {
      if (ticks > 10_000) throw new Error("the replica wants to be woken without end");
      this.now = Math.max(this.now, this.wakeAt);
      this.#step({ type: "tick" });
    }
    this.now = until;
    this.#step({ type: "tick" });
    return this;
  }

  receive(from: number, ...messages: readonly Message[]): this {
    return this.step(...messages.map((message) => ({ type: "message", from, message }) as const));
  }

  /** Each voter's own vote, from the voter itself. */
  votes(voters: readonly number[], ballot: Ballot): this {
    return this.step(
      ...voters.map((from) => {
        const message = voteMessage(this.set, from, ballot);
        return { type: "message", from, message } as const;
      }),
    );
  }

  /** A quorum's certificate, from the last validator. */
  certificate(ballot: Ballot, voters?: readonly number[]): this {
    const certificate = certificateOf(this.set, ballot, voters);
    const from = this.self === this.set.size - 1 ? 0 : this.set.size - 1;
    return this.receive(from, { type: "certificate", certificate });
  }

  submit(...texts: readonly string[]): this {
    return this.step({ type: "submit", transactions: texts.map(pending) });
  }

  /** Signs what the last call asked to be sealed. */
  signSeals(): this {
    const name = this.set.entryOf(this.self ?? 0).name;
    return this.step(
      ...this.all("sign-seal").map(({ point }) => {
        return { type: "seal-signed", size: point.size, payload: sealOf(name, point) } as const;
      }),
    );
  }

  /** Crashes, and starts again from the disk. */
  restart(changed: LoneOptions = {}): LoneReplica {
    const { recovered: _, ...options } = this.#options;
    return new LoneReplica({ ...options, disk: this.disk, now: this.now, ...changed });
  }

  all<T extends Effect["type"]>(type: T): readonly EffectOf<T>[] {
    return this.effects.filter((effect): effect is EffectOf<T> => effect.type === type);
  }

  /** Messages of a kind that the last call sent. */
  sent<T extends Message["type"]>(type: T): readonly MessageOf<T>[] {
    return this.all("send")
      .map(({ message }) => message)
      .filter((message): message is MessageOf<T> => message.type === type);
  }

  /** `to` of every message of a kind. */
  sentTo(type: Message["type"]): readonly (number | "all")[] {
    return this.all("send")
      .filter(({ message }) => message.type === type)
      .map(({ to }) => to);
  }

  /** Ballots that the last call voted, as `kind view`. */
  get voted(): readonly string[] {
    return this.sent("vote").map(({ vote: { ballot } }) => `${ballot.kind} ${ballot.view}`);
  }

  /** Codes of misbehaviour in the last call. */
  get faults(): readonly string[] {
    return this.all("misbehaviour").map(({ code }) => code);
  }

  #step(event: ReplicaEvent): void {
    const { effects, wakeAt } = this.replica.step(event, momentAt(this.now));
    for (const effect of effects) this.disk.take(effect);
    this.effects = [...this.effects, ...effects];
    this.wakeAt = wakeAt;
  }
}
