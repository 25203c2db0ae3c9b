/**
 * What an uplink does when: renew, ask what the gateway holds, send within the window, ask again when
 * receipts are overdue. Pure: events in, effects out; the shell owns sockets, clocks and the outbox.
 */

import { assertNever } from "@tamga/ledger-core/base/assert";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import {
  acknowledgeMsMax,
  answerMsMax,
  askAgainMsMin,
  askPauseMsMax,
  awaitedMax,
  receiptMsMax,
  refusalsMax,
  windowBytesMax,
  windowMessagesMax,
} from "./limits.ts";
import { SendWindow } from "./send-window.ts";

/** `due`: in the last third of its life. An expired one lets a device renew and nothing else. */
export type CertificateState = "valid" | "due" | "expired";

/** `renewing`: nothing else is allowed. `asking`: until the gateway said what it holds. */
export type UplinkPhase = "offline" | "renewing" | "asking" | "sending";

export type UplinkEvent =
  /** `owesKept`: a gateway asked for what is final too, and has not had all of it. */
  | {
      readonly type: "connected";
      readonly at: MonotonicMillis;
      readonly certificate: CertificateState;
      readonly owesKept: boolean;
    }
  | { readonly type: "lost" }
  /** The answer to the last question; `partial` when it could not list all that it wants. */
  | {
      readonly type: "want";
      readonly at: MonotonicMillis;
      readonly all: boolean;
      readonly partial: boolean;
    }
  | {
      readonly type: "sent";
      readonly at: MonotonicMillis;
      readonly id: number;
      readonly bytes: number;
    }
  /** `awaits`: it has no final receipt yet. */
  | {
      readonly type: "acknowledged";
      readonly at: MonotonicMillis;
      readonly id: number;
      readonly awaits: boolean;
    }
  /** Nothing is left to send, and nothing is in flight. */
  | { readonly type: "drained"; readonly at: MonotonicMillis }
  /** These have their final receipt, or the gateway's refusal has. */
  | { readonly type: "settled"; readonly ids: readonly number[] }
  /** A proof or head could not be judged for want of another answer. */
  | { readonly type: "puzzled"; readonly at: MonotonicMillis }
  /** New certificates are on disk. */
  | { readonly type: "renewed" }
  /** `unsettled`: statements in the outbox that are not final. At least once a second. */
  | { readonly type: "tick"; readonly at: MonotonicMillis; readonly unsettled: number };

export type UplinkEffect =
  /** Publish all pages of a `have`; with `kept`, also what is final and still stored. */
  | { readonly type: "ask"; readonly kept: boolean }
  /** Keep on disk, over restarts too, whether a gateway is owed what is final. */
  | { readonly type: "owe-kept"; readonly value: boolean }
  | { readonly type: "renew" }
  /** Take from the outbox what fits into the window. */
  | { readonly type: "send" }
  | { readonly type: "disconnect"; readonly code: DisconnectCode };

export type DisconnectCode =
  | "UPLINK_ACK_OVERDUE"
  | "UPLINK_ANSWER_OVERDUE"
  | "UPLINK_CERTIFICATE_RENEWED";

export class Uplink {
  readonly window = new SendWindow({ messages: windowMessagesMax, bytes: windowBytesMax });
  #phase: UplinkPhase = "offline";
  /** Since when a question, or a renewal, waits for its answer. */
  #askedAt: MonotonicMillis | undefined;
  #lastAskAt: MonotonicMillis | undefined;
  #askPauseMs = receiptMsMax;
  #owesKept = false;
  #askAgain = false;
  #renewDue = false;
  /** Connections in a row that ended before the gateway had answered anything. */
  #refusals = 0;
  #answered = false;
  /** Acknowledged statements without a final receipt, oldest first. */
  readonly #awaited = new Map<number, MonotonicMillis>();
  #untrackedAt: MonotonicMillis | undefined;
  /** Whether all that could be sent was sent once, on this connection. */
  #wasDrained = false;
  /** Since when something has no receipt that is neither in flight nor awaited: its proof was lost. */
  #strayAt: MonotonicMillis | undefined;
  #lastActivityAt: MonotonicMillis | undefined;

  get phase(): UplinkPhase {
    return this.#phase;
  }

  step(event: UplinkEvent): readonly UplinkEffect[] {
    switch (event.type) {
      case "connected":
        return this.#connected(event);
      case "lost":
        return this.#lost();
      case "want":
        return this.#want(event);
      case "sent":
        this.window.sent(event.id, event);
        this.#lastActivityAt = event.at;
        return [];
      case "acknowledged":
        return this.#acknowledged(event);
      case "drained":
        return this.#drained(event.at);
      case "settled":
        for (const id of event.ids) this.#awaited.delete(id);
        if (event.ids.length > 0) this.#askPauseMs = receiptMsMax;
        return [];
      case "puzzled":
        this.#askAgain = true;
        return this.#mayAsk(event.at) ? this.#ask(event.at) : [];
      case "renewed":
        this.#renewDue = false;
        this.#answered = true;
        this.#refusals = 0;
        return this.#phase === "offline"
          ? []
          : [{ type: "disconnect", code: "UPLINK_CERTIFICATE_RENEWED" }];
      case "tick":
        return this.#tick(event);
      default:
        return assertNever(event);
    }
  }

