/** Transactions go there and back, and stop at their limits. */

import { describe, expect, it } from "vitest";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { certificateBytesMax, pathLengthMax, statementBytesMax, validatorsMax } from "./limits.ts";
import type { Transaction } from "./transaction.ts";
import { encodeTransaction, parseTransaction, transactionBytesMax } from "./transaction.ts";

const hash = mint<Digest>(new Uint8Array(32).fill(7));
const largest: Transaction = {
  statement: new Uint8Array(statementBytesMax),
  consistency: new Array<Digest>(pathLengthMax + 1).fill(hash),
  certificates: new Array<Uint8Array>(validatorsMax).fill(new Uint8Array(certificateBytesMax)),
};

describe("a transaction", () => {
  it("comes back as it was, also when everything in it is as large as it may be", () => {
    const small = { statement: Uint8Array.of(1), consistency: [], certificates: [] };
    for (const transaction of [small, largest]) {
      const bytes = encodeTransaction(transaction);
      expect(bytes.length).toBeLessThanOrEqual(transactionBytesMax);
      expect(parseTransaction(bytes)).toEqual({ ok: true, value: transaction });
    }
  });

  const beyond = [
    ["0", { ...largest, statement: new Uint8Array(statementBytesMax + 1), certificates: [] }],
    ["1", { ...largest, consistency: [...largest.consistency, hash], certificates: [] }],
    [
      "2",
      {
        ...largest,
        statement: new Uint8Array(0),
        certificates: new Array<Uint8Array>(validatorsMax + 1).fill(new Uint8Array(1)),
      },
    ],
    ["2.0.0", { ...largest, certificates: [new Uint8Array(certificateBytesMax + 1)] }],
  ] as const;
  it.each(beyond)("refuses field %s one beyond its limit", (field, transaction) => {
    const parsed = parseTransaction(encodeTransaction(transaction));
    expect(parsed).toEqual({ ok: false, fault: { code: "FIELD_TOO_LONG", field } });
  });

  it("refuses other shapes and too many bytes", () => {
    const codeOf = (bytes: Uint8Array) => {
      const parsed = parseTransaction(bytes);
      return parsed.ok ? "OK" : parsed.fault.code;
    };
    expect(codeOf(encodeCbor([new Uint8Array(1), []]))).toBe("FIELD_MISSING");
    expect(codeOf(encodeCbor([new Uint8Array(1), [], [], 0]))).toBe("FIELD_BAD");
    const approved = [new Uint8Array(1), [], [], [[new Uint8Array(1), []]]];
    expect(codeOf(encodeCbor(approved))).toBe("OK");
    expect(codeOf(encodeCbor([...approved, 0]))).toBe("FIELD_UNKNOWN");
    expect(codeOf(new Uint8Array(transactionBytesMax + 1))).toBe("CBOR_TOO_LONG");
    expect(codeOf(Uint8Array.of(0x9f))).toBe("CBOR_MALFORMED");
  });
});
