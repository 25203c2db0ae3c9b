/** Holds a boot event log to the PCR values that it must replay to, and its events to those that are allowed. */

import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { EventLogFault } from "@tamga/ledger-core/tpm/event-log";
import { parseEventLog, replayEventLog } from "@tamga/ledger-core/tpm/event-log";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import type { Finding } from "./appraise.ts";

export type BootLogFault =
  | EventLogFault
  /** Events are to be judged, and there is no log. */
  | { readonly code: "EVENT_LOG_MISSING" }
  /** The log is not the one that the evidence names. */
  | { readonly code: "EVENT_LOG_OTHER" }
  | { readonly code: "EVENT_LOG_NOT_OF_PCRS"; readonly pcr: number };

/**
 * PCR 0 to 9 are extended by what also writes this log: the firmware, its boot loader, the kernel's loader.
 * Above them the running system extends too (10: IMA), which the log does not know.
 */
export const bootPcrMax = 9;
/** EV_NO_ACTION: nothing was extended. */
const noAction = 3;

/** @returns an EVENT_NOT_ALLOWED for each event in a quoted PCR whose digest is not allowed. */
export function holdLog(
  crypto: Pick<CryptoPort, "sha256">,
  evidence: Evidence,
  {
    log,
    allowed,
  }: { readonly log: Uint8Array | undefined; readonly allowed: ReadonlySet<string> | undefined },
): Result<readonly Finding[], BootLogFault> {
  const { eventLog } = evidence;
  if (log === undefined) return allowed === undefined ? ok([]) : err({ code: "EVENT_LOG_MISSING" });
  const isNamed =
    eventLog !== undefined &&
    eventLog.length === log.length &&
    equal(eventLog.digest, crypto.sha256(log));
  if (!isNamed) return err({ code: "EVENT_LOG_OTHER" });
  const events = parseEventLog(log);
  if (!events.ok) return events;
  const hash = tpmAlgorithms.sha256;
  const replayed = replayEventLog(events.value, { hash, digest: crypto.sha256 });
  const quoted = new Map(
    evidence.banks
      .filter((bank) => bank.hash === hash)
      .flatMap(({ values }) => values.map(({ index, value }) => [index, value] as const)),
  );
  for (const [pcr, value] of quoted)
    if (pcr <= bootPcrMax && !equal(replayed[pcr] ?? new Uint8Array(), value))
      return err({ code: "EVENT_LOG_NOT_OF_PCRS", pcr });
  if (allowed === undefined) return ok([]);
  return ok(
    events.value.flatMap(({ pcr, type, digests }): readonly Finding[] => {
      if (type === noAction || pcr > bootPcrMax || !quoted.has(pcr)) return [];
      const digest = toHex(digests.get(hash) ?? new Uint8Array());
      return allowed.has(digest) ? [] : [{ code: "EVENT_NOT_ALLOWED", pcr, digest }];
    }),
  );
}