  #connected(event: Extract<UplinkEvent, { type: "connected" }>): readonly UplinkEffect[] {
    this.#owesKept = event.owesKept;
    this.#answered = false;
    this.#askAgain = false;
    this.#renewDue = event.certificate === "due";
    // A clock that cannot tell that the certificate has expired learns it from the gateway's refusal.
    const refused = this.#refusals > 0 && this.#refusals % (refusalsMax + 1) === refusalsMax;
    if (event.certificate === "expired" || refused) {
      this.#phase = "renewing";
      this.#askedAt = event.at;
      return [{ type: "renew" }];
    }
    this.#phase = "asking";
    return this.#ask(event.at);
  }

  #lost(): readonly UplinkEffect[] {
    if (this.#phase !== "offline" && !this.#answered) this.#refusals++;
    this.#phase = "offline";
    this.#askedAt = undefined;
    this.window.lost();
    this.#awaited.clear();
    this.#untrackedAt = undefined;
    this.#wasDrained = false;
    this.#strayAt = undefined;
    return [];
  }

  #want(event: Extract<UplinkEvent, { type: "want" }>): readonly UplinkEffect[] {
    if (this.#askedAt === undefined || this.#phase === "offline" || this.#phase === "renewing")
      return [];
    this.#askedAt = undefined;
    this.#answered = true;
    this.#refusals = 0;
    // A riddle may have come with this very answer, which takes its time: it is not forgotten.
    if (event.partial) this.#askAgain = true;
    this.#lastActivityAt = event.at;
    if (event.all && !this.#owesKept) {
      // On disk before it is asked: the gateway says it once, and the line may break.
      this.#owesKept = true;
      return [{ type: "owe-kept", value: true }, ...this.#ask(event.at)];
    }
    const first = this.#phase === "asking";
    this.#phase = "sending";
    const renew = first && this.#renewDue;
    return [...(renew ? [{ type: "renew" } as const] : []), { type: "send" }];
  }

  /** Whatever the last answer wanted has arrived. */
  #drained(at: MonotonicMillis): readonly UplinkEffect[] {
    if (this.#phase !== "sending" || this.#askedAt !== undefined) return [];
    this.#wasDrained = true;
    if (this.#askAgain) return this.#mayAsk(at) ? this.#ask(at) : [];
    if (!this.#owesKept) return [];
    this.#owesKept = false;
    return [{ type: "owe-kept", value: false }];
  }

  #acknowledged(event: Extract<UplinkEvent, { type: "acknowledged" }>): readonly UplinkEffect[] {
    if (!this.window.acknowledged(event.id)) return [];
    this.#lastActivityAt = event.at;
    if (!event.awaits) return this.#phase === "sending" ? [{ type: "send" }] : [];
    if (this.#awaited.size < awaitedMax) this.#awaited.set(event.id, event.at);
    else this.#untrackedAt ??= event.at;
    return this.#phase === "sending" ? [{ type: "send" }] : [];
  }

  #tick({ at, unsettled }: Extract<UplinkEvent, { type: "tick" }>): readonly UplinkEffect[] {
    if (this.#phase === "offline") return [];
    const { oldestAt } = this.window;
    if (oldestAt !== undefined && at - oldestAt >= acknowledgeMsMax)
      return [{ type: "disconnect", code: "UPLINK_ACK_OVERDUE" }];
    if (this.#askedAt !== undefined) {
      return at - this.#askedAt >= answerMsMax
        ? [{ type: "disconnect", code: "UPLINK_ANSWER_OVERDUE" }]
        : [];
    }
    if (this.#phase !== "sending") return [];
    this.#watchStrays(at, unsettled);
    const again = this.#askAgain && this.#mayAsk(at);
    const overdue = this.#isOverdue(at, unsettled) && this.#pauseIsOver(at);
    if (!again && !overdue) return [{ type: "send" }];
    // Where asking brings nothing, e.g. while no ledger is in reach, it becomes rarer.
    if (overdue) this.#askPauseMs = Math.min(askPauseMsMax, 2 * this.#askPauseMs);
    return [...this.#ask(at), { type: "send" }];
  }

  #isOverdue(at: MonotonicMillis, unsettled: number): boolean {
    const oldest = this.#awaited.values().next();
    const since = (time: MonotonicMillis | undefined) =>
      time !== undefined && at - time >= receiptMsMax;
    if (oldest.done !== true && since(oldest.value)) return true;
    if (since(this.#untrackedAt) || since(this.#strayAt)) return true;
    // Nothing moves, and something has no receipt: whatever was lost, the gateway can tell.
    return unsettled > 0 && this.window.messages === 0 && since(this.#lastActivityAt);
  }

  /** A backlog that is not sent yet has no receipt either; so this begins once all was sent. */
  #watchStrays(at: MonotonicMillis, unsettled: number): void {
    const known = this.#awaited.size + this.window.messages;
    if (!this.#wasDrained || unsettled <= known) this.#strayAt = undefined;
    else this.#strayAt ??= at;
  }

  #pauseIsOver(at: MonotonicMillis): boolean {
    return this.#lastAskAt === undefined || at - this.#lastAskAt >= this.#askPauseMs;
  }

  #mayAsk(at: MonotonicMillis): boolean {
    if (this.#phase !== "sending" || this.#askedAt !== undefined) return false;
    return this.#lastAskAt === undefined || at - this.#lastAskAt >= askAgainMsMin;
  }

  #ask(at: MonotonicMillis): readonly UplinkEffect[] {
    this.#askedAt = at;
    this.#lastAskAt = at;
    this.#askAgain = false;
    this.#untrackedAt = undefined;
    this.#strayAt = undefined;
    return [{ type: "ask", kept: this.#owesKept }];
  }
}
