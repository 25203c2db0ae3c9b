/** A logger that a test can wait on, instead of on time. */

import type { LogFacts, Logger } from "@tamga/ledger-core/daemon/logger";

export type EventLog = Logger & {
  readonly lines: readonly (LogFacts & { readonly level: string; readonly clause: string })[];
  /** Resolves with the next line (from now on) whose facts include these. */
  next(facts: LogFacts): Promise<LogFacts>;
};

export function createEventLog(): EventLog {
  const lines: (LogFacts & { readonly level: string; readonly clause: string })[] = [];
  const waiting: { readonly facts: LogFacts; readonly resolve: (facts: LogFacts) => void }[] = [];
  const write = (level: string) => (facts: LogFacts, clause: string) => {
    lines.push({ ...facts, level, clause });
    for (const waiter of [...waiting]) {
      if (Object.entries(waiter.facts).some(([name, value]) => facts[name] !== value)) continue;
      waiting.splice(waiting.indexOf(waiter), 1);
      waiter.resolve(facts);
    }
  };
  const log: EventLog = {
    lines,
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    child: () => log,
    next: (facts) => new Promise((resolve) => waiting.push({ facts, resolve })),
  };
  return log;
}
