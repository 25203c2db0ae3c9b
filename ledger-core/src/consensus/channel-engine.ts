/**
 * The consensus of a channel over all its epochs: one replica orders, the one before it still answers
 * until the new epoch's first block is final. Pure, as they are; peers have names here.
 */

import { equal } from "../base/bytes.ts";
import type { Identifier } from "../base/identifier.ts";
import type { MonotonicMillis } from "../base/time.ts";
import type { EngineConfig, EngineEffect, EngineEvent, EngineRecovered } from "./engine-io.ts";
import type { Message } from "./message.ts";
import { earliest } from "./patience.ts";
import type { Heard, ReplicaStatus } from "./replica.ts";
import { Replica } from "./replica.ts";
import type {
  Moment,
  Recovered,
  ReplicaEffect,
  ReplicaEvent,
  ReplicaPorts,
  StepResult,
} from "./replica-io.ts";
import { isSnapshotMessage } from "./snapshot-message.ts";
import { ValidatorSet } from "./validator-set.ts";

/** What a step leaves behind: effects in their order, and when the next tick is due. */
export type EngineResult<State> = {
  readonly effects: readonly EngineEffect<State>[];
  readonly wakeAt: MonotonicMillis | undefined;
};

/** One epoch's replica with the names of its validators. */
type Epoch<State> = {
  readonly replica: Replica<State>;
  readonly set: ValidatorSet;
  readonly self: number | undefined;
  wakeAt: StepResult<State>["wakeAt"];
};

export class ChannelEngine<State> {
  readonly #ports: ReplicaPorts<State>;
  readonly #config: EngineConfig;
  #current: Epoch<State>;
  #previous: Epoch<State> | undefined;
  #nonce: Uint8Array = new Uint8Array();
  /**
   * What the votes' database held of epochs that have not begun: their votes are written down in the same turn
   * as the boundary is found final, and before that is committed.
   */
  readonly #ahead: Pick<Recovered<State>, "rows" | "blocks" | "certificates">;
  /** When a peer that is ahead by an epoch was last asked. */
  #askedAt: number | undefined;

