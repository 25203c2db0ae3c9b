/**
 * The thin shell around a channel's engine: hands it events, and carries out its effects in the order
 * that CONSENSUS.md demands: votes, then the channel's database, then peers, then whoever waits here.
 */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { Identifier } from "../base/identifier.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { MonotonicMillis } from "../base/time.ts";
import type { PendingTransaction } from "../consensus/application.ts";
import type { EngineEffect, EngineEvent } from "../consensus/engine-io.ts";
import type { Message } from "../consensus/message.ts";
import { encodeMessage, parseMessage } from "../consensus/message-codec.ts";
import { earliest } from "../consensus/patience.ts";
import type { ReplicaStatus } from "../consensus/replica.ts";
import type { VoteFloor } from "../consensus/replica-io.ts";
import type { SnapshotMessage } from "../consensus/snapshot-message.ts";
import { isSnapshotMessage } from "../consensus/snapshot-message.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import type { PeerUrgency } from "../peers/network.ts";
import { InboundQueue } from "./inbound-queue.ts";
import {
  eventsPerTurnMax,
  inboundBytesPerPeerMax,
  inboundMessagesPerPeerMax,
  recoverPauseMsMax,
  recoverPauseMsMin,
} from "./limits.ts";
import { MisbehaviourCounts } from "./misbehaviour-counts.ts";
import type { CommitEffect, Delivery, EngineShellOptions, ShellEngine } from "./shell-io.ts";
import type { VerifiedSnapshot } from "./snapshot-assembly.ts";
import type { CatchUpEffect, SnapshotCatchUp } from "./snapshot-catch-up.ts";
import type { TurnTaker } from "./turn-loop.ts";
import type { VoteStoreWrite } from "./vote-store.ts";
import { WakeTimer } from "./wake-timer.ts";

