/** Says at intervals, in every stream, that it lives and what was lost: silence then means something. */

import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Service } from "@tamga/ledger-core/daemon/service";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import type { OutboxRun, SqliteOutbox } from "./outbox/sqlite-outbox.ts";

export type HeartbeatOptions = {
  readonly outbox: Pick<SqliteOutbox, "heartbeat">;
  /** The runs that this process writes to. */
  readonly runs: () => readonly OutboxRun[];
  readonly everyMs: number;
  readonly clock: Clock;
  readonly clockQuality: () => ClockQuality;
  readonly logger: Logger;
};

export class Heartbeats implements Service {
  readonly name = "heartbeats";
  readonly #options: HeartbeatOptions;
  /** Streams whose last heartbeat still waits, e.g. for a token: one at a time is enough. */
  readonly #waiting = new Set<number>();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {}

  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, everyMs, runs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(everyMs, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      for (const run of runs()) this.#beat(run);
    }
  }

  async close(): Promise<void> {}

  #beat(run: OutboxRun): void {
    if (this.#waiting.has(run.id)) return;
    this.#waiting.add(run.id);
    const { outbox, clockQuality, logger } = this.#options;
    outbox
      .heartbeat(run, { clock: clockQuality() })
      .catch((error: unknown) =>
        logger.warn({ event: "heartbeat.failed", stream: run.stream, error }, "no heartbeat"),
      )
      .finally(() => this.#waiting.delete(run.id));
  }
}
