/** The value that a fallible function returns where the other side can be wrong. */

/** Success with a value, or failure with a fault: a plain union with a stable `code`. */
export type Result<T, F extends Fault> = Ok<T> | Err<F>;
export type Ok<T> = { readonly ok: true; readonly value: T };
export type Err<F> = { readonly ok: false; readonly fault: F };

/** What every fault has: `SUBJECT_REASON` in upper snake case, never reused for another meaning. */
export type Fault = { readonly code: string };

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value };
}

export function err<const F extends Fault>(fault: F): Err<F> {
  return { ok: false, fault };
}
