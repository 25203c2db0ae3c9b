/** Appraises evidence (RFC 9334 §3): authentic, fresh and one with its log, then held to reference values. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TpmClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { Evidence, EvidenceFault } from "@tamga/ledger-core/wire/attestation-evidence";
import { parseEvidence } from "@tamga/ledger-core/wire/attestation-evidence";
import type { AttestationResult, TrustVector } from "@tamga/ledger-core/wire/attestation-result";
import type { AppraisedQuote } from "./bracket.ts";
import type { BootLogFault } from "./hold-log.ts";
import { holdLog } from "./hold-log.ts";
import type { ReferenceValues } from "./reference-values.ts";
import type { QuoteFault } from "./verify-quote.ts";
import { verifyQuote } from "./verify-quote.ts";

/** What the appraiser knows of the device, and of the occasion. */
export type AppraisalContext = {
  readonly device: string;
  /** TPMT_PUBLIC of its attestation key. */
  readonly attestationKey: Uint8Array;
  /** Its maker's certificate was verified, up to a root. */
  readonly isEndorsed: boolean;
  /** Seconds since 1970. */
  readonly now: number;
  /** The nonce that was given out, and when, in seconds; absent where the device attests unasked. */
  readonly asked?: { readonly nonce: Uint8Array; readonly at: number };
  /** The newest quote of the device that was appraised before. */
  readonly previous?: AppraisedQuote;
  /** The boot event log that the evidence names, where it is at hand. */
  readonly log?: Uint8Array;
  readonly appraiser: AttestationResult["appraiser"];
};

export type AppraisalFault =
  | EvidenceFault
  | QuoteFault
  | BootLogFault
  | { readonly code: "EVIDENCE_OTHER_DEVICE" }
  | { readonly code: "EVIDENCE_NONCE_MISSING" | "EVIDENCE_NONCE_WRONG" | "EVIDENCE_NONCE_UNASKED" }
  | { readonly code: "EVIDENCE_BANK_UNSUPPORTED"; readonly hash: number }
  | { readonly code: "EVIDENCE_PCR_MISSING"; readonly pcr: number }
  | { readonly code: "EVIDENCE_TOO_OLD"; readonly age: number; readonly limit: number }
  /** The device's clock is ahead of the appraiser's, so that an age means nothing. */
  | { readonly code: "EVIDENCE_FROM_FUTURE"; readonly ahead: number }
  /** This very quote was appraised before. */
  | { readonly code: "QUOTE_REPLAYED" }
  /** The TPM's clock or its counts are below what an appraised quote had. */
  | { readonly code: "QUOTE_CLOCK_WENT_BACK" }
  /** Nobody asked, and the TPM says that its clock may have been higher. */
  | { readonly code: "QUOTE_CLOCK_UNSAFE" };

/** Why the result is not affirming: the evidence is believed, and what it shows is not approved. */
export type Finding =
  | { readonly code: "PCR_NOT_ALLOWED"; readonly pcr: number }
  | { readonly code: "PCR_DIGEST_NOT_ALLOWED" }
  | { readonly code: "EVENT_NOT_ALLOWED"; readonly pcr: number; readonly digest: string }
  | { readonly code: "AGENT_VERSION_NOT_ALLOWED" };

export type Appraisal = {
  readonly result: AttestationResult;
  readonly findings: readonly Finding[];
  readonly quote: AppraisedQuote;
};

/** Seconds that a device's clock may be ahead. */
export const clockAheadMax = 300;

/** Faults: what cannot be believed. What is believed and not approved is in the result. */
export function appraise(
  crypto: CryptoPort,
  bytes: Uint8Array,
  { context, references }: { context: AppraisalContext; references: ReferenceValues },
): Result<Appraisal, AppraisalFault> {
  const parsed = parseEvidence(bytes);
  if (!parsed.ok) return parsed;
  const evidence = parsed.value;
  if (evidence.device !== context.device) return err({ code: "EVIDENCE_OTHER_DEVICE" });
  const verified = verifyQuote(crypto, evidence, context.attestationKey);
  if (!verified.ok) return verified;
  const { clockInfo, pcrDigest } = verified.value;
  const quote: AppraisedQuote = {
    device: evidence.device,
    attestationKey: crypto.sha256(context.attestationKey),
    attest: crypto.sha256(evidence.quote.attest),
    clockInfo,
    pcrDigest,
    streams: evidence.streams,
  };
  const stale = judgeFreshness(evidence, { context, quote, ageMax: references.ageMax });
  if (stale !== undefined) return err(stale);
  const banks = judgeBanks(evidence, references);
  if (banks !== undefined) return err(banks);
  const log = holdLog(crypto, evidence, { log: context.log, allowed: references.events });
  if (!log.ok) return log;
  const findings = [...judgeValues(evidence, pcrDigest, references), ...log.value];
  const result = resultOf(evidence, {
    evidence: crypto.sha256(bytes),
    context,
    references,
    findings,
  });
  return ok({ result, findings, quote });
}

