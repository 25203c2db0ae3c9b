/** Assertions for what only our own bug can break: nobody catches them, the process exits. */

export class InvariantError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = "InvariantError";
  }
}

export function assert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new InvariantError(sentence);
}

/** Ends an exhaustive switch; the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  throw new InvariantError(`unhandled case: ${JSON.stringify(value)}`);
}

/** A value that must be there, or an {@link InvariantError} that says which. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InvariantError(`missing: ${what}`);
  return value;
}
