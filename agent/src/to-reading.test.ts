/** From a driver's frame to the bytes that are hashed, and what is refused on the way. */

import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { readingBytesMax } from "@tamga/ledger-core/wire/limits";
import { parseReading } from "@tamga/ledger-core/wire/reading";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DecodedFrame, Register, Tag } from "./driver.ts";
import type { ReadingContext } from "./to-reading.ts";
import { formatObis, parseObis, toReading } from "./to-reading.ts";

const stream = parseIdentifier("main-meter");
if (!stream.ok) throw new Error("identifier");
const context: ReadingContext = {
  stream: stream.value,
  emulated: true,
  receiveTime: unixMillis(1_750_000_000_000),
  monotonic: monotonicMillis(12_345),
  clock: "ntp",
};
const register: Register = {
  obis: "1-0:1.8.0*255",
  value: {
    quantity: { mantissa: 5_430_157_700n, scaler: -3, unit: 30 },
    exponent: 3,
    unitText: "kWh",
  },
};
const tag: Tag = { scheme: "iso11784", hex: "8000F8C36A8CA2B1", uri: "urn:x:1", rssi: -61.4 };

function frameOf(part: Partial<DecodedFrame>): DecodedFrame {
  return {
    protocol: "dsmr-p1",
    source: { id: "E0043007052870318", maker: "KFM" },
    captureTime: { at: unixMillis(1_749_999_999_000), offsetMinutes: 120, quality: "valid" },
    frame: new Uint8Array([1, 2, 3]),
    frameStatus: { checksum: "ok", decrypted: false, authenticated: false },
    registers: [register],
    tags: [],
    ...part,
  };
}

const read = (part: Partial<DecodedFrame>) => toReading(nodeCrypto.sha256, frameOf(part), context);
const code = (part: Partial<DecodedFrame>) => {
  const result = read(part);
  return result.ok ? "" : result.fault.code;
};

describe("toReading", () => {
  it("gives bytes that parse to the same reading", () => {
    const captureTime = {
      at: context.receiveTime,
      offsetMinutes: -60,
      quality: "doubtful",
    } as const;
    const registers = [register, { name: "v", value: { text: "x" }, status: 3, captureTime }];
    const result = read({
      registers,
      tags: [{ ...tag, antenna: 2, count: 9, firstSeen: context.receiveTime }],
      frameStatus: { checksum: "ok", decrypted: true, authenticated: true, invocationCounter: 7 },
    });
    if (!result.ok) throw new Error(result.fault.code);
    expect(parseReading(result.value.bytes)).toEqual({ ok: true, value: result.value.reading });
    expect(result.value.reading.registers?.[0]?.key).toEqual({
      obis: Uint8Array.of(1, 0, 1, 8, 0, 255),
    });
    expect(result.value.reading.tags?.[0]).toMatchObject({
      rssi: -61,
      bits: Uint8Array.of(0x80, 0, 0xf8, 0xc3, 0x6a, 0x8c, 0xa2, 0xb1),
    });
    expect(result.value.reading.source.emulated).toBe(true);
    expect(result.value.reading.frameDigest).toEqual(nodeCrypto.sha256(Uint8Array.of(1, 2, 3)));
  });

  it("refuses what the wire would refuse, by code", () => {
    const text = (value: string): Register => ({ name: "t", value: { text: value } });
    expect(code({ registers: [] })).toBe("READING_EMPTY");
    expect(code({ registers: new Array(257).fill(register) })).toBe("READING_TOO_MANY_REGISTERS");
    expect(code({ tags: new Array(257).fill(tag) })).toBe("READING_TOO_MANY_TAGS");
    expect(code({ registers: [text("é".repeat(513))] })).toBe("READING_TEXT_TOO_LONG");
    expect(code({ registers: [text("é".repeat(512))] })).toBe("");
    expect(code({ registers: [{ ...register, obis: "1-0:1.8.0" }] })).toBe("READING_BAD_OBIS");
    expect(code({ registers: [{ ...register, status: -1 }] })).toBe("READING_OUT_OF_RANGE");
    expect(code({ tags: [{ ...tag, hex: "0" }] })).toBe("READING_BAD_TAG");
    expect(code({ tags: [{ ...tag, hex: "00".repeat(65) }] })).toBe("READING_BAD_TAG");
    expect(code({ tags: [{ ...tag, antenna: 65_536 }] })).toBe("READING_OUT_OF_RANGE");
  });

  it("takes a reading of exactly the limit and none longer", () => {
    const textsOf = (last: number) =>
      Array.from({ length: 8 }, (_, i) => ({
        name: "t",
        value: { text: "x".repeat(i < 7 ? 1_000 : last) },
      }));
    const sizes = Array.from({ length: 1_024 }, (_, last) =>
      read({ registers: textsOf(last + 1) }),
    );
    const lengths = sizes.flatMap((result) => (result.ok ? [result.value.bytes.length] : []));
    expect(Math.max(...lengths)).toBe(readingBytesMax);
    expect(sizes.find((result) => !result.ok)).toEqual({
      ok: false,
      fault: { code: "READING_TOO_LONG", bytes: readingBytesMax + 1, limit: readingBytesMax },
    });
  });

  it("gives nothing that the wire's parser refuses", () => {
    const anyRegister = fc.record(
      {
        obis: fc.oneof(fc.constant("1-0:1.8.0*255"), fc.string()),
        status: fc.oneof(fc.integer(), fc.double()),
        value: fc.oneof(
          fc.record({ text: fc.string({ maxLength: 1_100 }) }),
          fc.record({
            quantity: fc.record({
              mantissa: fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }),
              scaler: fc.integer({ min: -200, max: 200 }),
              unit: fc.constantFrom(30 as const, 255 as const),
            }),
            exponent: fc.constant(0),
            unitText: fc.constant(""),
          }),
        ),
      },
      { requiredKeys: ["value"] },
    );
    fc.assert(
      fc.property(fc.array(anyRegister, { maxLength: 12 }), (registers) => {
        const result = read({ registers });
        if (result.ok) expect(parseReading(result.value.bytes).ok).toBe(true);
        else expect(result.fault.code).toMatch(/^READING_/);
      }),
    );
  });
});

describe("OBIS codes", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (obis) => {
        expect(parseObis(formatObis(obis))).toEqual(obis);
      }),
    );
    for (const bad of ["", "1-0:1.8.0", "256-0:1.8.0*255", "1-0:1.8.0*255 ", "a-0:1.8.0*255"])
      expect(parseObis(bad)).toBeUndefined();
  });
});
