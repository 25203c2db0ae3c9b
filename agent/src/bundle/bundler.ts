/** Decides when the open readings of one stream become a bundle: on count, bytes, age or urgency. */

import type { MonotonicMillis, UnixMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import type { SequenceRange, TimeRange } from "@tamga/ledger-core/wire/device-claims";

/**
 * When a bundle closes. `maxCount` 1 is the signature of each reading alone.
 * @property maxBytes sum of the readings' bytes; a longer single reading is a bundle of its own.
 */
export type BundlerLimits = {
  readonly maxCount: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
};

export type BundlerEvent =
  | {
      readonly type: "reading";
      /** As the outbox assigned it; readings themselves stay in the outbox's journal. */
      readonly sequence: bigint;
      readonly bytes: number;
      readonly receiveTime: UnixMillis;
      readonly monotonic: MonotonicMillis;
      readonly urgent: boolean;
    }
  | { readonly type: "tick"; readonly monotonic: MonotonicMillis }
  | { readonly type: "flush" };

export type CloseReason = "count" | "bytes" | "age" | "urgent" | "flush" | "break";

/** The readings of `range`, received in `time`, are a bundle now. */
export type BundlerEffect = {
  readonly type: "close";
  readonly range: SequenceRange;
  readonly time: TimeRange;
  readonly reason: CloseReason;
};

/** One for each stream and incarnation. The same events give the same effects. */
export class Bundler {
  readonly #limits: BundlerLimits;
  #open: OpenBundle | undefined;

  constructor(limits: BundlerLimits) {
    this.#limits = limits;
  }

  /** When a tick will close what is open; undefined while nothing is. */
  get closesAt(): MonotonicMillis | undefined {
    return this.#open === undefined
      ? undefined
      : monotonicMillis(this.#open.openedAt + this.#limits.maxAgeMs);
  }

  /** Effects oldest first: at most two, as a reading may close what it does not fit and itself. */
  step(event: BundlerEvent): readonly BundlerEffect[] {
    switch (event.type) {
      case "reading":
        return this.#add(event);
      case "tick":
        return this.closesAt !== undefined && event.monotonic >= this.closesAt
          ? this.#close("age")
          : [];
      case "flush":
        return this.#close("flush");
    }
  }

  #add(event: Extract<BundlerEvent, { type: "reading" }>): readonly BundlerEffect[] {
    const { maxCount, maxBytes, maxAgeMs } = this.#limits;
    const effects: BundlerEffect[] = [];
    const open = this.#open;
    if (open !== undefined && event.sequence !== open.first + BigInt(open.count)) {
      // A heartbeat or gap statement took the sequences between: a bundle has no holes.
      effects.push(...this.#close("break"));
    } else if (open !== undefined && open.bytes + event.bytes > maxBytes) {
      effects.push(...this.#close("bytes"));
    }
    this.#open = extend(this.#open, event);
    if (event.urgent) effects.push(...this.#close("urgent"));
    else if (this.#open.count >= maxCount) effects.push(...this.#close("count"));
    else if (this.#open.bytes >= maxBytes) effects.push(...this.#close("bytes"));
    else if (event.monotonic - this.#open.openedAt >= maxAgeMs) effects.push(...this.#close("age"));
    return effects;
  }

  #close(reason: CloseReason): readonly BundlerEffect[] {
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const { first, count, from, to } = open;
    return [{ type: "close", range: { first, count }, time: { from, to }, reason }];
  }
}

type OpenBundle = {
  readonly first: bigint;
  readonly count: number;
  readonly bytes: number;
  readonly openedAt: MonotonicMillis;
  readonly from: UnixMillis;
  readonly to: UnixMillis;
};

/** The wall clock may step back between two readings: the range holds both. */
function extend(
  open: OpenBundle | undefined,
  event: Extract<BundlerEvent, { type: "reading" }>,
): OpenBundle {
  const { sequence, bytes, receiveTime, monotonic } = event;
  if (open === undefined) {
    const opened = { first: sequence, count: 1, bytes, openedAt: monotonic };
    return { ...opened, from: receiveTime, to: receiveTime };
  }
  return {
    ...open,
    count: open.count + 1,
    bytes: open.bytes + bytes,
    from: unixMillis(Math.min(open.from, receiveTime)),
    to: unixMillis(Math.max(open.to, receiveTime)),
  };
}
