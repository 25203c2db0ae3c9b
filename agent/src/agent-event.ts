/** What happens to readings, one JSON line each on stdout where `events = "stdout"`: for a site runner. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { StoredStatement } from "./outbox/sending.ts";

/**
 * `read`: has its sequence; `signed`: is in a bundle on disk; `stored`: the gateway acknowledged;
 * `provisional`, `final`, `rejected`: as verified here.
 */
export type ReadingEvent = {
  readonly event: "read" | "signed" | "stored" | "provisional" | "final" | "rejected";
  readonly stream: Identifier;
  /** Lower-case hexadecimal. */
  readonly incarnation: string;
  /** Decimal; the first of `count`. */
  readonly sequence: string;
  readonly count: number;
  /** Of statements: bundle, gap, start or heartbeat. */
  readonly kind?: string;
  /** Of a rejection: the gateway's code. */
  readonly code?: string;
};

/** `http` is the address of the agent's own pages. */
export type AgentEvent = ReadingEvent | { readonly event: "ready"; readonly http: string };

export type EventSink = (event: AgentEvent) => void;

export function eventOf(
  event: ReadingEvent["event"],
  statement: Pick<StoredStatement, "stream" | "incarnation" | "range" | "kind">,
  code?: string,
): ReadingEvent {
  return {
    event,
    stream: statement.stream,
    incarnation: toHex(statement.incarnation),
    sequence: String(statement.range.first),
    count: statement.range.count,
    kind: statement.kind,
    ...(code === undefined ? {} : { code }),
  };
}
