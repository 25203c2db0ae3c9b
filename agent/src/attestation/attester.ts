/** Puts evidence together around a quote: first what the quote is to bind, then the quote beside it. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { eventLogBytesMax } from "@tamga/ledger-core/tpm/event-log";
import { pcrDigestOf } from "@tamga/ledger-core/tpm/pcr-digest";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import type {
  Evidence,
  EvidenceBank,
  EvidenceClaims,
} from "@tamga/ledger-core/wire/attestation-evidence";
import { encodeEvidence, quoteQualifier } from "@tamga/ledger-core/wire/attestation-evidence";
import { evidenceBytesMax, streamHeadsMax } from "@tamga/ledger-core/wire/limits";

/** What the device is and holds as it attests. */
export type AttesterState = Omit<EvidenceClaims, "eventLog">;

export type PreparedEvidence = {
  readonly claims: EvidenceClaims;
  /** To be quoted with. */
  readonly qualifying: Digest;
};

export type AttesterFault =
  | { readonly code: "ATTEST_TOO_MANY_STREAMS"; readonly limit: number }
  | { readonly code: "ATTEST_LOG_TOO_LONG"; readonly limit: number }
  | { readonly code: "ATTEST_QUOTE_MALFORMED" }
  /** The quote is of other claims. */
  | { readonly code: "ATTEST_QUOTE_NOT_BOUND" }
  /** The values are not those that were quoted: a PCR was extended in between. Quote again. */
  | { readonly code: "ATTEST_PCRS_MOVED" };

/**
 * @param log the boot event log as the kernel shows it; only its digest travels.
 * Faults: ATTEST_TOO_MANY_STREAMS, ATTEST_LOG_TOO_LONG.
 */
export function prepareEvidence(
  crypto: Pick<CryptoPort, "sha256">,
  state: AttesterState,
  log?: Uint8Array,
): Result<PreparedEvidence, AttesterFault> {
  if (state.streams.length > streamHeadsMax)
    return err({ code: "ATTEST_TOO_MANY_STREAMS", limit: streamHeadsMax });
  if (log !== undefined && log.length > eventLogBytesMax)
    return err({ code: "ATTEST_LOG_TOO_LONG", limit: eventLogBytesMax });
  const claims: EvidenceClaims = {
    ...state,
    ...(log === undefined ? {} : { eventLog: { length: log.length, digest: crypto.sha256(log) } }),
  };
  return ok({ claims, qualifying: quoteQualifier(crypto, claims) });
}

/**
 * Evidence's bytes. Refuses what an appraiser would: so a mistake is seen where it is made.
 * Faults: ATTEST_QUOTE_MALFORMED, ATTEST_QUOTE_NOT_BOUND, ATTEST_PCRS_MOVED.
 */
export function closeEvidence(
  crypto: Pick<CryptoPort, "sha256">,
  prepared: PreparedEvidence,
  { quote, banks }: { readonly quote: Evidence["quote"]; readonly banks: readonly EvidenceBank[] },
): Result<Uint8Array, AttesterFault> {
  const attest = parseTpmAttest(quote.attest);
  if (!attest.ok || attest.value.type !== "quote") return err({ code: "ATTEST_QUOTE_MALFORMED" });
  if (!equal(attest.value.extraData, prepared.qualifying))
    return err({ code: "ATTEST_QUOTE_NOT_BOUND" });
  const digest = pcrDigestOf(crypto, banks, attest.value.pcrs);
  if (digest === undefined || !equal(digest, attest.value.pcrDigest))
    return err({ code: "ATTEST_PCRS_MOVED" });
  const bytes = encodeEvidence({ ...prepared.claims, quote, banks });
  assert(bytes.length <= evidenceBytesMax, "evidence keeps to its limit");
  return ok(bytes);
}
