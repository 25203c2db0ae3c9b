import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  anyBlock,
  anyCertificate,
  anyHeader,
  messagesByType,
} from "../../../test/support/consensus-arbitraries.ts";
import { messageSamples } from "../../../test/support/consensus-messages.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { equal } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { encodeCertificate, parseCertificateBytes } from "./ballot-codec.ts";
import { encodeBlock, encodeHeader, parseBlock, parseHeader } from "./block.ts";
import { encodeMessage, messageVersion, parseMessage } from "./message-codec.ts";

const samples = Object.entries(messageSamples);

describe("every message", () => {
  test.each(Object.entries(messagesByType))("%s comes back as it was", (_type, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(unwrap(parseMessage(encodeMessage(message)))).toEqual(message);
      }),
      { numRuns: 60 },
    );
  });

  test.each(samples)("sample %s comes back as it was", (_name, message) => {
    expect(unwrap(parseMessage(encodeMessage(message)))).toEqual(message);
  });

  test.each(samples)(
    "%s: any changed byte gives a fault or another message of one form, and never throws",
    (_name, message) => {
      const bytes = encodeMessage(message);
      // Long ones are mostly signatures and digests: a stride still meets every head over all samples.
      const stride = Math.max(1, Math.floor(bytes.length / 500));
      for (let at = 0; at < bytes.length; at += stride)
        for (const flip of [0x01, 0x20, 0x80, 0xff]) {
          const changed = bytes.slice();
          changed[at] = (changed[at] ?? 0) ^ flip;
          const parsed = parseMessage(changed);
          if (parsed.ok && !equal(encodeMessage(parsed.value), changed))
            throw new Error(`byte ${at} ^ ${flip} has a second form`);
        }
    },
  );

  test.each(samples)("%s: no prefix of it parses, and nothing follows it", (_name, message) => {
    const bytes = encodeMessage(message);
    const stride = Math.max(1, Math.floor(bytes.length / 200));
    for (let length = 0; length < bytes.length; length += stride)
      expect(parseMessage(bytes.subarray(0, length)).ok).toBe(false);
    expect(parseMessage(Uint8Array.of(...bytes, 0)).ok).toBe(false);
  });

  test("arbitrary bytes and arbitrary values give a fault, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(parseMessage(bytes).ok).toBe(false);
      }),
    );
    const leaf = fc.oneof(fc.nat(), fc.string(), fc.constant(null), fc.uint8Array(), fc.boolean());
    const value = fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 4 })), { maxLength: 9 });
    fc.assert(
      fc.property(fc.nat(15), value, (type, fields) => {
        const bytes = encodeCbor([messageVersion, type, fields]);
        const parsed = parseMessage(bytes);
        if (parsed.ok) expect(encodeMessage(parsed.value)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe("parseMessage refuses", () => {
  const faultOf = (bytes: Uint8Array) => {
    const parsed = parseMessage(bytes);
    return parsed.ok ? "none" : parsed.fault;
  };
  const wrong = (...outer: Parameters<typeof encodeCbor>) => faultOf(encodeCbor(...outer));

  test("another version by name, whatever is in it", () => {
    expect(wrong([2, 1, []])).toEqual({ code: "MESSAGE_OTHER_VERSION", version: 2 });
    expect(wrong([0, 99, ["anything"]])).toEqual({ code: "MESSAGE_OTHER_VERSION", version: 0 });
  });

  test("an unknown type by name", () => {
    for (const type of [0, 21, 1_000])
      expect(wrong([1, type, []])).toEqual({ code: "MESSAGE_TYPE_UNKNOWN", type });
  });

  test("what is no message at all", () => {
    expect(wrong(7)).toMatchObject({ code: "FIELD_BAD" });
    expect(wrong([])).toMatchObject({ code: "FIELD_MISSING", field: "0" });
    expect(wrong([1])).toMatchObject({ code: "FIELD_MISSING", field: "1" });
    expect(wrong([1, 5])).toMatchObject({ code: "FIELD_MISSING", field: "2" });
    expect(wrong([1, "5", [1]])).toMatchObject({ code: "FIELD_BAD", field: "1" });
    expect(wrong([1, 5, [1], 4])).toMatchObject({ code: "FIELD_UNKNOWN", field: "3" });
    expect(wrong([1, 5, [1, 2]])).toMatchObject({ code: "FIELD_UNKNOWN" });
    expect(faultOf(new Uint8Array())).toEqual({ code: "CBOR_MALFORMED" });
  });

  test("a ballot of kind 0, and a NULLIFY with a digest", () => {
    const vote = (ballot: readonly number[]) => [1, 2, [0, [ballot, 0, new Uint8Array(64)]]];
    expect(wrong(vote([2, 7]))).toBe("none");
    expect(wrong(vote([0, 7]))).toMatchObject({ code: "FIELD_BAD" });
    expect(wrong(vote([2, 7, 6]))).toMatchObject({ code: "FIELD_UNKNOWN" });
    expect(wrong(vote([4, 7]))).toMatchObject({ code: "FIELD_BAD" });
  });

  test("a certificate that is no nullification among a proposal's nullifications", () => {
    const propose = messageSamples["propose, on a notarization over a skipped view"];
    if (propose?.type !== "propose" || propose.parent === undefined) throw new Error("sample");
    const fields = { ...propose, nullifications: [] };
    const bytes = encodeMessage(fields);
    // The last item is the empty list: one item in its place.
    const certificate = encodeCertificate(propose.parent);
    const changed = Uint8Array.of(...bytes.subarray(0, -1), 0x81, ...certificate);
    expect(faultOf(changed)).toMatchObject({ code: "FIELD_BAD" });
  });
});

describe("what is stored by itself", () => {
  test("headers, blocks and certificates come back as they were", () => {
    fc.assert(
      fc.property(anyHeader, anyBlock, anyCertificate, (header, block, certificate) => {
        expect(unwrap(parseHeader(encodeHeader(header)))).toEqual(header);
        expect(unwrap(parseBlock(encodeBlock(block), 1_000_000))).toEqual(block);
        expect(unwrap(parseCertificateBytes(encodeCertificate(certificate)))).toEqual(certificate);
      }),
      { numRuns: 50 },
    );
  });

  test("nothing else parses as one, and nothing throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(parseHeader(bytes).ok).toBe(false);
        expect(parseBlock(bytes, 100).ok).toBe(false);
        expect(parseCertificateBytes(bytes).ok).toBe(false);
      }),
    );
    const empty = encodeCbor([]);
    expect(parseHeader(encodeCbor(new Map())).ok).toBe(false);
    expect(parseBlock(empty, 100).ok).toBe(false);
    expect(parseCertificateBytes(empty).ok).toBe(false);
  });
});
