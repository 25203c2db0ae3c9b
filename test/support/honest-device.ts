/** A device that behaves, and measures how it is served while others do not. */

import type { TestDevice } from "./test-device.ts";
import type { TestStream } from "./test-stream.ts";

export type HonestReport = {
  /** From publish to the verified provisional receipt, one for each bundle. */
  readonly latenciesMs: readonly number[];
  readonly failure: Error | undefined;
};

const readingsPerBundle = 8;

/** Sends bundle after bundle, each when the one before it has its final receipt. */
export class HonestDevice {
  readonly device: TestDevice;
  readonly #stream: TestStream;
  readonly #latenciesMs: number[] = [];
  readonly #done: Promise<void>;
  #failure: Error | undefined;
  #stopped = false;

  /** @param device must be on the line. */
  constructor(device: TestDevice) {
    this.device = device;
    this.#stream = device.stream("honest");
    this.#done = this.#run().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
  }

  /** Bundles that have their final receipt by now. */
  get served(): number {
    return this.#latenciesMs.length;
  }

  /** One more bundle on top of what runs, from publish to a verified final receipt. */
  async proveAlive(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const heartbeat = this.#stream.heartbeat();
    await this.device.send(heartbeat);
    const answer = await this.device.until(heartbeat, "final");
    if (answer.kind !== "final") throw new Error(`an honest statement was ${answer.kind}`);
  }

  async stop(): Promise<HonestReport> {
    this.#stopped = true;
    await this.#done;
    return { latenciesMs: this.#latenciesMs, failure: this.#failure };
  }

  async #run(): Promise<void> {
    await this.device.send(this.#stream.start());
    while (!this.#stopped) {
      const bundle = this.#stream.bundle(readingsPerBundle);
      const begin = performance.now();
      await this.device.send(bundle);
      await this.device.until(bundle, "provisional");
      this.#latenciesMs.push(performance.now() - begin);
      const final = await this.device.until(bundle, "final");
      if (final.kind !== "final") throw new Error(`an honest bundle was ${final.kind}`);
    }
  }
}

/** The value below which that share of the samples lies; share 0 … 1. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