export class EngineShell<State> implements TurnTaker {
  readonly channel: Digest;
  readonly misbehaviour = new MisbehaviourCounts();
  readonly #options: EngineShellOptions<State>;
  readonly #inbound = new InboundQueue<Message>({
    messagesMax: inboundMessagesPerPeerMax,
    bytesMax: inboundBytesPerPeerMax,
  });
  readonly #closing = new AbortController();
  #engine: ShellEngine<State> | undefined;
  /** Whom "all" means: the validators that order, without this one. */
  #others: readonly Identifier[] = [];
  #events: EngineEvent[] = [];
  #submitted: PendingTransaction[] = [];
  /** About snapshots, which the engine knows nothing of. */
  #snapshotMessages: { readonly from: Identifier; readonly message: SnapshotMessage }[] = [];
  #catchUp: SnapshotCatchUp | undefined;
  #effects: EngineEffect<State>[] = [];
  #wakeAt: MonotonicMillis | undefined;
  readonly #timer: WakeTimer;
  /** The last commit's floor: raised, and cleaned up below, with the next commit of votes. */
  #final: VoteFloor | undefined;
  #pauseMs = recoverPauseMsMin;
  #stopped = false;

  constructor(options: EngineShellOptions<State>) {
    this.#options = options;
    this.channel = options.channel;
    this.#timer = new WakeTimer(options.clock, () => this.#request());
  }

  /** Builds the engine and starts it. @throws what the store throws. */
  start(): void {
    this.#start(this.#options.store.recover());
  }

  /** The other validators of the epoch that orders. */
  get peers(): readonly Identifier[] {
    return this.#others;
  }

  /** For operators; undefined while there is none. */
  get engine(): Pick<ShellEngine<State>, "validators" | "heard" | "status"> | undefined {
    return this.#engine;
  }

  /** Of the engine; undefined while there is none. */
  status(): ReplicaStatus | undefined {
    return this.#engine?.status();
  }

  submit(transactions: readonly PendingTransaction[]): void {
    if (this.#engine === undefined) return;
    this.#submitted.push(...transactions);
    this.#request();
  }

  /** What the network brought of this channel. */
  receive(peer: Identifier, payload: Uint8Array): void {
    if (this.#engine === undefined) return;
    const message = parseMessage(payload);
    if (!message.ok) this.misbehaviour.count(peer, message.fault.code);
    else if (!this.#inbound.push(peer, message.value, payload.length))
      this.misbehaviour.count(peer, "INBOUND_FULL");
    else this.#request();
  }

  take(): readonly VoteStoreWrite[] {
    assert(this.#effects.length === 0, "a turn ends before the next begins");
    const engine = this.#engine;
    if (engine === undefined) return [];
    const { clock, store } = this.#options;
    store.look(() => {
      for (const event of this.#gather()) this.#step(engine, event);
      if (this.#wakeAt !== undefined && clock.monotonic() >= this.#wakeAt)
        this.#step(engine, { type: "tick" });
    });
    const writes: VoteStoreWrite[] = [];
    for (const effect of this.#effects)
      if (effect.type === "persist") writes.push(...effect.writes);
    if (writes.length === 0 || this.#final === undefined) return writes;
    const floor = this.#final;
    this.#final = undefined;
    return [{ type: "final", floor }, ...writes];
  }

  carryOut(): void {
    const effects = this.#effects;
    this.#effects = [];
    const commits = effects.filter((effect) => effect.type === "commit");
    if (commits.length > 0) this.#commit(commits);
    const sealed = effects.findLast((effect) => effect.type === "sealed");
    if (sealed !== undefined) this.#options.store.keepSeal(sealed);
    const deliveries: Delivery<State>[] = [];
    for (const effect of effects) {
      const delivery = this.#carryOut(effect);
      if (delivery !== undefined) deliveries.push(delivery);
    }
    this.#pauseMs = recoverPauseMsMin;
    for (const delivery of deliveries) this.#options.deliver(delivery);
    this.#takeSnapshotMessages();
    this.#timer.set(earliest(this.#wakeAt, this.#catchUp?.at));
    if (this.#events.length > 0 || this.#inbound.size > 0) this.#request();
  }

  fail(error: unknown): void {
    const isPassing = error instanceof OperationalError && passing.has(error.code);
    this.#drop();
    if (this.#closing.signal.aborted) return;
    if (isPassing) this.#pause(error);
    else this.#stop(error);
  }

  /** The floor that the last commit allows, for a clean end. */
  takeFinal(): VoteFloor | undefined {
    const floor = this.#final;
    this.#final = undefined;
    return floor;
  }

  close(): void {
    this.#closing.abort();
    this.#drop();
    this.#options.loop.remove(this);
  }

  #start(engine: ShellEngine<State>): void {
    this.#engine = engine;
    this.#setOthers(engine.validators);
    this.#events = [{ type: "start", nonce: this.#options.nonce() }];
    this.#request();
  }

  #request(): void {
    if (!this.#stopped) this.#options.loop.request(this);
  }

  /** What has come in, submissions as one event, and no more of messages than a turn takes. */
  #gather(): readonly EngineEvent[] {
    const events = this.#events;
    this.#events = [];
    const transactions = this.#submitted;
    this.#submitted = [];
    if (transactions.length > 0) events.push({ type: "submit", transactions });
    for (const { peer: from, item: message } of this.#inbound.take(eventsPerTurnMax))
      if (isSnapshotMessage(message)) this.#snapshotMessages.push({ from, message });
      else events.push({ type: "message", from, message });
    return events;
  }

  #step(engine: ShellEngine<State>, event: EngineEvent): void {
    const { clock } = this.#options;
    const { effects, wakeAt } = engine.step(event, { now: clock.monotonic(), wall: clock.now() });
    for (const effect of effects) this.#effects.push(effect);
    this.#wakeAt = wakeAt;
  }

  #commit(commits: readonly CommitEffect<State>[]): void {
    this.#options.store.commit(commits);
    this.#final = commits.at(-1)?.floor;
  }

  /** @returns what is to be delivered in the end. */
  #carryOut(effect: EngineEffect<State>): Delivery<State> | undefined {
    const { store } = this.#options;
    switch (effect.type) {
      case "persist":
        return undefined;
      case "send":
        this.#send(effect.to, effect.message);
        return undefined;
      case "serve-heights": {
        const answer = store.finalBlocks(effect.from);
        if (answer !== undefined) this.#send(effect.to, answer);
        else this.#sayPruned(effect.to, effect.from);
        return undefined;
      }
      case "serve-ancestors": {
        const answer = store.ancestors(effect.height);
        if (answer !== undefined) this.#send(effect.to, answer);
        else this.#sayPruned(effect.to, effect.height);
        return undefined;
      }
      case "sign-seal": {
        const { epoch, size } = effect.point;
        const payload = store.sign(effect.point);
        if (payload !== undefined) this.#events.push({ type: "seal-signed", epoch, size, payload });
        return undefined;
      }
      case "misbehaviour":
        this.misbehaviour.count(effect.from, effect.code);
        return undefined;
      case "epoch-started":
        this.#setOthers(effect.validators);
        return effect;
      case "halt":
        throw new OperationalError(
          effect.code,
          `The ledger node signs nothing any more: ${effect.detail}. A person has to look.`,
        );
      default:
        return effect;
    }
  }

  /** Silence would leave the asker to wait for what never comes. */
  #sayPruned(to: Identifier, height: number): void {
    const { prunedBelow: below } = this.#options.store;
    if (height < below) this.#send(to, { type: "pruned", below });
  }

  /** Answers who lacks what is gone here, and goes on with what is lacking here. */
  #takeSnapshotMessages(): void {
    const messages = this.#snapshotMessages;
    this.#snapshotMessages = [];
    const { clock, store } = this.#options;
    for (const { from, message } of messages) {
      if (message.type === "fetch-snapshot") {
        const answer = store.snapshots.answer(message);
        if (answer !== undefined) this.#send(from, answer);
        continue;
      }
      this.#catchUp ??= store.snapshots.catchUp();
      const now = clock.monotonic();
      this.#followUp(
        message.type === "pruned"
          ? this.#catchUp.pruned(from, message, now)
          : this.#catchUp.answer(from, message, now),
      );
    }
    if (this.#catchUp?.at !== undefined) this.#followUp(this.#catchUp.tick(clock.monotonic()));
  }

  #followUp(effects: readonly CatchUpEffect[]): void {
    const { snapshots } = this.#options.store;
    for (const effect of effects)
      switch (effect.type) {
        case "send":
          this.#send(effect.to, effect.message);
          break;
        case "stage":
          snapshots.stage(effect);
          break;
        case "unstage":
          snapshots.unstage();
          break;
        case "misbehaviour":
          this.misbehaviour.count(effect.from, effect.code);
          break;
        case "install": {
          const code = this.jump(effect.snapshot);
          if (code !== undefined) this.misbehaviour.count(effect.from, code);
          break;
        }
      }
  }

  /**
   * Throws the engine away and starts one from a snapshot's block.
   *
   * @returns a code where something in the snapshot was passed over.
   */
  jump(snapshot: VerifiedSnapshot): string | undefined {
    const { store, deliver } = this.#options;
    this.#drop();
    const code = store.snapshots.install(snapshot);
    const engine = store.recover();
    this.#start(engine);
    deliver({ type: "jumped", validators: engine.validators });
    return code;
  }

  #send(to: Identifier | "all", message: Message): void {
    const payload = encodeMessage(message);
    const frame = { channel: this.channel, payload, urgency: urgencyOf(message) };
    for (const peer of to === "all" ? this.#others : [to]) this.#options.network.send(peer, frame);
  }

  #setOthers(validators: ValidatorSet): void {
    const names = validators.entries.map(({ name }) => name);
    this.#others = names.filter((name) => name !== this.#options.self);
  }

  /** Throws the engine away with all that it knew and did not write down. */
  #drop(): void {
    this.#engine = undefined;
    this.#events = [];
    this.#submitted = [];
    this.#effects = [];
    this.#inbound.clear();
    this.#snapshotMessages = [];
    this.#catchUp = undefined;
    this.#final = undefined;
    this.#wakeAt = undefined;
    this.#timer.set(undefined);
  }

  #pause(error: OperationalError): void {
    const { clock, deliver } = this.#options;
    const ms = this.#pauseMs;
    this.#pauseMs = Math.min(2 * ms, recoverPauseMsMax);
    deliver({ type: "paused", cause: error.code });
    clock.sleep(ms, { signal: this.#closing.signal }).then(
      () => this.#recover(),
      () => undefined,
    );
  }

  #recover(): void {
    let engine: ShellEngine<State>;
    try {
      engine = this.#options.store.recover();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#start(engine);
    this.#options.deliver({ type: "recovered" });
  }

  #stop(error: unknown): void {
    this.#stopped = true;
    this.#options.loop.remove(this);
    this.#options.deliver({ type: "stopped", error });
  }
}

/** What goes over by itself or with somebody's help; everything else stops the channel. */
const passing: ReadonlySet<string> = new Set([
  "DISK_FULL",
  "DATABASE_BUSY",
  "DATABASE_IO",
  "DATABASE_UNAVAILABLE",
]);

/** What a view waits for goes before what catches up. */
function urgencyOf(message: Message): PeerUrgency {
  switch (message.type) {
    case "blocks":
    case "final-blocks":
    case "transactions":
    case "snapshot":
    case "snapshot-boundaries":
    case "snapshot-content":
    case "snapshot-entries":
      return "bulk";
    default:
      return "vote";
  }
}
