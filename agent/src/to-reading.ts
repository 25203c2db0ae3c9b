/** Makes the wire's reading of what a driver decoded; what does not fit is a fault, never dropped. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { MonotonicMillis, UnixMillis } from "@tamga/ledger-core/base/time";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import {
  readingBytesMax,
  registersPerReadingMax,
  tagsPerReadingMax,
  textBytesMax,
} from "@tamga/ledger-core/wire/limits";
import type {
  ClockQuality,
  Reading,
  RegisterValue,
  TagObservation,
  CaptureTime as WireCaptureTime,
} from "@tamga/ledger-core/wire/reading";
import { encodeReading } from "@tamga/ledger-core/wire/reading";
import type { CaptureTime, DecodedFrame, Register, Tag } from "./driver.ts";

/** What the agent knows of a frame besides its bytes. */
export type ReadingContext = {
  readonly stream: Identifier;
  readonly emulated: boolean;
  readonly receiveTime: UnixMillis;
  readonly monotonic: MonotonicMillis;
  readonly clock: ClockQuality;
};

/** `bytes` is what is hashed, at most `readingBytesMax` of it. */
export type EncodedReading = { readonly reading: Reading; readonly bytes: Uint8Array };

/** `field` is a path such as `registers.3.obis`. */
export type ToReadingFault =
  | { readonly code: "READING_TOO_LONG"; readonly bytes: number; readonly limit: number }
  | { readonly code: "READING_TOO_MANY_REGISTERS"; readonly count: number; readonly limit: number }
  | { readonly code: "READING_TOO_MANY_TAGS"; readonly count: number; readonly limit: number }
  | { readonly code: "READING_EMPTY" }
  | { readonly code: "READING_TEXT_TOO_LONG"; readonly field: string; readonly limit: number }
  | { readonly code: "READING_BAD_OBIS"; readonly field: string }
  | { readonly code: "READING_BAD_TAG"; readonly field: string }
  | { readonly code: "READING_OUT_OF_RANGE"; readonly field: string };

/**
 * A frame is one reading, whatever the number of its registers. Faults: READING_* above; the caller
 * counts and shows them, since a frame that cannot be signed is a loss.
 */
export function toReading(
  sha256: (bytes: Uint8Array) => Digest,
  frame: DecodedFrame,
  context: ReadingContext,
): Result<EncodedReading, ToReadingFault> {
  const { registers, tags } = frame;
  if (registers.length > registersPerReadingMax) {
    const limit = registersPerReadingMax;
    return err({ code: "READING_TOO_MANY_REGISTERS", count: registers.length, limit });
  }
  if (tags.length > tagsPerReadingMax) {
    return err({ code: "READING_TOO_MANY_TAGS", count: tags.length, limit: tagsPerReadingMax });
  }
  if (registers.length + tags.length === 0) return err({ code: "READING_EMPTY" });
  const fields = new FieldWriter();
  const { invocationCounter, ...frameStatus } = frame.frameStatus;
  const reading: Reading = {
    source: {
      stream: context.stream,
      protocol: frame.protocol,
      id: fields.text(frame.source.id, "source.id"),
      maker: fields.text(frame.source.maker, "source.maker"),
      emulated: context.emulated,
    },
    clock: context.clock,
    frameStatus: {
      ...frameStatus,
      ...(invocationCounter === undefined
        ? {}
        : { invocationCounter: fields.counter(invocationCounter, "frameStatus") }),
    },
    ...(registers.length === 0
      ? {}
      : { registers: registers.map((r, i) => registerOf(fields, r, `registers.${i}`)) }),
    ...(tags.length === 0 ? {} : { tags: tags.map((t, i) => tagOf(fields, t, `tags.${i}`)) }),
    ...(frame.captureTime === null
      ? {}
      : { captureTime: captureTimeOf(fields, frame.captureTime, "captureTime") }),
    receiveTime: context.receiveTime,
    monotonic: context.monotonic,
    frameDigest: sha256(frame.frame),
  };
  if (fields.fault !== undefined) return err(fields.fault);
  const bytes = encodeReading(reading);
  if (bytes.length > readingBytesMax) {
    return err({ code: "READING_TOO_LONG", bytes: bytes.length, limit: readingBytesMax });
  }
  return ok({ reading, bytes });
}

