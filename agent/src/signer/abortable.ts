/** Waits for what cannot be stopped without waiting longer than the caller wants to. */

/** Settles with the promise, or rejects with `signal.reason` as soon as the signal aborts. */
export function orAborted<T>(
  promise: Promise<T>,
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
