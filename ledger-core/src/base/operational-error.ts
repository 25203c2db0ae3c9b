/** The exception for a world that fails: a port is gone, a token is locked, a disk is full. */

/**
 * @property code stable, `SUBJECT_REASON`.
 * @property details facts for the log: ids and sizes, never keys, PINs or payloads.
 */
export class OperationalError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(
    code: string,
    sentence: string,
    options: {
      readonly details?: Readonly<Record<string, string | number | boolean>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(sentence, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "OperationalError";
    this.code = code;
    this.details = options.details ?? {};
  }
}
