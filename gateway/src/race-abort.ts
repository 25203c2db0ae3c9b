/** Waits for work no longer than a signal lets it. */

/** Rejects with the signal's reason at once where it is aborted; the work itself goes on. */
export function raceAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, reject);
  });
}
