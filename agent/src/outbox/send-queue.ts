/** Which statement goes next: live before backlog, both always progressing, in bounded memory. */

import { present } from "@tamga/ledger-core/base/assert";
import { wantedRangesMax } from "../limits.ts";
import type { Interval } from "./interval-set.ts";
import { IntervalSet } from "./interval-set.ts";

/** A statement by the run and the sequences that it takes. */
export type Place = Interval & { readonly run: number; readonly id: number };

/** Where the queue finds statements; the database behind it holds what the memory must not. */
export interface SendSource {
  /** The first pending one at or after a position, runs in the order of their opening. */
  nextPending(run: number, from: number): Place | undefined;
  /** The first sendable one of a run at or after `from` and before `to`, whatever its state. */
  nextAt(run: number, interval: Interval): Place | undefined;
  /** A pending one that begins exactly here. */
  pendingAt(run: number, from: number): Place | undefined;
}

/**
 * Holds what was sent in this process as intervals a run: adjoining ones are one, so a backlog of a
 * million statements costs as much as one of ten. All of it is forgotten with the process; the
 * exchange of have and want on connect finds out again.
 */
export class SendQueue {
  readonly #source: SendSource;
  readonly #sent = new Map<number, IntervalSet>();
  readonly #wanted = new Map<number, IntervalSet>();
  readonly #inFlight = new Map<number, Place>();
  /** First sequences of the newest statements of each run that was opened by this process. */
  readonly #live = new Map<number, number[]>();
  readonly #liveMax: number;
  #cursor: { readonly run: number; readonly from: number } = start;
  #turn: "live" | "backlog" = "live";

  constructor(source: SendSource, liveMax: number) {
    this.#source = source;
    this.#liveMax = liveMax;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Says that a statement is in the database from now on. */
  added(run: number, from: number, live: boolean): void {
    if (run < this.#cursor.run || (run === this.#cursor.run && from < this.#cursor.from)) {
      this.#cursor = { run, from };
    }
    if (!live) return;
    const list = this.#live.get(run) ?? [];
    list.push(from);
    if (list.length > this.#liveMax) list.shift();
    this.#live.set(run, list);
  }

  /** The next one to send, in flight from now on; undefined when there is none. */
  next(): Place | undefined {
    const [first, second] =
      this.#turn === "live"
        ? [() => this.#nextLive(), () => this.#nextOld()]
        : [() => this.#nextOld(), () => this.#nextLive()];
    const place = first() ?? second();
    if (place === undefined) return undefined;
    this.#turn = this.#turn === "live" ? "backlog" : "live";
    this.#inFlight.set(place.id, place);
    return place;
  }

  acknowledged(id: number): void {
    this.#inFlight.delete(id);
  }

  /** What was in flight may or may not have arrived: it goes again. */
  disconnected(): void {
    for (const place of this.#inFlight.values()) this.#sentOf(place.run).remove(place);
    this.#inFlight.clear();
    this.#wanted.clear();
    this.#cursor = start;
    this.#turn = "live";
  }

  /** The other side holds these, or never will ask for them. */
  held(run: number, interval: Interval): void {
    this.#sentOf(run).add(interval);
  }

  /**
   * The other side asks for these again, also where they are final.
   * @returns false when so many separate ranges are wanted that these must be asked for later.
   */
  want(run: number, interval: Interval): boolean {
    let size = 0;
    for (const set of this.#wanted.values()) size += set.size;
    if (size >= wantedRangesMax) return false;
    const set = this.#wanted.get(run) ?? new IntervalSet();
    set.add(interval);
    this.#wanted.set(run, set);
    return true;
  }

  #nextLive(): Place | undefined {
    for (const [run, list] of this.#live) {
      const sent = this.#sentOf(run);
      while (list.length > 0) {
        const from = present(list.shift(), "live statement");
        if (sent.has(from)) continue;
        const place = this.#source.pendingAt(run, from);
        if (place === undefined) continue;
        sent.add(place);
        return place;
      }
    }
    return undefined;
  }

  #nextOld(): Place | undefined {
    return this.#nextWanted() ?? this.#nextBacklog();
  }

  #nextWanted(): Place | undefined {
    for (const [run, set] of this.#wanted) {
      for (;;) {
        const interval = set.intervals()[0];
        if (interval === undefined) break;
        const place = this.#source.nextAt(run, interval);
        set.remove(place === undefined ? interval : { from: interval.from, to: place.to });
        if (place === undefined || this.#inFlight.has(place.id)) continue;
        this.#sentOf(run).add(place);
        return place;
      }
      this.#wanted.delete(run);
    }
    return undefined;
  }

  #nextBacklog(): Place | undefined {
    let { run, from } = this.#cursor;
    for (;;) {
      const place = this.#source.nextPending(run, from);
      if (place === undefined) {
        this.#cursor = { run: Number.MAX_SAFE_INTEGER, from: 0 };
        return undefined;
      }
      const sent = this.#sentOf(place.run);
      const end = sent.endOf(place.from);
      // What lies between is not pending: counting it as sent keeps the intervals few.
      sent.add({ from: place.run === run ? Math.min(from, place.from) : 0, to: place.to });
      run = place.run;
      from = end === undefined ? place.to : Math.max(end, place.to);
      this.#cursor = { run, from };
      if (end === undefined) return place;
    }
  }

  #sentOf(run: number): IntervalSet {
    const set = this.#sent.get(run) ?? new IntervalSet();
    this.#sent.set(run, set);
    return set;
  }
}

const start = { run: 0, from: 0 } as const;
