/** Submits prepared transactions to ledgers, so many at a time or so many a second, and times each. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";

/** One ledger and what it will be given, in this order. */
export type Load = {
  readonly ledger: Ledger;
  readonly waiting: readonly Transaction[];
  at: number;
  /** The first so many open lanes. */
  readonly opens: number;
};

export type Submitted = {
  readonly latencies: readonly number[];
  readonly faults: readonly string[];
};

/** The next `count` of each, with `window` of them all waiting for their seals at a time. */
export async function submitInWindow(
  loads: readonly Load[],
  { count, window }: { readonly count: number; readonly window: number },
): Promise<Submitted> {
  const times = new Times();
  const each = Math.max(1, Math.floor(window / loads.length));
  const workers = loads.flatMap((load) => {
    const end = Math.min(load.waiting.length, load.at + count);
    const work = async () => {
      while (load.at < end) await times.of(load, load.at++);
    };
    return Array.from({ length: each }, work);
  });
  await Promise.all(workers);
  return times;
}

/** The next `count` of each, evenly, whether those before are sealed or not. */
export async function submitAtPace(
  loads: readonly Load[],
  { count, perSecond }: { readonly count: number; readonly perSecond: number },
): Promise<Submitted> {
  const times = new Times();
  const start = performance.now();
  const open: Promise<void>[] = [];
  for (let done = 0; done < count; ) {
    const due = Math.min(count, Math.ceil(((performance.now() - start) / 1_000) * perSecond));
    for (; done < due; done++)
      for (const load of loads)
        if (load.at < load.waiting.length) open.push(times.of(load, load.at++));
    await sleep(1);
  }
  await Promise.all(open);
  return times;
}

class Times {
  readonly latencies: number[] = [];
  readonly faults: string[] = [];

  async of(load: Load, at: number): Promise<void> {
    const transaction = load.waiting[at];
    if (transaction === undefined) return;
    const before = performance.now();
    // One each, as who submits has one: a shared one would be searched through by every submission.
    const { signal } = new AbortController();
    const submitted = await load.ledger.submit(transaction, { signal });
    this.latencies.push(performance.now() - before);
    if (!submitted.ok) this.faults.push(submitted.fault.code);
  }
}
