/** One stream at work: line, driver, reading, journal, bundle. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Service } from "@tamga/ledger-core/daemon/service";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import type { EventSink, ReadingEvent } from "./agent-event.ts";
import type { BundlerEffect, BundlerLimits } from "./bundle/bundler.ts";
import { Bundler } from "./bundle/bundler.ts";
import { createDriver } from "./create-driver.ts";
import type { DecodedFrame, DriverOutput, ProtocolId } from "./driver.ts";
import { closesAheadMax, lastSignaturesMsMax } from "./limits-daemon.ts";
import type { ByteLink } from "./link/byte-link.ts";
import type { LinkState } from "./link/reconnecting-link.ts";
import { ReconnectingLink } from "./link/reconnecting-link.ts";
import type { OutboxRun, SqliteOutbox } from "./outbox/sqlite-outbox.ts";
import { toReading } from "./to-reading.ts";

export type StreamSourceOptions = {
  readonly stream: Identifier;
  readonly protocol: ProtocolId;
  readonly emulated: boolean;
  readonly link: ByteLink;
  readonly limits: BundlerLimits;
  readonly outbox: SqliteOutbox;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly clock: Clock;
  readonly clockQuality: () => ClockQuality;
  readonly events: EventSink | undefined;
  readonly logger: Logger;
};

/** Counters of this run; `rejected` and `unsigned` by stable code. */
export type StreamStatus = {
  readonly name: Identifier;
  readonly protocol: ProtocolId;
  readonly emulated: boolean;
  readonly link: LinkState & { readonly name: string };
  readonly incarnation: string;
  readonly readings: number;
  /** Frames that the driver refused. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Frames that are no reading of the wire's form: a loss that a person should know of. */
  readonly unsigned: Readonly<Record<string, number>>;
  readonly discardedBytes: number;
  readonly lastReadingAt: UnixMillis | undefined;
};

/** Past every sequence of a run. */
const endOfRun = BigInt(Number.MAX_SAFE_INTEGER);

export class StreamSource implements Service {
  readonly name: string;
  readonly #options: StreamSourceOptions;
  readonly #link: ReconnectingLink;
  readonly #bundler: Bundler;
  readonly #rejected = new Map<string, number>();
  readonly #unsigned = new Map<string, number>();
  #driver: ReturnType<typeof createDriver>;
  #run: OutboxRun | undefined;
  #state: LinkState = { phase: "connecting" };
  #readings = 0;
  #discardedBytes = 0;
  #lastReadingAt: UnixMillis | undefined;
  #closing = 0;
  #closeLater: bigint | undefined;
  #timer: AbortController | undefined;

  constructor(options: StreamSourceOptions) {
    this.name = `stream ${options.stream}`;
    this.#options = options;
    this.#link = new ReconnectingLink(options.link, options.clock, (state) => this.#linked(state));
    this.#bundler = new Bundler(options.limits);
    this.#driver = createDriver(options.protocol);
  }

  /** The run that this process writes to; undefined before `open`. */
  get outboxRun(): OutboxRun | undefined {
    return this.#run;
  }

