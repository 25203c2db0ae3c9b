/** One question after the other to a gateway: what of all this do you hold? */

import { randomBytes } from "node:crypto";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { WantMessage } from "@tamga/ledger-core/wire/downlink-message";
import { rangesPerPageMax } from "@tamga/ledger-core/wire/limits";
import { uplinkTopic } from "@tamga/ledger-core/wire/topic";
import type { HaveMessage, IncarnationRanges } from "@tamga/ledger-core/wire/uplink-message";
import { encodeHaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { SendMark } from "../outbox/sending.ts";
import { havePagesMax } from "./limits.ts";
import type { SessionOptions, SessionPort } from "./session-options.ts";

type Question = {
  readonly nonce: Uint8Array;
  readonly mark: SendMark;
  /** False where not all of the outbox fitted into the pages. */
  complete: boolean;
};

export class HaveExchange {
  readonly #options: Pick<SessionOptions, "outbox" | "downlink" | "identity">;
  readonly #port: SessionPort;
  #question: Question | undefined;

  constructor(
    options: Pick<SessionOptions, "outbox" | "downlink" | "identity">,
    port: SessionPort,
  ) {
    this.#options = options;
    this.#port = port;
  }

  /** Page after page, each acknowledged before the next: a list is not worth a gateway's memory. */
  async ask(kept: boolean): Promise<void> {
    const { outbox, downlink, identity } = this.#options;
    const nonce = new Uint8Array(randomBytes(8));
    const question: Question = { nonce, mark: outbox.mark(), complete: true };
    this.#question = question;
    const { checkpoint } = downlink;
    const topic = uplinkTopic(identity.address, "have");
    let pages = 0;
    for (const { item, last: isLast } of lastMarked(this.#pages(kept))) {
      const last = isLast || ++pages === havePagesMax;
      question.complete = isLast === last;
      const message: HaveMessage = {
        nonce,
        last,
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...item,
      };
      await this.#port.publish(topic, encodeHaveMessage(message));
      if (last || this.#question !== question) return;
    }
  }

  /**
   * Takes the answer. @returns undefined when it is none to the last question; else whether more is
   * wanted than was listed.
   */
  async answer(message: WantMessage): Promise<{ readonly partial: boolean } | undefined> {
    const question = this.#question;
    if (question === undefined || !equal(question.nonce, message.nonce)) return undefined;
    this.#question = undefined;
    const { want } = message;
    const ranges = want.reduce((sum, item) => sum + item.ranges.length, 0);
    if (question.complete && ranges < rangesPerPageMax) {
      await this.#options.outbox.reconcile(question.mark, want);
      return { partial: false };
    }
    // A list that was cut says nothing about what stands behind the cut.
    await this.#options.outbox.requeue(want);
    return { partial: true };
  }

  *#pages(kept: boolean): Generator<Pick<HaveMessage, "pending" | "kept">> {
    const { outbox } = this.#options;
    const none: readonly IncarnationRanges[] = [];
    let isEmpty = true;
    for (const pending of outbox.pendingRanges()) {
      isEmpty = false;
      yield { pending, kept: none };
    }
    if (kept) {
      for (const page of outbox.keptRanges()) {
        isEmpty = false;
        yield { pending: none, kept: page };
      }
    }
    if (isEmpty) yield { pending: none, kept: none };
  }
}

/** Each item with whether it is the last, one ahead. */
function* lastMarked<T>(
  items: Iterable<T>,
): Generator<{ readonly item: T; readonly last: boolean }> {
  let waiting: { readonly item: T } | undefined;
  for (const item of items) {
    if (waiting !== undefined) yield { ...waiting, last: false };
    waiting = { item };
  }
  if (waiting !== undefined) yield { ...waiting, last: true };
}
