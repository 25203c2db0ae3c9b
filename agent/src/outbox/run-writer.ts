/** Gives out the sequences of one incarnation and signs its statements, in their order, one at a time. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { MonotonicMillis, UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { StreamHead } from "@tamga/ledger-core/wire/attestation-evidence";
import type {
  BundleHash,
  DeviceClaims,
  GapReason,
  TreeHead,
} from "@tamga/ledger-core/wire/device-claims";
import { gapReasons } from "@tamga/ledger-core/wire/device-claims";
import { rangesPerGapMax } from "@tamga/ledger-core/wire/limits";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import { bundleHasher, seedLength } from "@tamga/ledger-core/wire/salted-leaf";
import { bundleRoot } from "../bundle/bundle-root.ts";
import { outboxRetryMsMax, outboxRetryMsMin, signedAheadMax } from "../limits.ts";
import { backoffMs } from "./backoff.ts";
import { encodeStoredBody, packStored } from "./body-encoder.ts";
import type { CommitQueue } from "./commit-queue.ts";
import { toRange } from "./outbox.ts";
import type { Times } from "./outbox-ranges.ts";
import { reservedReason } from "./outbox-schema.ts";
import type { JournalRow, NewStatement, OutboxStore, RunRow } from "./outbox-store.ts";
import type { StatementMaker } from "./statement-maker.ts";

/** What a run needs of the outbox around it. */
export type RunWriterPorts = {
  readonly store: OutboxStore;
  readonly queue: CommitQueue;
  readonly make: StatementMaker;
  readonly crypto: Pick<CryptoPort, "sha256" | "sm3">;
  /** Of the bundles that are made from now on. */
  readonly bundleHash: BundleHash;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** After a statement's commit. */
  readonly added: (run: RunRow, first: number) => void;
  /** What a signature waits for; undefined once it goes on. */
  readonly signing: (trouble: string | undefined) => void;
  readonly failed: (error: unknown) => void;
};

/** A statement that has its sequence and waits for its turn. */
export type Order =
  | {
      readonly kind: "start";
      readonly predecessor: RunWriter | undefined;
      readonly agentVersion: string;
      readonly keyKind: string;
      readonly protocol: string;
      readonly emulated: boolean;
    }
  | {
      readonly kind: "heartbeat";
      readonly now: UnixMillis;
      readonly monotonic: MonotonicMillis;
      readonly clock: ClockQuality;
    }
  | { readonly kind: "gap"; readonly reason: GapReason }
  | {
      readonly kind: "evidence";
      readonly evidence: Uint8Array;
      /** The boot event log that the evidence names. */
      readonly log: Uint8Array | undefined;
    };

type PlacedOrder = { readonly order: Order; readonly sequence: number };
type Waiter = {
  readonly upTo: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
};
/** What goes into one statement besides its position, and what its commit takes out of the tables. */
type Draft = {
  readonly from: number;
  readonly to: number;
  readonly claims: (position: DeviceClaims["position"]) => DeviceClaims;
  readonly time: Times;
  readonly body?: Promise<NonNullable<NewStatement["body"]>>;
  readonly take: () => void;
};

export class RunWriter {
  readonly row: RunRow;
  readonly #ports: RunWriterPorts;
  /** Readings below may be bundled. */
  #closeTo = 0;
  /** Sequences below are signed, or will never be. */
  #signedTo = 0;
  /** Of those, sequences below are on disk as statements. */
  #savedTo = 0;
  #unsaved = 0;
  #orders: PlacedOrder[] = [];
  #waiters: Waiter[] = [];
  #running = false;

  constructor(row: RunRow, ports: RunWriterPorts) {
    this.row = row;
    this.#ports = ports;
  }

  /** The end of what a gateway may have been sent. */
  get savedTo(): number {
    return this.#savedTo;
  }

