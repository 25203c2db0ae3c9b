/** What lies between two quotes of one device in one state: so offline statements are attested, too. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TpmClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import type { StreamHead } from "@tamga/ledger-core/wire/attestation-evidence";

/** A quote that `appraise` believed. */
export type AppraisedQuote = {
  readonly device: string;
  /** SHA-256 of the attestation key's public area, and of the TPMS_ATTEST. */
  readonly attestationKey: Digest;
  readonly attest: Digest;
  readonly clockInfo: TpmClockInfo;
  readonly pcrDigest: Uint8Array;
  readonly streams: readonly StreamHead[];
};

/** Sequences of one stream: from the first on, up to but not with the second. */
export type BracketedStream = {
  readonly stream: string;
  readonly incarnation: Uint8Array;
  readonly from: bigint;
  readonly to: bigint;
  /** Identity of the newest statement in it: the others are those that it chains to. */
  readonly last?: Digest;
};

export type BracketFault =
  | { readonly code: "BRACKET_OTHER_DEVICE" | "BRACKET_OTHER_KEY" }
  /** The TPM was reset, or restarted or resumed, in between: another state may have been in it. */
  | { readonly code: "BRACKET_RESET" | "BRACKET_RESTARTED" }
  | { readonly code: "BRACKET_CLOCK_UNSAFE" | "BRACKET_CLOCK_WENT_BACK" }
  | { readonly code: "BRACKET_PCRS_CHANGED" }
  | { readonly code: "BRACKET_STREAM_WENT_BACK"; readonly stream: string };

/**
 * The statements between the heads of two quotes. A stream that the later quote does not name has none; one
 * that the earlier does not name begins in between, from its first sequence on. Faults: BRACKET_*.
 */
export function bracket(
  earlier: AppraisedQuote,
  later: AppraisedQuote,
): Result<readonly BracketedStream[], BracketFault> {
  if (earlier.device !== later.device) return err({ code: "BRACKET_OTHER_DEVICE" });
  if (!equal(earlier.attestationKey, later.attestationKey))
    return err({ code: "BRACKET_OTHER_KEY" });
  const [before, after] = [earlier.clockInfo, later.clockInfo];
  if (before.resetCount !== after.resetCount) return err({ code: "BRACKET_RESET" });
  if (before.restartCount !== after.restartCount) return err({ code: "BRACKET_RESTARTED" });
  if (!before.safe || !after.safe) return err({ code: "BRACKET_CLOCK_UNSAFE" });
  if (after.clock < before.clock) return err({ code: "BRACKET_CLOCK_WENT_BACK" });
  if (!equal(earlier.pcrDigest, later.pcrDigest)) return err({ code: "BRACKET_PCRS_CHANGED" });
  const starts = new Map(earlier.streams.map((head) => [nameOf(head), head.next]));
  const bracketed: BracketedStream[] = [];
  for (const head of later.streams) {
    const { stream, incarnation, next: to, last } = head;
    const from = starts.get(nameOf(head)) ?? 0n;
    if (to < from) return err({ code: "BRACKET_STREAM_WENT_BACK", stream });
    if (to > from)
      bracketed.push({ stream, incarnation, from, to, ...(last === undefined ? {} : { last }) });
  }
  return ok(bracketed);
}

/** Whether a statement that consumes these sequences lies in the bracket as a whole. */
export function liesWithin(
  streams: readonly BracketedStream[],
  statement: {
    readonly stream: string;
    readonly incarnation: Uint8Array;
    readonly first: bigint;
    readonly count: number;
  },
): boolean {
  const { stream, incarnation, first, count } = statement;
  return streams.some(
    (range) =>
      range.stream === stream &&
      equal(range.incarnation, incarnation) &&
      first >= range.from &&
      first + BigInt(count) <= range.to,
  );
}

function nameOf({ stream, incarnation }: StreamHead): string {
  return `${stream} ${toHex(incarnation)}`;
}