  status(): StreamStatus {
    const { stream, protocol, emulated } = this.#options;
    return {
      name: stream,
      protocol,
      emulated,
      link: { name: this.#link.name, ...this.#state },
      incarnation: this.#run === undefined ? "" : toHex(this.#run.incarnation),
      readings: this.#readings,
      rejected: Object.fromEntries(this.#rejected),
      unsigned: Object.fromEntries(this.#unsigned),
      discardedBytes: this.#discardedBytes,
      lastReadingAt: this.#lastReadingAt,
    };
  }

  async open(): Promise<void> {
    const { outbox, stream, protocol, emulated, bootId, agentVersion, randomBytes } = this.#options;
    const opened = await outbox.openRun({
      stream,
      protocol,
      emulated,
      incarnation: randomBytes(16),
      bootId,
      agentVersion,
    });
    this.#run = opened.run;
    // It fails with the outbox alone, which ends the process by itself.
    opened.started.catch(() => undefined);
  }

  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    for await (const chunk of this.#link.open({ signal })) this.#take(this.#driver.push(chunk));
  }

  /** Bundles what is open; what gets no signature in time stays in the journal. */
  async close(): Promise<void> {
    this.#take(this.#driver.end());
    this.#timer?.abort();
    const run = this.#run;
    if (run === undefined) return;
    const { outbox, clock } = this.#options;
    outbox.flush();
    this.#bundler.step({ type: "flush" });
    const timeout = new AbortController();
    const late = clock
      .sleep(lastSignaturesMsMax, { signal: timeout.signal })
      .catch(() => undefined);
    // Up to the end of the run, not of the open bundle: an earlier one, a heartbeat or a gap statement may
    // still wait for its signature, and its sequence would count as lost.
    await Promise.race([outbox.closeBundle(run, endOfRun), late]);
    timeout.abort();
  }

  #linked(state: LinkState): void {
    const before = this.#state;
    this.#state = state;
    const { logger } = this.#options;
    const link = this.#link.name;
    if (state.phase === "up") logger.info({ event: "link.up", link }, "line open");
    if (state.phase !== "down") return;
    this.#take(this.#driver.end());
    const { code, sentence } = state;
    const facts = { event: "link.down", link, code } as const;
    if (before.phase === "up" || !this.#wasDown) logger.warn(facts, sentence);
    else logger.debug(facts, sentence);
    this.#wasDown = true;
  }

  #wasDown = false;

  #take({ frames, rejections, discardedBytes }: DriverOutput): void {
    this.#discardedBytes += discardedBytes;
    for (const { code } of rejections) count(this.#rejected, code);
    if (frames.length > 0) this.#journal(frames);
  }

  #journal(frames: readonly DecodedFrame[]): void {
    const run = this.#run;
    if (run === undefined) return;
    const { outbox, stream, emulated, clock, clockQuality, logger } = this.#options;
    const receiveTime = clock.now();
    const monotonic = clock.monotonic();
    const context = { stream, emulated, receiveTime, monotonic, clock: clockQuality() };
    const readings = frames.flatMap((frame) => {
      const made = toReading(nodeCrypto.sha256, frame, context);
      if (made.ok) return [{ bytes: made.value.bytes, receiveTime }];
      const { code } = made.fault;
      if (!this.#unsigned.has(code))
        logger.error({ event: "reading.unsigned", stream, ...made.fault }, "a frame is no reading");
      count(this.#unsigned, code);
      return [];
    });
    if (readings.length === 0) return;
    const { range } = outbox.journal(run, readings);
    this.#readings += readings.length;
    this.#lastReadingAt = receiveTime;
    for (const [index, { bytes }] of readings.entries()) {
      const sequence = range.first + BigInt(index);
      this.#tell("read", { first: sequence, count: 1 });
      const event = { type: "reading", sequence, bytes: bytes.length, receiveTime } as const;
      for (const effect of this.#bundler.step({ ...event, monotonic, urgent: false }))
        this.#close(run, endOf(effect), effect);
    }
    this.#arm(run);
  }

  #close(run: OutboxRun, upTo: bigint, effect?: BundlerEffect): void {
    if (this.#closing === closesAheadMax) {
      this.#closeLater = upTo;
      return;
    }
    this.#closing++;
    const done = () => {
      this.#closing--;
      const later = this.#closeLater;
      this.#closeLater = undefined;
      if (later !== undefined) this.#close(run, later);
    };
    // A failure is the outbox's, which ends the process by itself.
    this.#options.outbox.closeBundle(run, upTo).then(
      () => {
        if (effect !== undefined) this.#tell("signed", effect.range);
        done();
      },
      () => done(),
    );
  }

  /** Wakes up when the open bundle is old enough. */
  #arm(run: OutboxRun): void {
    const { closesAt } = this.#bundler;
    if (closesAt === undefined || this.#timer !== undefined) return;
    const { clock } = this.#options;
    const timer = new AbortController();
    this.#timer = timer;
    clock.sleep(closesAt - clock.monotonic(), { signal: timer.signal }).then(
      () => {
        this.#timer = undefined;
        for (const effect of this.#bundler.step({ type: "tick", monotonic: clock.monotonic() }))
          this.#close(run, endOf(effect), effect);
        this.#arm(run);
      },
      () => undefined,
    );
  }

  #tell(event: ReadingEvent["event"], range: { readonly first: bigint; readonly count: number }) {
    const { events, stream } = this.#options;
    if (events === undefined || this.#run === undefined) return;
    events({
      event,
      stream,
      incarnation: toHex(this.#run.incarnation),
      sequence: String(range.first),
      count: range.count,
    });
  }
}

function endOf({ range }: BundlerEffect): bigint {
  return range.first + BigInt(range.count);
}

function count(counts: Map<string, number>, code: string): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}