  /** Where the run stands on disk; undefined while something signed waits for its commit. */
  get head(): StreamHead | undefined {
    if (this.#unsaved > 0) return undefined;
    const { stream, incarnation, last } = this.row;
    const head = { stream, incarnation, next: BigInt(this.#signedTo) };
    return last === undefined ? head : { ...head, last };
  }

  /** Takes `count` sequences; the caller puts the readings into the queue in the same turn. */
  assign(count: number): number {
    const first = this.row.next;
    this.row.next += count;
    return first;
  }

  /** Resolves once all readings below `upTo` are in statements on disk, or listed as lost. */
  closeUpTo(upTo: number): Promise<void> {
    this.#closeTo = Math.max(this.#closeTo, Math.min(upTo, this.row.next));
    this.#kick();
    return this.#whenSaved(Math.min(upTo, this.row.next));
  }

  /**
   * Takes one sequence for a statement, durably: until the statement is on disk the sequence counts
   * as lost. The readings before it are closed. Resolves once it is on disk.
   */
  order(order: Order): Promise<void> {
    const { queue, store, clock } = this.#ports;
    const sequence = this.assign(1);
    const now = clock.now();
    const gap = { from: sequence, to: sequence + 1, reason: reservedReason };
    queue.change({
      run: this.row,
      apply: () => store.gaps.add(this.row.id, { ...gap, time: { from: now, to: now } }),
      done: () => undefined,
    });
    this.#orders.push({ order, sequence });
    return this.closeUpTo(sequence + 1);
  }

  /** Refuses all who wait; what is not on disk is signed by the next run. */
  stop(reason: unknown): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(reason);
  }

  #kick(): void {
    if (this.#running) return;
    this.#running = true;
    this.#pump().catch((error: unknown) => {
      if (!this.#ports.signal.aborted) this.#ports.failed(error);
    });
  }

  async #pump(): Promise<void> {
    for (;;) {
      const next = this.#next();
      if (next === undefined) break;
      await this.#sign(
        "rows" in next ? this.#draftBundle(next.rows) : await this.#draftOrder(next),
      );
      if (this.#unsaved >= signedAheadMax) await this.#saveAll();
    }
    // In the same turn as the look above: nothing can have been asked for in between.
    this.#running = false;
    this.#settle();
  }

  /** The readings or the order whose sequences come next; undefined where nothing is to be signed. */
  #next(): { readonly rows: readonly JournalRow[] } | PlacedOrder | undefined {
    const { store, queue } = this.#ports;
    const placed = this.#orders[0];
    const to = Math.min(this.#closeTo, placed?.sequence ?? this.#closeTo);
    // Readings that still wait for their commit belong to this very bundle: without them it would part.
    if (queue.holdsReading(this.row.id, to)) queue.flush();
    const rows = store.journalChunk(this.row.id, { from: this.#signedTo, to });
    if (rows.length > 0) return { rows };
    return this.#orders.shift();
  }

  #draftBundle(rows: readonly JournalRow[]): Draft {
    const { crypto, bundleHash: hash, randomBytes, store } = this.#ports;
    const first = present(rows[0], "first reading").sequence;
    const seed = randomBytes(seedLength);
    const readings = rows.map((row) => row.bytes);
    const root = bundleRoot(bundleHasher(crypto, hash), { seed, readings });
    const times = rows.map((row) => row.received);
    const time = { from: Math.min(...times), to: Math.max(...times) };
    return {
      from: first,
      to: first + rows.length,
      claims: (position) => ({ kind: "bundle", position, hash, root, time: unixTimes(time) }),
      time,
      body: encodeStoredBody({ seed, readings }),
      take: () => store.deleteJournal(this.row.id, rows),
    };
  }

  async #draftOrder({ order, sequence }: PlacedOrder): Promise<Draft> {
    const { store, clock } = this.#ports;
    const now = clock.now();
    const place = { from: sequence, to: sequence + 1 };
    const takeReserved = () => {
      assert(store.gaps.remove(this.row.id, place), "an ordered statement's sequence was reserved");
    };
    const draft = { ...place, time: { from: now, to: now }, take: takeReserved };
    switch (order.kind) {
      case "start":
        return { ...draft, claims: await this.#startClaims(order) };
      case "heartbeat":
        return {
          ...draft,
          claims: (position) => ({
            kind: "heartbeat",
            position,
            now: order.now,
            monotonic: order.monotonic,
            clock: order.clock,
            backlog: BigInt(store.account.counts[0] + store.account.counts[1]),
          }),
        };
      case "evidence": {
        const { evidence, log } = order;
        return {
          ...draft,
          claims: (position) => ({ kind: "evidence", position, evidence }),
          ...(log === undefined ? {} : { body: packStored(log) }),
        };
      }
      case "gap": {
        // A gap statement before this one may be signed and still hold its ranges in the table.
        await this.#saveAll();
        const reason = gapReasons.indexOf(order.reason);
        const gaps = store.gaps.list(this.row.id, reason, rangesPerGapMax);
        const time = {
          from: Math.min(now, ...gaps.map((gap) => gap.time.from)),
          to: gaps.length === 0 ? now : Math.max(...gaps.map((gap) => gap.time.to)),
        };
        return {
          ...draft,
          time,
          claims: (position) => ({
            kind: "gap",
            position,
            missing: gaps.map(toRange),
            reason: order.reason,
            time: unixTimes(time),
          }),
          take: () => {
            takeReserved();
            for (const gap of gaps) {
              assert(store.gaps.remove(this.row.id, gap), "a stated gap was in the table");
            }
          },
        };
      }
    }
  }

  async #startClaims(order: Extract<Order, { kind: "start" }>): Promise<Draft["claims"]> {
    const { predecessor: before, agentVersion, keyKind, protocol, emulated } = order;
    await before?.closeUpTo(before.row.next);
    const row = before?.row;
    const predecessor =
      row === undefined
        ? undefined
        : {
            incarnation: row.incarnation,
            next: BigInt(row.next),
            ...(row.last === undefined ? {} : { last: row.last }),
          };
    return (position) => ({
      kind: "start",
      position,
      ...(predecessor === undefined ? {} : { predecessor }),
      agentVersion,
      keyKind,
      protocol,
      emulated,
    });
  }

