import { describe, expect, test } from "vitest";
import { unixMillis } from "../base/time.ts";
import { causeOf, explainFault } from "./explain-fault.ts";
import { sentencesEn } from "./fault-sentences-en.ts";
import { sentencesZh } from "./fault-sentences-zh.ts";
import { printable } from "./printable.ts";

describe("every code has one sentence of its own", () => {
  test("in both languages (that none is missing, the compiler proves)", () => {
    expect(Object.keys(sentencesZh)).toEqual(Object.keys(sentencesEn));
    expect(Object.keys(sentencesEn).length).toBeGreaterThan(100);
    for (const code of Object.keys(sentencesEn)) expect(code).toMatch(/^[A-Z0-9]+(_[A-Z0-9]+)+$/);
  });

  test("in English", () => {
    for (const [code, sentence] of Object.entries(sentencesEn))
      expect(sentence, code).toMatch(/^[A-Z][ -~]+[a-z0-9]\.$/i);
  });

  test("in Chinese", () => {
    for (const [code, sentence] of Object.entries(sentencesZh)) {
      expect(sentence, code).toMatch(/^[^a-z,;:]+。$|[\u4e00-\u9fff].*。$/u);
      expect(sentence, code).not.toMatch(/[\u4e00-\u9fff][,;:.]/u);
    }
  });
});

describe("an explanation", () => {
  test("carries the fault's facts", () => {
    const fault = { code: "SEAL_QUORUM_MISSING", have: 2, needed: 3 } as const;
    expect(explainFault(fault, "en")).toBe(
      "Fewer validators cosigned the checkpoint than the trust policy asks for (have: 2, needed: 3).",
    );
    expect(explainFault(fault, "zh")).toBe(
      "联署检查点的验证节点少于信任策略的要求（have: 2, needed: 3）。",
    );
    expect(causeOf(fault)).toBeUndefined();
  });

  test("goes on with the cause, and prints times as times", () => {
    const fault = {
      code: "RECEIPT_CHAIN_BAD",
      cause: { code: "CERT_SIGNATURE_ALGORITHM_UNSUPPORTED", algorithm: "ECDSA with SHA-1" },
    } as const;
    expect(explainFault(fault, "en")).toMatch(/policy\. A certificate .*: ECDSA with SHA-1\)\.$/);
    expect(causeOf(fault)).toBe("CERT_SIGNATURE_ALGORITHM_UNSUPPORTED");
    const revoked = {
      code: "REVOCATION_KEY_REVOKED",
      reason: "compromised",
      since: 1_000n,
    } as const;
    expect(explainFault(revoked, "en")).toContain("since: 1970-01-01T00:00:01Z");
    const judged = { ...revoked, sealed: unixMillis(5_000) };
    expect(explainFault(judged, "en")).toContain("sealed: 1970-01-01T00:00:05Z");
    expect(explainFault(judged, "en")).toMatch(/disputed for ever\.$/);
    expect(explainFault(judged, "zh")).toMatch(/永远存疑。$/);
    const retired = { ...judged, reason: "retired" } as const;
    expect(explainFault(retired, "en")).toMatch(/from before then still counts\.$/);
  });

  test("cannot drive a terminal", () => {
    const fault = { code: "RECEIPT_VERSION_UNKNOWN", found: "\u001b[2J\n" } as const;
    expect(explainFault(fault, "en")).toContain("\\u{1b}[2J\\u{a}");
  });
});

test("printable text keeps letters of all scripts and shows what hides", () => {
  expect(printable("Zähler 电表 №1 🐄")).toBe("Zähler 电表 №1 🐄");
  expect(printable("a\u202eb\u200b\u2028\u0085")).toBe("a\\u{202e}b\\u{200b}\\u{2028}\\u{85}");
});
