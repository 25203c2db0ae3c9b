/** Carries out what {@link Uplink} decides, on one connection. */

import { assertNever } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { uplinkTopic } from "@tamga/ledger-core/wire/topic";
import { encodeRenewMessage, encodeStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { eventOf } from "../agent-event.ts";
import type { StatementToSend } from "../outbox/sending.ts";
import { DownlinkReceiver } from "./downlink-receiver.ts";
import { HaveExchange } from "./have-exchange.ts";
import { earlyMessagesMax } from "./limits.ts";
import type { MqttLine } from "./mqtt-line.ts";
import type { SessionOptions, SessionPort } from "./session-options.ts";
import type { UplinkEffect, UplinkEvent } from "./uplink.ts";

/** Why a session ended, and whether the gateway had answered anything in it. */
export type SessionEnd = { readonly reason: OperationalError; readonly answered: boolean };

/** One connection's life; made anew for each. */
export class UplinkSession {
  readonly #options: SessionOptions;
  readonly #exchange: HaveExchange;
  readonly #receiver: DownlinkReceiver;
  readonly #abort = new AbortController();
  #line: MqttLine | undefined;
  /** Taken from the outbox, but larger than what the window has left. */
  #carried: StatementToSend | undefined;
  #failure: OperationalError | undefined;
  readonly #early: { readonly topic: string; readonly payload: Uint8Array }[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    const port: SessionPort = {
      step: (event) => this.#step(event),
      publish: (topic, payload) => this.#publish(topic, payload),
      watch: (work) => this.#watch(work),
      isOpen: () => this.#line !== undefined,
    };
    this.#exchange = new HaveExchange(options, port);
    this.#receiver = new DownlinkReceiver(options, port, this.#exchange);
  }

  wake(): void {
    if (this.#options.uplink.phase === "sending") this.#fill();
  }

  received(topic: string, payload: Uint8Array): void {
    if (this.#line !== undefined) this.#receiver.received(topic, payload);
    // Between the subscription and `run`; a gateway has little to say before it is asked.
    else if (!this.#abort.signal.aborted && this.#early.length < earlyMessagesMax)
      this.#early.push({ topic, payload });
  }

  /** Works until the connection ends or the signal aborts. */
  async run(line: MqttLine, { signal }: { readonly signal: AbortSignal }): Promise<SessionEnd> {
    const { clock, identity, outbox, rotation } = this.#options;
    this.#line = line;
    rotation?.connected();
    // What was lost while nobody listened is said now; a failure is the outbox's, which ends us.
    outbox.stateGaps().catch(() => undefined);
    const certificate = identity.state(clock.now());
    const { owesKept } = identity;
    this.#step({ type: "connected", at: clock.monotonic(), certificate, owesKept });
    for (const { topic, payload } of this.#early.splice(0)) this.received(topic, payload);
    const ended = AbortSignal.any([signal, this.#abort.signal]);
    const ticking = this.#tick({ signal: ended });
    const aborted = new Promise<undefined>((resolve) => {
      if (ended.aborted) resolve(undefined);
      ended.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const closed = await Promise.race([line.whenClosed(), aborted]);
    this.#line = undefined;
    this.#abort.abort();
    await ticking;
    const stopped = new OperationalError("UPLINK_STOPPED", "the uplink was told to stop");
    return {
      reason: this.#failure ?? closed ?? stopped,
      answered: this.#receiver.answered,
    };
  }

  #step(event: UplinkEvent): void {
    for (const effect of this.#options.uplink.step(event)) this.#execute(effect);
  }

  #execute(effect: UplinkEffect): void {
    switch (effect.type) {
      case "ask":
        this.#watch(this.#exchange.ask(effect.kept));
        break;
      case "renew":
        this.#watch(this.#renew());
        break;
      case "owe-kept":
        this.#options.identity.owesKept = effect.value;
        break;
      case "send":
        this.#fill();
        break;
      case "disconnect":
        this.#fail(new OperationalError(effect.code, disconnectSentences[effect.code]));
        break;
      default:
        assertNever(effect);
    }
  }

  async #tick({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, outbox } = this.#options;
    while (!signal.aborted) {
      try {
        await clock.sleep(tickMs, { signal });
      } catch {
        return;
      }
      const { pending, provisional } = outbox.status().statements;
      this.#step({ type: "tick", at: clock.monotonic(), unsettled: pending + provisional });
      this.#askForNextKey();
    }
  }

  #fill(): void {
    const { outbox, uplink, downlink, clock, state, identity } = this.#options;
    const topic = uplinkTopic(identity.address, "statement");
    while (this.#line?.isOpen === true) {
      const next = this.#carried ?? outbox.nextToSend({ room: 1 })[0];
      this.#carried = undefined;
      if (next === undefined) {
        if (uplink.window.messages === 0) this.#step({ type: "drained", at: clock.monotonic() });
        return;
      }
      const payload = encodeStatementMessage(next.message);
      if (!uplink.window.fits(payload.length)) {
        this.#carried = next;
        return;
      }
      const at = clock.monotonic();
      this.#step({ type: "sent", at, id: next.id, bytes: payload.length });
      state.counts.sent++;
      state.counts.sentBytes += payload.length;
      downlink.sent(next);
      this.#line.publish(topic, payload, () => this.#stored(next));
    }
  }

  #stored(statement: StatementToSend): void {
    if (this.#line === undefined) return;
    const { outbox, clock, state, events } = this.#options;
    outbox.acknowledged(statement.id);
    state.counts.stored++;
    events(eventOf("stored", statement));
    const awaits = statement.state === "pending" || statement.state === "provisional";
    this.#step({ type: "acknowledged", at: clock.monotonic(), id: statement.id, awaits });
  }

  async #renew(): Promise<void> {
    const { identity, signer } = this.#options;
    const message = await identity.renewal(signer, { signal: this.#abort.signal });
    await this.#publish(uplinkTopic(identity.address, "renew"), encodeRenewMessage(message));
  }

  /** Beside everything else: no reading waits for it, and its answer may take weeks. */
  #askForNextKey(): void {
    const { identity, rotation, clock, uplink } = this.#options;
    if (uplink.phase !== "sending") return;
    const payload = rotation?.due(clock.monotonic());
    if (payload !== undefined)
      this.#watch(this.#publish(uplinkTopic(identity.address, "renew"), payload));
  }

  #publish(topic: string, payload: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#abort;
      const lost = () =>
        reject(new OperationalError("UPLINK_LOST", "the connection to the gateway was lost"));
      signal.addEventListener("abort", lost, { once: true });
      const sent = this.#line?.publish(topic, payload, () => {
        signal.removeEventListener("abort", lost);
        resolve();
      });
      if (sent !== true) lost();
    });
  }

  /** The connection ends with the first failure; the outbox knows what is left. */
  #watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (this.#line === undefined) return;
      this.#fail(
        error instanceof OperationalError
          ? error
          : new OperationalError("UPLINK_FAILED", "the uplink failed", { cause: error }),
      );
    });
  }

  #fail(error: OperationalError): void {
    this.#failure ??= error;
    this.#abort.abort();
  }
}

const tickMs = 1_000;

const disconnectSentences = {
  UPLINK_ACK_OVERDUE: "the gateway acknowledges nothing",
  UPLINK_ANSWER_OVERDUE: "the gateway does not answer what it holds",
  UPLINK_CERTIFICATE_RENEWED: "new certificates are there",
} as const;