  constructor(ports: ReplicaPorts<State>, config: EngineConfig, recovered: EngineRecovered<State>) {
    this.#ports = ports;
    this.#config = config;
    this.#current = this.#epoch(recovered.validators, recovered);
    const { epoch } = recovered.validators;
    this.#ahead = {
      rows: recovered.rows.filter((row) => row.epoch > epoch),
      blocks: recovered.blocks.filter(({ header }) => header.epoch > epoch),
      certificates: recovered.certificates.filter((certificate) => certificate.epoch > epoch),
    };
    if (recovered.ended !== undefined)
      this.#previous = this.#epoch(recovered.ended.validators, {
        ...recovered.ended,
        hasEnded: true,
        // It has none of the rows that may still be on the disk, so it signs nothing any more: whoever lacks
        // the boundary is helped by its finalization.
        floor: { epoch: recovered.ended.validators.epoch, view: Number.MAX_SAFE_INTEGER },
        amnesia: recovered.amnesia,
        rows: [],
        blocks: [],
        certificates: [],
        ...(recovered.sealed === undefined ? {} : { sealed: recovered.sealed }),
      });
  }

  /** Of the epoch that orders. */
  status(): ReplicaStatus {
    return this.#current.replica.status();
  }

  get validators(): ValidatorSet {
    return this.#current.set;
  }

  /** Of each of those validators, in their order. */
  get heard(): readonly Heard[] {
    return this.#current.replica.heard;
  }

  /** Takes one event; the effects are to be carried out in their order. */
  step(event: EngineEvent, moment: Moment): EngineResult<State> {
    const effects: EngineEffect<State>[] = [];
    switch (event.type) {
      case "start":
        this.#nonce = event.nonce;
        if (this.#previous !== undefined) this.#step(this.#previous, event, moment, effects);
        this.#step(this.#current, event, moment, effects);
        break;
      case "tick":
        if (this.#previous !== undefined) this.#step(this.#previous, event, moment, effects);
        this.#step(this.#current, event, moment, effects);
        break;
      case "submit":
        this.#step(this.#current, event, moment, effects);
        break;
      case "seal-signed": {
        const { epoch, size, payload } = event;
        const of = this.#epochOf(epoch);
        if (of !== undefined)
          this.#step(of, { type: "seal-signed", size, payload }, moment, effects);
        break;
      }
      case "message":
        this.#receive(event.from, event.message, moment, effects);
        break;
    }
    return { effects, wakeAt: earliest(this.#current.wakeAt, this.#previous?.wakeAt) };
  }

  #receive(
    name: Identifier,
    message: Message,
    moment: Moment,
    effects: EngineEffect<State>[],
  ): void {
    const { epoch } = this.#current.set;
    const of = epochOfMessage(message) ?? epoch;
    const addressed = this.#epochOf(of);
    const from = addressed?.set.entries.findIndex((entry) => entry.name === name) ?? -1;
    if (addressed !== undefined && from >= 0) {
      this.#step(addressed, { type: "message", from, message }, moment, effects);
      return;
    }
    if (of > epoch) this.#askAhead(name, moment, effects);
    else if (message.type === "transactions") {
      const code = this.#current.replica.hear(name, message.transactions);
      if (code !== undefined) effects.push({ type: "misbehaviour", from: name, code });
      this.#step(this.#current, { type: "tick" }, moment, effects);
    } else this.#answerStranger(name, message, effects);
  }

  /** A peer speaks of an epoch that begins with a boundary we lack. */
  #askAhead(name: Identifier, { now }: Moment, effects: EngineEffect<State>[]): void {
    const { deltaMs } = this.#config.parameters;
    if (this.#askedAt !== undefined && now - this.#askedAt < deltaMs) return;
    this.#askedAt = now;
    const from = this.status().finalHeight + 1;
    effects.push({ type: "send", to: name, message: { type: "fetch-heights", from } });
  }

  /** Who is no validator of that epoch may follow: it gets final blocks, seals and our status, and no vote. */
  #answerStranger(name: Identifier, message: Message, effects: EngineEffect<State>[]): void {
    const { finalHeight } = this.status();
    if (message.type === "fetch-heights") {
      if (message.from >= 1 && message.from <= finalHeight)
        effects.push({ type: "serve-heights", to: name, from: message.from });
    } else if (message.type === "fetch-ancestors") {
      if (message.height >= 1 && message.height <= finalHeight)
        effects.push({ type: "serve-ancestors", to: name, height: message.height });
    } else if (message.type === "status") {
      // Only who is behind is told: two that follow would answer each other for ever.
      const sealed = this.#current.replica.ownSealed();
      if (sealed !== undefined && message.sealedSize < sealed.size)
        effects.push({ type: "send", to: name, message: sealed });
      if (message.finalHeight >= finalHeight) return;
      if (message.epoch < this.#current.set.epoch)
        effects.push({ type: "serve-heights", to: name, from: message.finalHeight + 1 });
      else effects.push({ type: "send", to: name, message: this.#current.replica.ownStatus() });
    }
  }

  #step(
    of: Epoch<State>,
    event: ReplicaEvent,
    moment: Moment,
    effects: EngineEffect<State>[],
  ): void {
    const result = of.replica.step(event, moment);
    of.wakeAt = result.wakeAt;
    let ended: Extract<ReplicaEffect<State>, { readonly type: "epoch-ended" }> | undefined;
    for (const effect of result.effects) {
      if (effect.type === "epoch-ended") ended = effect;
      else effects.push(...this.#named(of, effect));
      if (effect.type === "commit" && of === this.#current) this.#previous = undefined;
    }
    if (ended !== undefined && of === this.#current) this.#next(of, ended, moment, effects);
  }

  /** The boundary is committed: the next epoch starts from it at view 0. */
  #next(
    of: Epoch<State>,
    { next, tip }: Extract<ReplicaEffect<State>, { readonly type: "epoch-ended" }>,
    moment: Moment,
    effects: EngineEffect<State>[],
  ): void {
    const validators = new ValidatorSet(of.set.epoch + 1, next.validators);
    const { sealed } = of.replica;
    this.#previous = of;
    this.#current = this.#epoch(validators, {
      tip: { ...tip, view: 0 },
      floor: of.replica.floor,
      amnesia: of.replica.status().abstaining,
      ...this.#ahead,
      ...(sealed === undefined ? {} : { sealed }),
    });
    effects.push({ type: "epoch-started", validators });
    this.#step(this.#current, { type: "start", nonce: this.#nonce }, moment, effects);
    const transactions = of.replica.ownPending;
    if (transactions.length > 0)
      this.#step(this.#current, { type: "submit", transactions }, moment, effects);
  }

  #epoch(validators: ValidatorSet, recovered: Recovered<State>): Epoch<State> {
    const { channel, parameters, self } = this.#config;
    const at = validators.entries.findIndex(
      ({ name, publicKey }) => name === self.name && equal(publicKey, self.publicKey),
    );
    const own = at < 0 ? undefined : at;
    const config = { channel, parameters, validators, ...(own === undefined ? {} : { self: own }) };
    const replica = new Replica(this.#ports, config, recovered);
    return { replica, set: validators, self: own, wakeAt: undefined };
  }

  #epochOf(epoch: number): Epoch<State> | undefined {
    if (this.#current.set.epoch === epoch) return this.#current;
    return this.#previous?.set.epoch === epoch ? this.#previous : undefined;
  }

  /** A replica's effect with names for indices. */
  #named(
    of: Epoch<State>,
    effect: Exclude<ReplicaEffect<State>, { readonly type: "epoch-ended" }>,
  ): readonly EngineEffect<State>[] {
    const nameOf = (index: number) => of.set.entryOf(index).name;
    switch (effect.type) {
      case "send": {
        const { to, message } = effect;
        if (to !== "all") return [{ type: "send", to: nameOf(to), message }];
        if (of === this.#current) return [{ type: "send", to: "all", message }];
        return of.set.entries
          .filter((_, index) => index !== of.self)
          .map(({ name }) => ({ type: "send", to: name, message }));
      }
      case "serve-heights":
        return [{ type: "serve-heights", to: nameOf(effect.to), from: effect.from }];
      case "serve-ancestors":
        return [{ type: "serve-ancestors", to: nameOf(effect.to), height: effect.height }];
      case "misbehaviour":
        return [{ type: "misbehaviour", from: nameOf(effect.from), code: effect.code }];
      default:
        return [effect];
    }
  }
}

/** In which epoch a message speaks; undefined where it holds in any. */
function epochOfMessage(message: Message): number | undefined {
  switch (message.type) {
    case "certificate":
    case "final-blocks":
      return message.certificate.epoch;
    case "blocks":
      return message.blocks[0]?.header.epoch;
    case "equivocation":
      return message.proof.epoch;
    case "transactions":
    case "fetch-heights":
    case "fetch-ancestors":
      return undefined;
    default:
      return isSnapshotMessage(message) ? undefined : message.epoch;
  }
}