  /** Signs once and puts statement, body and what they replace into one transaction. */
  async #sign(draft: Draft): Promise<void> {
    const { store, queue, clock } = this.#ports;
    const { from, to, time, take } = draft;
    const checkpoint = store.checkpoint();
    const claims = draft.claims(this.#position(draft, checkpoint));
    const { stream } = this.row;
    const [signed, body] = await Promise.all([
      this.#untilSigned({ stream, claims, now: clock.now() }),
      draft.body,
    ]);
    this.row.last = signed.identity;
    if (claims.kind === "bundle") this.row.bundles++;
    const statement: NewStatement = {
      run: this.row.id,
      first: from,
      count: to - from,
      kind: claims.kind,
      place: this.row.bundles,
      time,
      ...signed,
      ...(body === undefined ? {} : { body }),
    };
    this.#signedTo = to;
    this.#unsaved++;
    queue.change({
      run: this.row,
      apply: () => {
        take();
        store.insertStatement(statement);
      },
      done: () => {
        this.#unsaved--;
        this.#savedTo = to;
        this.#settle();
        this.#ports.added(this.row, from);
      },
    });
  }

  #position(draft: Draft, checkpoint: TreeHead | undefined): DeviceClaims["position"] {
    const { incarnation, bootId, last } = this.row;
    const result = this.#ports.store.heldResult();
    return {
      incarnation,
      range: toRange(draft),
      ...(last === undefined ? {} : { previous: last }),
      bootId,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(result === undefined ? {} : { attestation: result.identity }),
    };
  }

  /** A token that is away comes back; a refused PIN does not, and the readings wait in the journal. */
  async #untilSigned(part: Parameters<StatementMaker>[0]) {
    const { make, clock, signal, signing } = this.#ports;
    const limits = { msMin: outboxRetryMsMin, msMax: outboxRetryMsMax };
    for (let attempt = 0; ; attempt++) {
      try {
        const signed = await make(part, { signal });
        if (attempt > 0) signing(undefined);
        return signed;
      } catch (error) {
        if (signal.aborted || !(error instanceof OperationalError)) throw error;
        signing(error.code);
        await clock.sleep(backoffMs(limits, { attempt, random: clock.random() }), { signal });
      }
    }
  }

  async #saveAll(): Promise<void> {
    if (this.#unsaved > 0) this.#ports.queue.flush();
    if (this.#unsaved > 0) await this.#whenSaved(this.#signedTo);
  }

  #whenSaved(upTo: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#ports.signal.throwIfAborted();
      this.#waiters.push({ upTo, resolve, reject });
      this.#settle();
    });
  }

  /** With nothing under way, what has no statement below the mark was lost and is listed. */
  #settle(): void {
    if (!this.#running && this.#unsaved === 0) {
      this.#signedTo = Math.max(this.#signedTo, this.#closeTo);
      this.#savedTo = this.#signedTo;
    }
    const done = this.#waiters.filter(({ upTo }) => upTo <= this.#savedTo);
    this.#waiters = this.#waiters.filter(({ upTo }) => upTo > this.#savedTo);
    for (const { resolve } of done) resolve();
  }
}

function unixTimes(time: Times): { readonly from: UnixMillis; readonly to: UnixMillis } {
  return { from: unixMillis(time.from), to: unixMillis(time.to) };
}
