/** What a test takes for granted of a Result. */

import type { Result } from "@tamga/ledger-core/base/result";

/** The value, or an error with the fault's code: for what a test takes for granted. */
export function unwrap<T>(result: Result<T, { readonly code: string }>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.fault.code} ${JSON.stringify(result.fault, bigintText)}`);
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