function judgeFreshness(
  evidence: Evidence,
  given: {
    readonly context: AppraisalContext;
    readonly quote: AppraisedQuote;
    readonly ageMax: number;
  },
): AppraisalFault | undefined {
  const { context, quote, ageMax } = given;
  const { asked, previous, now } = context;
  if (asked !== undefined) {
    if (evidence.nonce === undefined) return { code: "EVIDENCE_NONCE_MISSING" };
    if (!equal(evidence.nonce, asked.nonce)) return { code: "EVIDENCE_NONCE_WRONG" };
  } else if (evidence.nonce !== undefined) return { code: "EVIDENCE_NONCE_UNASKED" };
  if (previous !== undefined && equal(previous.attest, quote.attest))
    return { code: "QUOTE_REPLAYED" };
  // A restart may lose the last hour of the clock, and then says so: a nonce needs no clock.
  if (asked === undefined && !quote.clockInfo.safe) return { code: "QUOTE_CLOCK_UNSAFE" };
  if (previous !== undefined && wentBack(previous.clockInfo, quote.clockInfo))
    return { code: "QUOTE_CLOCK_WENT_BACK" };
  const age = now - (asked?.at ?? evidence.issuedAt);
  if (age > ageMax) return { code: "EVIDENCE_TOO_OLD", age, limit: ageMax };
  return age < -clockAheadMax ? { code: "EVIDENCE_FROM_FUTURE", ahead: -age } : undefined;
}

/** Counts never go down; the clock does only where it says that it is not safe. */
export function wentBack(earlier: TpmClockInfo, later: TpmClockInfo): boolean {
  if (later.resetCount < earlier.resetCount) return true;
  const isSameReset = later.resetCount === earlier.resetCount;
  if (isSameReset && later.restartCount < earlier.restartCount) return true;
  return later.clock < earlier.clock && later.safe;
}

function judgeBanks({ banks }: Evidence, references: ReferenceValues): AppraisalFault | undefined {
  const other = banks.find(({ hash }) => hash !== tpmAlgorithms.sha256);
  if (other !== undefined) return { code: "EVIDENCE_BANK_UNSUPPORTED", hash: other.hash };
  const quoted = new Set(banks.flatMap(({ values }) => values.map(({ index }) => index)));
  for (const pcr of references.pcrs.keys())
    if (!quoted.has(pcr)) return { code: "EVIDENCE_PCR_MISSING", pcr };
  return undefined;
}

function judgeValues(
  evidence: Evidence,
  pcrDigest: Uint8Array,
  references: ReferenceValues,
): readonly Finding[] {
  const { pcrs, pcrDigests, agentVersions } = references;
  const findings: Finding[] = [];
  for (const { index, value } of evidence.banks.flatMap(({ values }) => values))
    if (pcrs.get(index)?.has(toHex(value)) === false)
      findings.push({ code: "PCR_NOT_ALLOWED", pcr: index });
  if (pcrDigests?.has(toHex(pcrDigest)) === false)
    findings.push({ code: "PCR_DIGEST_NOT_ALLOWED" });
  if (agentVersions?.has(evidence.agentVersion) === false)
    findings.push({ code: "AGENT_VERSION_NOT_ALLOWED" });
  return findings;
}

/** AR4SI §2.3.4: recognized; genuine; approved boot; unsafe configuration; contraindicated executables. */
const values = { recognized: 2, genuine: 2, approvedBoot: 3, unsafe: 32, contraindicated: 96 };

function resultOf(
  evidence: Evidence,
  given: {
    readonly evidence: Digest;
    readonly context: AppraisalContext;
    readonly references: ReferenceValues;
    readonly findings: readonly Finding[];
  },
): AttestationResult {
  const { context, references, findings } = given;
  const isAgents = ({ code }: Finding) => code === "AGENT_VERSION_NOT_ALLOWED";
  const isHeld = references.pcrs.size > 0 || references.pcrDigests !== undefined;
  const isOff = findings.some((finding) => !isAgents(finding));
  const platform: TrustVector = {
    "instance-identity": values.recognized,
    ...(context.isEndorsed ? { hardware: values.genuine } : {}),
    ...(isOff
      ? { executables: values.contraindicated }
      : isHeld
        ? { executables: values.approvedBoot }
        : {}),
  };
  // Its version is what it says of itself, and its code was measured by nobody before it ran: never more.
  const agent: TrustVector = findings.some(isAgents) ? { configuration: values.unsafe } : {};
  return {
    device: evidence.device,
    issuedAt: context.now,
    appraiser: context.appraiser,
    ...(evidence.nonce === undefined ? {} : { nonce: evidence.nonce }),
    evidence: given.evidence,
    references: references.digest,
    modules: { agent, platform },
  };
}