/** The six bytes of `A-B:C.D.E*F`, each 0 … 255; undefined for any other text. */
export function parseObis(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})\*(\d{1,3})$/.exec(text);
  const values = match?.slice(1).map(Number);
  if (values === undefined || values.some((value) => value > 255)) return undefined;
  return Uint8Array.from(values);
}

/** `A-B:C.D.E*F` of six bytes (IEC 62056-6-1). */
export function formatObis(obis: Uint8Array): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = obis;
  return `${a}-${b}:${c}.${d}.${e}*${f}`;
}

function registerOf(fields: FieldWriter, register: Register, path: string): RegisterValue {
  const { obis, name, value, status, captureTime } = register;
  return {
    key:
      obis === undefined
        ? { name: fields.text(name ?? "", `${path}.name`) }
        : { obis: fields.obis(obis, `${path}.obis`) },
    value:
      "text" in value
        ? { text: fields.text(value.text, `${path}.value`) }
        : {
            quantity: {
              mantissa: fields.signed(value.quantity.mantissa, `${path}.value`),
              scaler: fields.integer(value.quantity.scaler, [-128, 127], `${path}.value`),
              unit: value.quantity.unit,
            },
          },
    ...(status === undefined ? {} : { status: fields.counter(status, `${path}.status`) }),
    ...(captureTime === undefined
      ? {}
      : { captureTime: captureTimeOf(fields, captureTime, `${path}.captureTime`) }),
  };
}

function tagOf(fields: FieldWriter, tag: Tag, path: string): TagObservation {
  const { antenna, rssi, firstSeen, lastSeen, count } = tag;
  return {
    scheme: tag.scheme,
    bits: fields.bits(tag.hex, `${path}.hex`),
    uri: fields.text(tag.uri, `${path}.uri`),
    ...(antenna === undefined
      ? {}
      : { antenna: fields.integer(antenna, [0, 65_535], `${path}.antenna`) }),
    // Readers state tenths of a decibel; the signed form has whole ones.
    ...(rssi === undefined
      ? {}
      : { rssi: fields.integer(Math.round(rssi), [-128, 127], `${path}.rssi`) }),
    ...(firstSeen === undefined ? {} : { firstSeen }),
    ...(lastSeen === undefined ? {} : { lastSeen }),
    ...(count === undefined
      ? {}
      : { count: fields.integer(count, [0, 4_294_967_295], `${path}.count`) }),
  };
}

function captureTimeOf(fields: FieldWriter, time: CaptureTime, path: string): WireCaptureTime {
  return { ...time, offsetMinutes: fields.integer(time.offsetMinutes, [-1_440, 1_440], path) };
}

/** Bytes of a tag's identity that a reading holds (WIRE.md §4). */
const tagBytesMax = 64;

/** Passes values through and keeps the first fault, as the wire's reader does the other way. */
class FieldWriter {
  fault: ToReadingFault | undefined;

  text(text: string, field: string): string {
    if (utf8(text).length > textBytesMax) {
      this.fault ??= { code: "READING_TEXT_TOO_LONG", field, limit: textBytesMax };
    }
    return text;
  }

  obis(text: string, field: string): Uint8Array {
    const obis = parseObis(text);
    if (obis === undefined) this.fault ??= { code: "READING_BAD_OBIS", field };
    return obis ?? new Uint8Array(6);
  }

  bits(hex: string, field: string): Uint8Array {
    const bits = fromHex(hex);
    if (bits === undefined || bits.length === 0 || bits.length > tagBytesMax) {
      this.fault ??= { code: "READING_BAD_TAG", field };
    }
    return bits ?? new Uint8Array();
  }

  integer(value: number, [min, max]: readonly [number, number], field: string): number {
    if (!Number.isInteger(value) || value < min || value > max) this.#outOfRange(field);
    return Object.is(value, -0) ? 0 : value;
  }

  counter(value: number, field: string): bigint {
    if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
    this.#outOfRange(field);
    return 0n;
  }

  signed(value: bigint, field: string): bigint {
    if (BigInt.asIntN(64, value) !== value) this.#outOfRange(field);
    return value;
  }

  #outOfRange(field: string): void {
    this.fault ??= { code: "READING_OUT_OF_RANGE", field };
  }
}
