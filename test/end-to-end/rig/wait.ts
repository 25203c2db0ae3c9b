/** Waiting in scenarios: for a condition, or for a moment that the seed chose. */

import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";

/** No waiting helps: a process of the rig ended by itself. */
export class ProcessGone extends Error {}

/** Milliseconds for what comes within a second or two: a busy machine may take its time, a hung one not. */
export const patienceMs = 180_000;

const clock = new SystemClock();
const forever = new AbortController().signal;

export function pause(ms: number): Promise<void> {
  return clock.sleep(ms, { signal: forever });
}

/**
 * Asks again and again until the answer is not undefined.
 * Rejects with `what` after `ms`; a question that throws counts as no answer yet, unless it throws
 * {@link ProcessGone}.
 */
export async function until<T>(
  what: () => string,
  ms: number,
  ask: () => Promise<T | undefined> | T | undefined,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (error instanceof ProcessGone) throw error;
      failure = error;
    }
    if (performance.now() > end) throw new Error(`not in ${ms} ms: ${what()}`, { cause: failure });
    await pause(everyMs);
  }
}
