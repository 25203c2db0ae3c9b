/** One plain sentence for each fault that a verification can end with, in English and in Chinese. */

import { unixMillis } from "../base/time.ts";
import type { ConsistencyFault } from "../log/consistency-proof.ts";
import type { InclusionFault } from "../log/inclusion-proof.ts";
import type { RevocationReason } from "../wire/channel-claims.ts";
import { formatTime } from "./civil-time.ts";
import type { EpochFault } from "./epoch-chain.ts";
import type { EpochsFormatFault } from "./epochs-file.ts";
import { sentencesEn } from "./fault-sentences-en.ts";
import { sentencesZh } from "./fault-sentences-zh.ts";
import { printable } from "./printable.ts";
import type { ReceiptFormatFault } from "./receipt.ts";
import type { TrustPolicyFault } from "./trust-policy.ts";
import type { TrustFileFault } from "./trust-policy-file.ts";
import type { RejectionFault } from "./verify-gateway.ts";
import type { HeadConsistencyFault, LaneHeadFault } from "./verify-lane-head.ts";
import type { FinalProofFault, ProvisionalProofFault } from "./verify-proof.ts";
import type { ReceiptFault } from "./verify-receipt.ts";
import type { ResultStatementFault } from "./verify-result.ts";
import type { NoteSealFault } from "./verify-seal.ts";

export const languages = ["en", "zh"] as const;
export type Language = (typeof languages)[number];

/** Every fault of the verifier's functions; the compiler holds the tables to it. */
export type ExplainedFault =
  | ReceiptFormatFault
  | ReceiptFault
  | LaneHeadFault
  | NoteSealFault
  | TrustFileFault
  | TrustPolicyFault
  | EpochsFormatFault
  | EpochFault
  | RejectionFault
  | ResultStatementFault
  | HeadConsistencyFault
  | FinalProofFault
  | ProvisionalProofFault
  | InclusionFault
  | ConsistencyFault;

/** The codes of faults and of their causes. */
export type ExplainedCode = CodesOf<ExplainedFault>;
type CodesOf<F> = F extends { readonly code: infer Code extends string }
  ? Code | (F extends { readonly cause: infer Cause } ? CodesOf<Cause> : never)
  : never;

/** A sentence for each code. */
export type FaultSentences = Readonly<Record<ExplainedCode, string>>;

const tables: Readonly<Record<Language, FaultSentences>> = { en: sentencesEn, zh: sentencesZh };

/** The sentence of one code. */
export function sentenceOf(code: ExplainedCode, language: Language): string {
  return tables[language][code];
}

/**
 * What is wrong and, where the fault rests on another, why; with the facts that the fault carries, e.g.
 * `(have: 2, needed: 3)`.
 */
export function explainFault(fault: ExplainedFault, language: Language): string {
  const sentences = [withFacts(fault, language)];
  if ("cause" in fault) sentences.push(withFacts(fault.cause, language));
  if (fault.code === "REVOCATION_KEY_REVOKED")
    sentences.push(revocationSentences[language][fault.reason]);
  return sentences.join(language === "zh" ? "" : " ");
}

/** What a revocation means for a statement whose first receipt came after it (DESIGN.md 24). */
const revocationSentences: Readonly<Record<Language, Readonly<Record<RevocationReason, string>>>> =
  {
    en: {
      retired: "A receipt of this statement from before then still counts.",
      compromised:
        "Whoever has that key can have made the statement at any time: unless a receipt is older than " +
        "the revocation, it is disputed for ever.",
    },
    zh: {
      retired: "该声明在此之前的回执仍然有效。",
      compromised: "持有该密钥者可在任何时间作出此声明：若无吊销之前的回执，它将永远存疑。",
    },
  };

/** The code of the fault that this one rests on, if there is one. */
export function causeOf(fault: ExplainedFault): ExplainedCode | undefined {
  return "cause" in fault ? fault.cause.code : undefined;
}

function withFacts(fault: { readonly code: ExplainedCode }, language: Language): string {
  const sentence = sentenceOf(fault.code, language);
  const facts = Object.entries(fault)
    .filter(([key]) => key !== "code" && key !== "cause")
    .map(([key, value]) => `${key}: ${factText(key, value)}`);
  if (facts.length === 0) return sentence;
  const [open, close, end] = language === "zh" ? ["（", "）", "。"] : [" (", ")", "."];
  return `${sentence.slice(0, -1)}${open}${facts.join(", ")}${close}${end}`;
}

function factText(key: string, value: unknown): string {
  if (key === "since" && typeof value === "bigint") return formatTime(unixMillis(Number(value)));
  if (key === "sealed" && typeof value === "number") return formatTime(unixMillis(value));
  return printable(String(value));
}
