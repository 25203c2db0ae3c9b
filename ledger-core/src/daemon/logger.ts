/** Logs as JSON lines on stderr: a short lower-case clause, facts as fields, a stable event slug. */

import type { Logger as PinoLogger } from "pino";
import { destination, pino, stdTimeFunctions } from "pino";
import { OperationalError } from "../base/operational-error.ts";

/** Configuration's `log.level`, most silent first. Nothing is logged per reading above `debug`. */
export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** `subject.what-happened`, e.g. `outbox.drained`; never reused for another meaning. */
export type EventSlug = `${Lowercase<string>}.${Lowercase<string>}`;

/** Facts beside the clause: ids and sizes, never keys, PINs or payloads. */
export type LogFacts = { readonly event: EventSlug; readonly [fact: string]: unknown };

/** What every shell gets: no line without an event. */
export interface Logger {
  /** A person must act. */
  error(facts: LogFacts, clause: string): void;
  /** Someone should look this week. */
  warn(facts: LogFacts, clause: string): void;
  /** State changed. */
  info(facts: LogFacts, clause: string): void;
  debug(facts: LogFacts, clause: string): void;
  /** @param bindings fields of every line of the child, `component` first of all. */
  child(bindings: { readonly component: string; readonly [fact: string]: unknown }): Logger;
}

/**
 * @param sink where lines go; stderr unless given. Writes are synchronous, so that the last words
 *   before an exit are not lost.
 */
export function createLogger(options: {
  readonly daemon: string;
  readonly level: LogLevel;
  readonly sink?: { write(line: string): unknown };
}): Logger {
  const settings = {
    level: options.level,
    base: { daemon: options.daemon },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: describeError },
  };
  return wrap(pino(settings, options.sink ?? destination({ fd: 2, sync: true })));
}

/** Says nothing; for tests and for commands without a log. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};

function wrap(inner: PinoLogger): Logger {
  return {
    error: (facts, clause) => inner.error(facts, clause),
    warn: (facts, clause) => inner.warn(facts, clause),
    info: (facts, clause) => inner.info(facts, clause),
    debug: (facts, clause) => inner.debug(facts, clause),
    child: (bindings) => wrap(inner.child(bindings)),
  };
}

/** The `error` field: code, sentence and details of ours, the stack of anything else. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const cause =
    error.cause === undefined || depth === causeDepthMax
      ? {}
      : { cause: describeError(error.cause, depth + 1) };
  if (error instanceof OperationalError)
    return { code: error.code, message: error.message, details: error.details, ...cause };
  const code = "code" in error ? { code: String(error.code) } : {};
  return { ...code, message: error.message, stack: error.stack, ...cause };
}

/** A chain of causes may be a ring. */
const causeDepthMax = 4;
