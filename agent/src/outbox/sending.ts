/** What leaves an outbox and what comes back about it: statements, `have` pages, `want` ranges. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { incarnationsPerPageMax, rangesPerPageMax } from "@tamga/ledger-core/wire/limits";
import type { IncarnationRanges, StatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { bodyEncodings } from "@tamga/ledger-core/wire/uplink-message";
import type { Interval } from "./interval-set.ts";
import type { StatementKind, StatementState } from "./outbox.ts";
import { statementKinds, statementStates, toInterval, toRange } from "./outbox.ts";
import type { OutboxStore, RunRow } from "./outbox-store.ts";
import { digestOf, plainBytes } from "./outbox-store.ts";
import type { Place } from "./send-queue.ts";
import { SendQueue } from "./send-queue.ts";
import type { StatementRow } from "./statement-table.ts";

/** What the outbox knows of one statement. `id` is good within this outbox. */
export type StoredStatement = {
  readonly id: number;
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
  readonly kind: StatementKind;
  readonly state: StatementState;
  readonly identity: Digest;
  readonly leaf: Digest;
  /** Exact bytes. */
  readonly bytes: Uint8Array;
};

/** `message` is what goes into `up/statement`. */
export type StatementToSend = StoredStatement & { readonly message: StatementMessage };

/** Ends of all runs, by their id, at one moment. */
export type SendMark = ReadonlyMap<number, number>;

/** Rows read at one time for a page. */
const rowsPerRead = 1_024;

export class Sending {
  readonly queue: SendQueue;
  readonly #store: OutboxStore;

  constructor(store: OutboxStore, liveMax: number) {
    this.#store = store;
    const { statements } = store;
    this.queue = new SendQueue(
      {
        nextPending: (run, from) => placeOf(statements.nextPending(run, from)),
        nextAt: (run, interval) => placeOf(statements.nextAt(run, interval)),
        pendingAt: (run, from) => {
          const row = statements.at(run, from);
          return row?.state === 0 ? placeOf(row) : undefined;
        },
      },
      liveMax,
    );
  }

  next(room: number): readonly StatementToSend[] {
    const list: StatementToSend[] = [];
    while (list.length < room) {
      const place = this.queue.next();
      if (place === undefined) break;
      const row = present(this.#store.statements.get(place.id), "statement of the send queue");
      list.push({ ...this.#stored(row), message: this.#messageOf(row) });
    }
    return list;
  }

  find(incarnation: Uint8Array, first: bigint): StoredStatement | undefined {
    const run = this.#store.runByIncarnation(incarnation);
    if (run === undefined || first > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const row = this.#store.statements.at(run.id, Number(first));
    return row === undefined ? undefined : this.#stored(row, run);
  }

  /** Reads anew for each page, so the outbox may change between two of them. */
  *pages(which: "pending" | "kept"): Generator<readonly IncarnationRanges[]> {
    let after = { run: 0, first: -1 };
    let page = new Map<number, Interval[]>();
    let ranges = 0;
    for (;;) {
      const rows = this.#store.statements.positions(which, after, rowsPerRead);
      for (const { run, from, to } of rows) {
        after = { run, first: from };
        const list = page.get(run);
        const last = list?.at(-1);
        if (list !== undefined && last?.to === from) {
          list[list.length - 1] = { from: last.from, to };
          continue;
        }
        const full = list === undefined && page.size === incarnationsPerPageMax;
        if (full || ranges === rangesPerPageMax) {
          yield this.#pageOf(page);
          page = new Map();
          ranges = 0;
        }
        const filling = page.get(run);
        if (filling === undefined) page.set(run, [{ from, to }]);
        else filling.push({ from, to });
        ranges++;
      }
      if (rows.length < rowsPerRead) break;
    }
    if (page.size > 0) yield this.#pageOf(page);
  }

  /** Puts ranges back into the queue; `whole` are those that this outbox knows. */
  requeue(ranges: readonly IncarnationRanges[]): {
    readonly whole: readonly (Interval & { readonly run: number })[];
    readonly complete: boolean;
  } {
    const whole: (Interval & { readonly run: number })[] = [];
    let complete = true;
    for (const { stream, incarnation, ranges: wanted } of ranges) {
      const run = this.#store.runByIncarnation(incarnation);
      if (run === undefined || run.stream !== stream) continue;
      for (const range of wanted) {
        if (range.first >= BigInt(run.next)) continue;
        const { from, to } = toInterval(range);
        const interval = { from, to: Math.min(to, run.next) };
        whole.push({ run: run.id, ...interval });
        complete = this.queue.want(run.id, interval) && complete;
      }
    }
    return { whole, complete };
  }

  /** Lists bundles without a body as lost; inside a transaction. */
  shedBare(places: readonly (Interval & { readonly run: number })[]): void {
    for (const { run, from, to } of places) {
      for (;;) {
        const rows = this.#store.statements.bare(run, { from, to }, rowsPerRead);
        for (const row of rows) this.#store.shed(row);
        if (rows.length < rowsPerRead) break;
      }
    }
  }

  #pageOf(page: ReadonlyMap<number, readonly Interval[]>): readonly IncarnationRanges[] {
    return [...page].map(([id, intervals]) => {
      const { stream, incarnation } = this.#store.run(id);
      return { stream, incarnation, ranges: intervals.map(toRange) };
    });
  }

  #messageOf(row: StatementRow): StatementMessage {
    const body = this.#store.body(row);
    const statement = plainBytes(row.bytes);
    if (body === undefined) return { statement };
    const encoding = bodyEncodings[body.encoding];
    assert(encoding !== undefined, "a stored body has a known encoding");
    return { statement, body: { encoding, length: body.length, bytes: plainBytes(body.bytes) } };
  }

  #stored(row: StatementRow, run: RunRow = this.#store.run(row.run)): StoredStatement {
    return {
      id: row.ordinal,
      stream: run.stream,
      incarnation: run.incarnation,
      range: toRange({ from: row.first, to: row.first + row.count }),
      kind: present(statementKinds[row.kind], "kind of a stored statement"),
      state: present(statementStates[row.state], "state of a stored statement"),
      identity: digestOf(row.identity),
      leaf: digestOf(row.leaf),
      bytes: plainBytes(row.bytes),
    };
  }
}

function placeOf(row: StatementRow | undefined): Place | undefined {
  if (row === undefined) return undefined;
  return { run: row.run, id: row.ordinal, from: row.first, to: row.first + row.count };
}
