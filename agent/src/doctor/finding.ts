/** What one check of `tamga-agent doctor` found: a verdict and one sentence that says what to do. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { printable } from "@tamga/ledger-core/receipt/printable";

export type Finding = {
  /** What was looked at, e.g. `key` or `stream main-meter`. */
  readonly check: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly sentence: string;
};

export function ok(check: string, sentence: string): Finding {
  return { check, verdict: "ok", sentence };
}

export function warn(check: string, sentence: string): Finding {
  return { check, verdict: "warn", sentence };
}

export function fail(check: string, sentence: string): Finding {
  return { check, verdict: "fail", sentence };
}

/**
 * The line that people read. What it tells of comes from devices, libraries, certificates and file names too:
 * none of it breaks the line or steers the terminal.
 */
export function lineOf({ verdict, check, sentence }: Finding): string {
  return `${verdict.padEnd(4)}  ${printable(check)}: ${printable(sentence)}\n`;
}

/** The check's findings, or a `fail` with what it threw; a bug of ours is thrown on. */
export async function attempt(
  check: string,
  look: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return [fail(check, `${error.message} [${error.code}]`)];
  }
}
