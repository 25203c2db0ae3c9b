/** Evidence and results: read as written, each limit reached, each change noticed, and nothing thrown. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  banksOf,
  bootTexts,
  claims,
  evidenceOf,
  gatewayKey,
  result,
  signedResult,
} from "../../../test/support/attestation-samples.ts";
import { fixedKey } from "../../../test/support/fixed-key.ts";
import { flippedWithin } from "../../../test/support/made-quote.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { utf8 } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { encodeEvidence, evidenceType, parseEvidence } from "./attestation-evidence.ts";
import { resultProfile, statusOf, tierOf, verifyResult } from "./attestation-result.ts";
import { encodeSign1, parseSign1 } from "./cose.ts";
import * as limits from "./limits.ts";

const evidence = unwrap(parseEvidence(evidenceOf()));
const codeOf = (parsed: { ok: true } | { ok: false; fault: { code: string } }) =>
  parsed.ok ? "ok" : parsed.fault.code;
const codeOfEvidence = (changes: Partial<typeof evidence>) =>
  codeOf(parseEvidence(encodeEvidence({ ...evidence, ...changes })));
const verify = (bytes: Uint8Array, key = gatewayKey.publicKey) =>
  verifyResult(nodeCrypto, key, bytes);

describe("evidence", () => {
  test("is read as it was written, with and without what may be absent", () => {
    expect(evidence).toMatchObject({ ...claims, banks: banksOf(bootTexts) });
    const { nonce: _n, eventLog: _e, checkpoint: _c, ...least } = evidence;
    expect(parseEvidence(encodeEvidence(least))).toEqual({ ok: true, value: least });
  });

  test("keeps to its limits", () => {
    const [head] = claims.streams;
    const [bank] = evidence.banks;
    if (head === undefined || bank === undefined) throw new Error("a stream and a bank");
    const { tpmStructureBytesMax: structureMax } = limits;
    const { quote } = evidence;
    const cases = [
      [limits.streamHeadsMax, (count: number) => ({ streams: new Array(count).fill(head) })],
      [limits.pcrBanksPerEvidenceMax, (count: number) => ({ banks: new Array(count).fill(bank) })],
      [limits.attestationNonceBytesMax, (count: number) => ({ nonce: new Uint8Array(count) })],
      [structureMax, (n: number) => ({ quote: { ...quote, attest: new Uint8Array(n) } })],
      [structureMax, (n: number) => ({ quote: { ...quote, signature: new Uint8Array(n) } })],
    ] as const;
    for (const [limit, change] of cases) {
      expect(codeOfEvidence(change(limit))).toBe("ok");
      expect(codeOfEvidence(change(limit + 1))).toBe("FIELD_TOO_LONG");
    }
    expect(codeOfEvidence({ nonce: new Uint8Array(7) })).toBe("FIELD_BAD");
    expect(codeOf(parseEvidence(new Uint8Array(limits.evidenceBytesMax)))).toBe("CBOR_MALFORMED");
    expect(codeOf(parseEvidence(new Uint8Array(limits.evidenceBytesMax + 1)))).toBe(
      "CBOR_TOO_LONG",
    );
  });

  test("has a SHA-1 bank nowhere, and PCRs in ascending order", () => {
    const value = new Uint8Array(20);
    expect(codeOfEvidence({ banks: [{ hash: 4, values: [{ index: 0, value }] }] })).toBe(
      "FIELD_BAD",
    );
    const values = [7, 7].map((index) => ({ index, value: new Uint8Array(32) }));
    expect(codeOfEvidence({ banks: [{ hash: 11, values }] })).toBe("FIELD_BAD");
  });

  test("of an unknown version or type is refused by name", () => {
    const of = (type: string) => codeOf(parseEvidence(encodeCbor([type, new Uint8Array(), 4])));
    expect(of(evidenceType.replace("evidence/1", "evidence/2"))).toBe("EVIDENCE_VERSION_UNKNOWN");
    expect(of("application/eat+cwt")).toBe("EVIDENCE_TYPE_UNKNOWN");
  });
});

describe("a result", () => {
  test("is read as it was written, its vectors whole", () => {
    const read = unwrap(verify(signedResult()));
    expect(read).toMatchObject(result);
    expect(read.modules.agent).toMatchObject({ executables: 0, configuration: 0 });
  });

  test("that was tampered with has a wrong signature", () => {
    const bytes = signedResult();
    for (const part of [utf8("meter-box-1"), result.evidence, result.nonce ?? new Uint8Array()])
      expect(codeOf(verify(flippedWithin(bytes, part)))).toBe("RESULT_SIGNATURE_WRONG");
    const part = unwrap(parseSign1(bytes));
    const cut = encodeSign1({ ...part, signature: part.signature.subarray(1) });
    expect(codeOf(verify(cut))).toBe("RESULT_SIGNATURE_WRONG");
  });

  test("by another key, of an unknown version or type is refused by name", () => {
    const other = fixedKey("ES256", "another gateway").publicKey;
    expect(codeOf(verify(signedResult(), other))).toBe("RESULT_KEY_MISMATCH");
    const part = unwrap(parseSign1(signedResult()));
    const withType = (type: string) => {
      const header = new Map<number, number | string | Uint8Array>([
        [1, -7],
        [4, new Uint8Array(32)],
        [16, type],
      ]);
      return codeOf(verify(encodeSign1({ ...part, protectedBytes: encodeCbor(header) })));
    };
    expect(
      withType(`application/eat+cwt; eat_profile="${resultProfile.replace("05", "99")}"`),
    ).toBe("RESULT_VERSION_UNKNOWN");
    expect(withType("application/eat+cwt")).toBe("RESULT_TYPE_UNKNOWN");
    expect(codeOf(verify(new Uint8Array(limits.attestationResultBytesMax + 1)))).toBe(
      "CBOR_TOO_LONG",
    );
    expect(codeOf(verify(new Uint8Array(limits.attestationResultBytesMax)))).toBe("CBOR_MALFORMED");
  });

  test("has the worst tier of its claims as status", () => {
    expect([0, 1, -1, 2, 31, -2, 32, 95, -33, 96, 127, -128].map(tierOf)).toEqual([
      ...["none", "none", "none", "affirming", "affirming", "affirming"],
      ...["warning", "warning", "warning", "contraindicated", "contraindicated", "contraindicated"],
    ]);
    expect(statusOf({})).toBe("none");
    expect(statusOf({ hardware: 2, configuration: 32 })).toBe("warning");
  });
});

test("parsers throw on no bytes at all", () => {
  const samples = [evidenceOf(), signedResult()];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(), (noise, at) => {
      for (const sample of samples) {
        const bytes = sample.slice();
        bytes.set(noise.subarray(0, 8), at % (bytes.length - 8));
        for (const input of [bytes, noise, sample.subarray(0, at % sample.length)]) {
          expect(typeof parseEvidence(input).ok).toBe("boolean");
          expect(typeof verify(input).ok).toBe("boolean");
        }
      }
    }),
    { numRuns: 200 },
  );
});
