/** Every reason to refuse evidence by its code, and what is believed but not approved. */

import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { encodeTpmPublic, parseTpmPublic } from "@tamga/ledger-core/tpm/public-area";
import { tpmAlgorithms, tpmAttributes } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { encodeEvidence, parseEvidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { statusOf } from "@tamga/ledger-core/wire/attestation-result";
import { expect, test } from "vitest";
import {
  banksOf,
  bootLog,
  bootTexts,
  claims,
  evidenceOf,
  madeTpm,
  nonce,
} from "../../../test/support/attestation-samples.ts";
import { MadeTpm } from "../../../test/support/made-quote.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import type { AppraisalContext } from "./appraise.ts";
import { appraise, clockAheadMax } from "./appraise.ts";
import type { ReferenceValues } from "./reference-values.ts";

const digestOf = (text: string) => toHex(nodeCrypto.sha256(utf8(text)));
const pcr7 = (texts: readonly string[]) =>
  toHex(banksOf(texts)[0]?.values[0]?.value ?? new Uint8Array());
const references: ReferenceValues = {
  digest: nodeCrypto.sha256(utf8("reference values")),
  pcrs: new Map([[7, new Set([pcr7(bootTexts)])]]),
  agentVersions: new Set(["0.1.0"]),
  ageMax: 600,
};
const context: AppraisalContext = {
  device: claims.device,
  attestationKey: madeTpm.attestationKey,
  isEndorsed: true,
  now: claims.issuedAt + 60,
  asked: { nonce, at: claims.issuedAt - 10 },
  appraiser: { developer: "Tamga", build: "0.1.0" },
};
const { asked: _, ...unasked } = context;
const { nonce: _nonce, ...unaskedClaims } = claims;

function judge(
  bytes: Uint8Array,
  changes: {
    readonly context?: Partial<AppraisalContext>;
    readonly references?: Partial<ReferenceValues>;
  } = {},
) {
  return appraise(nodeCrypto, bytes, {
    context: { ...context, ...changes.context },
    references: { ...references, ...changes.references },
  });
}
const codeOf = (judged: ReturnType<typeof judge>) => (judged.ok ? "ok" : judged.fault.code);
const judgeUnasked = (bytes: Uint8Array, changes: Partial<AppraisalContext> = {}) =>
  appraise(nodeCrypto, bytes, { context: { ...unasked, ...changes }, references });
const changed = (change: (evidence: Evidence) => Partial<Evidence>) => {
  const evidence = unwrap(parseEvidence(evidenceOf()));
  return encodeEvidence({ ...evidence, ...change(evidence) });
};

test("affirms the platform of an approved boot, and says nothing of the agent's own code", () => {
  const { result, findings, quote } = unwrap(judge(evidenceOf()));
  expect(findings).toEqual([]);
  expect(result.modules.platform).toEqual({
    "instance-identity": 2,
    hardware: 2,
    executables: 3,
  });
  expect(statusOf(result.modules.platform)).toBe("affirming");
  expect(statusOf(result.modules.agent)).toBe("none");
  expect(result.nonce).toEqual(nonce);
  expect(result.evidence).toEqual(nodeCrypto.sha256(evidenceOf()));
  expect(quote.streams).toEqual(claims.streams);
});

test("says nothing of hardware without a maker's word, or of what booted without values to hold it to", () => {
  const bare = { pcrs: new Map() };
  const judged = judge(evidenceOf(), { context: { isEndorsed: false }, references: bare });
  expect(unwrap(judged).result.modules.platform).toEqual({ "instance-identity": 2 });
});

test("refuses another nonce, none where one was asked for, and one that nobody asked for", () => {
  const other = { asked: { nonce: nonce.slice().reverse(), at: claims.issuedAt } };
  expect(codeOf(judge(evidenceOf(), { context: other }))).toBe("EVIDENCE_NONCE_WRONG");
  const without = evidenceOf({ claims: unaskedClaims });
  expect(codeOf(judge(without))).toBe("EVIDENCE_NONCE_MISSING");
  expect(codeOf(judgeUnasked(evidenceOf()))).toBe("EVIDENCE_NONCE_UNASKED");
  expect(codeOf(judgeUnasked(without))).toBe("ok");
});

test("refuses a quote that was appraised before", () => {
  const { quote } = unwrap(judge(evidenceOf()));
  expect(codeOf(judge(evidenceOf(), { context: { previous: quote } }))).toBe("QUOTE_REPLAYED");
  const later = evidenceOf({ clockInfo: { clock: 5_001n } });
  expect(codeOf(judge(later, { context: { previous: quote } }))).toBe("ok");
});

test("refuses a quote by another attestation key, and a signature that is wrong", () => {
  const other = evidenceOf({ tpm: new MadeTpm("another attestation key") });
  expect(codeOf(judge(other))).toBe("QUOTE_OTHER_KEY");
  const wrong = changed(({ quote }) => {
    const signature = quote.signature.slice();
    signature[40] = (signature[40] ?? 0) ^ 1;
    return { quote: { ...quote, signature } };
  });
  expect(codeOf(judge(wrong))).toBe("QUOTE_SIGNATURE_WRONG");
});

test("refuses a key that would sign what software puts together", () => {
  const area = unwrap(parseTpmPublic(madeTpm.attestationKey));
  const attributes = area.attributes & ~tpmAttributes.restricted;
  const attestationKey = encodeTpmPublic({ ...area, attributes });
  expect(codeOf(judge(evidenceOf(), { context: { attestationKey } }))).toBe(
    "QUOTE_KEY_NOT_RESTRICTED",
  );
});

test("refuses claims that the quote is not bound to, whichever was changed", () => {
  const digest = nodeCrypto.sha256(utf8("another"));
  for (const change of [
    { issuedAt: claims.issuedAt + 1 },
    { agentVersion: "0.2.0" },
    { bootId: new Uint8Array(16) },
    { eventLog: { length: 1, digest } },
    { checkpoint: { size: 13n, root: digest } },
    { streams: claims.streams.slice(1) },
  ])
    expect(codeOf(judge(changed(() => change)))).toBe("QUOTE_NOT_BOUND");
});

test("refuses values that were not quoted, in number and in content", () => {
  const other = banksOf(["another boot"]);
  expect(codeOf(judge(changed(() => ({ banks: other }))))).toBe("QUOTE_PCR_DIGEST_WRONG");
  expect(codeOf(judge(changed(() => ({ banks: [] }))))).toBe("QUOTE_PCR_DIGEST_WRONG");
});

test("refuses a bank that it has no values of, and a quote without a PCR that it has values of", () => {
  const { sha384 } = tpmAlgorithms;
  const banks = [{ hash: sha384, values: [{ index: 7, value: new Uint8Array(48) }] }];
  expect(codeOf(judge(evidenceOf({ banks })))).toBe("EVIDENCE_BANK_UNSUPPORTED");
  const more = { pcrs: new Map([[8, new Set([pcr7(bootTexts)])]]) };
  expect(judge(evidenceOf(), { references: more })).toMatchObject({
    fault: { code: "EVIDENCE_PCR_MISSING", pcr: 8 },
  });
});

test("refuses a clock or a count that went back, and an unsafe clock where nobody asked", () => {
  const of = (clockInfo: Parameters<typeof evidenceOf>[0]) =>
    evidenceOf({ claims: unaskedClaims, ...clockInfo });
  const { quote: previous } = unwrap(judgeUnasked(of({})));
  const code = (clockInfo: { clock?: bigint; resetCount?: number; safe?: boolean }) =>
    codeOf(judgeUnasked(of({ clockInfo }), { previous }));
  expect(code({ clock: 4_999n })).toBe("QUOTE_CLOCK_WENT_BACK");
  expect(code({ clock: 6_000n, resetCount: 2 })).toBe("QUOTE_CLOCK_WENT_BACK");
  expect(code({ clock: 4_999n, resetCount: 4 })).toBe("QUOTE_CLOCK_WENT_BACK");
  expect(code({ clock: 6_000n, safe: false })).toBe("QUOTE_CLOCK_UNSAFE");
  expect(code({ clock: 6_000n, resetCount: 4 })).toBe("ok");
  const restarted = unwrap(judgeUnasked(of({ clockInfo: { restartCount: 2 } })));
  const fewer = of({ clockInfo: { clock: 6_000n, restartCount: 1 } });
  expect(codeOf(judgeUnasked(fewer, { previous: restarted.quote }))).toBe("QUOTE_CLOCK_WENT_BACK");
  expect(codeOf(judge(evidenceOf({ clockInfo: { safe: false } })))).toBe("ok");
});

test("refuses evidence older than the policy, by the nonce's time or else by its own, or of the future", () => {
  const at = (now: number) => codeOf(judge(evidenceOf(), { context: { now } }));
  expect(at(claims.issuedAt - 10 + references.ageMax)).toBe("ok");
  expect(at(claims.issuedAt - 10 + references.ageMax + 1)).toBe("EVIDENCE_TOO_OLD");
  const bytes = evidenceOf({ claims: unaskedClaims });
  const alone = (now: number) => codeOf(judgeUnasked(bytes, { now }));
  expect(alone(claims.issuedAt + references.ageMax)).toBe("ok");
  expect(alone(claims.issuedAt + references.ageMax + 1)).toBe("EVIDENCE_TOO_OLD");
  expect(alone(claims.issuedAt - clockAheadMax)).toBe("ok");
  expect(alone(claims.issuedAt - clockAheadMax - 1)).toBe("EVIDENCE_FROM_FUTURE");
});

test("contraindicates a PCR that changed against the values, and warns of a version", () => {
  const other = evidenceOf({ banks: banksOf(["another boot"]) });
  const judged = unwrap(judge(other));
  expect(judged.findings).toEqual([{ code: "PCR_NOT_ALLOWED", pcr: 7 }]);
  expect(statusOf(judged.result.modules.platform)).toBe("contraindicated");
  const digests = unwrap(judge(evidenceOf(), { references: { pcrDigests: new Set(["00"]) } }));
  expect(digests.findings).toEqual([{ code: "PCR_DIGEST_NOT_ALLOWED" }]);
  const versions = unwrap(judge(evidenceOf(), { references: { agentVersions: new Set() } }));
  expect(versions.findings).toEqual([{ code: "AGENT_VERSION_NOT_ALLOWED" }]);
  expect(statusOf(versions.result.modules.agent)).toBe("warning");
  expect(statusOf(versions.result.modules.platform)).toBe("affirming");
});

test("holds the boot log to the PCRs, and its events to those that are allowed", () => {
  const events = new Set(bootTexts.map(digestOf));
  const withLog = (log: Uint8Array, allowed = events) =>
    judge(evidenceOf(), { context: { log }, references: { events: allowed } });
  expect(unwrap(withLog(bootLog(bootTexts))).findings).toEqual([]);
  expect(codeOf(judge(evidenceOf(), { references: { events } }))).toBe("EVENT_LOG_MISSING");
  expect(codeOf(withLog(bootLog(["another"])))).toBe("EVENT_LOG_OTHER");
  const fewer = unwrap(withLog(bootLog(bootTexts), new Set(bootTexts.slice(1).map(digestOf))));
  const digest = digestOf(bootTexts[0] ?? "");
  expect(fewer.findings).toEqual([{ code: "EVENT_NOT_ALLOWED", pcr: 7, digest }]);
  expect(statusOf(fewer.result.modules.platform)).toBe("contraindicated");
});

test("refuses a boot log that does not replay to the PCRs, or that cannot be read", () => {
  const judgeLog = (log: Uint8Array) => {
    const eventLog = { length: log.length, digest: nodeCrypto.sha256(log) };
    return judge(evidenceOf({ claims: { ...claims, eventLog } }), { context: { log } });
  };
  expect(judgeLog(bootLog(["another boot"]))).toMatchObject({
    fault: { code: "EVENT_LOG_NOT_OF_PCRS", pcr: 7 },
  });
  expect(codeOf(judgeLog(utf8("no log")))).toBe("EVENT_LOG_MALFORMED");
});

test("refuses another device, and structures that are none", () => {
  expect(codeOf(judge(evidenceOf(), { context: { device: "another" } }))).toBe(
    "EVIDENCE_OTHER_DEVICE",
  );
  const attest = changed(({ quote }) => ({ quote: { ...quote, attest: utf8("x") } }));
  const signature = changed(({ quote }) => ({ quote: { ...quote, signature: utf8("x") } }));
  const key = { attestationKey: utf8("x") };
  for (const [judged, part] of [
    [judge(attest), "attest"],
    [judge(signature), "signature"],
    [judge(evidenceOf(), { context: key }), "key"],
  ] as const)
    expect(judged).toMatchObject({ fault: { code: "QUOTE_MALFORMED", part } });
});
