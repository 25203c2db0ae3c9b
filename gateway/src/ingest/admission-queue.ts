/** Gathers admissions for a moment, commits them together, and tells whoever waits and who listens. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Admission, Admitted } from "../lane/admission.ts";
import { admissionsPerBatchMax } from "../limits.ts";

export type AdmittedBatch = readonly {
  readonly admission: Admission;
  readonly admitted: Admitted;
}[];

export type AdmissionQueueOptions = {
  /** One durable transaction. */
  readonly admit: (batch: readonly Admission[]) => readonly Admitted[];
  /** After the commit and after everybody who waited was told. */
  readonly committed: (batch: AdmittedBatch) => void;
  readonly clock: Clock;
  /** How long the first of a batch waits for others, in milliseconds. */
  readonly waitMs: number;
};

type Waiting = {
  readonly admission: Admission;
  readonly resolve: (admitted: Admitted) => void;
  readonly reject: (error: unknown) => void;
};

export class AdmissionQueue {
  readonly #options: AdmissionQueueOptions;
  #waiting: Waiting[] = [];
  #timer: AbortController | undefined;

  constructor(options: AdmissionQueueOptions) {
    this.#options = options;
  }

  /** Resolves after the COMMIT that holds it; rejects with what the lane threw for its batch. */
  add(admission: Admission): Promise<Admitted> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ admission, resolve, reject });
      if (this.#waiting.length >= admissionsPerBatchMax) this.flush();
      else if (this.#timer === undefined) this.#arm();
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    let results: readonly Admitted[];
    try {
      results = this.#options.admit(batch.map(({ admission }) => admission));
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    const admitted = batch.map(({ admission }, i) => ({
      admission,
      admitted: present(results[i], "answer to an admission"),
    }));
    for (const [i, { resolve }] of batch.entries()) {
      resolve(present(results[i], "answer to an admission"));
    }
    this.#options.committed(admitted);
  }

  #arm(): void {
    const timer = new AbortController();
    this.#timer = timer;
    this.#options.clock.sleep(this.#options.waitMs, { signal: timer.signal }).then(
      () => {
        if (!timer.signal.aborted) this.flush();
      },
      () => undefined,
    );
  }
}
