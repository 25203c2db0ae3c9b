/** The reading: what one frame of a meter or reader said, in the form that is hashed (WIRE.md §4). */

import type { Digest } from "../base/bytes.ts";
import type { CborFault, CborMap, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import { monotonicMillis } from "../base/time.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import {
  filesPerReadingMax,
  readingBytesMax,
  registersPerReadingMax,
  tagsPerReadingMax,
} from "./limits.ts";
import type { DlmsUnit, Quantity } from "./quantity.ts";
import { dlmsUnits } from "./quantity.ts";

export const clockQualities = ["unsynchronised", "rtc", "ntp", "gnss"] as const;
export const captureQualities = ["unknown", "valid", "doubtful"] as const;
export const tagSchemes = ["epc", "iso11784", "em4100", "nfc-uid"] as const;
export const checksumStates = ["absent", "ok"] as const;

export type ClockQuality = (typeof clockQualities)[number];
export type TagScheme = (typeof tagSchemes)[number];

/** Where a reading comes from. `id` and `maker` are as the frame gave them, "" where it gave none. */
export type ReadingSource = {
  readonly stream: Identifier;
  readonly protocol: string;
  readonly id: string;
  /** FLAG manufacturer id (IEC 62056-21 §6.3.2), or "". */
  readonly maker: string;
  /** True when the operator declares the source an emulator or a fake. */
  readonly emulated: boolean;
};

/** Time that the device states, with its offset from UTC in minutes, east positive. */
export type CaptureTime = {
  readonly at: UnixMillis;
  readonly offsetMinutes: number;
  readonly quality: (typeof captureQualities)[number];
};

export type FrameStatus = {
  readonly checksum: (typeof checksumStates)[number];
  readonly decrypted: boolean;
  readonly authenticated: boolean;
  readonly invocationCounter?: bigint;
};

/** A COSEM register: OBIS code as its six bytes A–F, or a name where the protocol has no code. */
export type RegisterValue = {
  readonly key: { readonly obis: Uint8Array } | { readonly name: string };
  readonly value: { readonly quantity: Quantity } | { readonly text: string };
  readonly status?: bigint;
  readonly captureTime?: CaptureTime;
};

/** Sightings of one RFID tag; `bits` is the raw identity, `rssi` the peak in dBm. */
export type TagObservation = {
  readonly scheme: TagScheme;
  readonly bits: Uint8Array;
  readonly uri: string;
  readonly antenna?: number;
  readonly rssi?: number;
  readonly firstSeen?: UnixMillis;
  readonly lastSeen?: UnixMillis;
  readonly count?: number;
  readonly readPoint?: string;
};

/** An EPCIS 2.0 event's what, why and where, in its vocabulary. */
export type EpcisEvent = {
  readonly bizStep: string;
  readonly disposition: string;
  readonly bizLocation: string;
  readonly epcs: readonly string[];
};

/** The fingerprint of a photo or document. */
export type FileDigest = {
  readonly name: string;
  readonly mediaType: string;
  readonly size: bigint;
  readonly digest: Digest;
};

export type Reading = {
  readonly source: ReadingSource;
  readonly clock: ClockQuality;
  readonly frameStatus: FrameStatus;
  readonly registers?: readonly RegisterValue[];
  readonly tags?: readonly TagObservation[];
  readonly event?: EpcisEvent;
  readonly files?: readonly FileDigest[];
  readonly captureTime?: CaptureTime;
  readonly receiveTime: UnixMillis;
  /** Milliseconds of the agent's monotonic clock within the boot that the bundle names. */
  readonly monotonic: MonotonicMillis;
  /** SHA-256 of the raw frame. */
  readonly frameDigest: Digest;
};

export type ReadingFault = CborFault | FieldFault;

/** Fields that repeat from reading to reading come first: a body then compresses best. */
export function encodeReading(reading: Reading): Uint8Array {
  const { source, frameStatus } = reading;
  const fields = new Map<number, CborValue>([
    [1, encodeSource(source)],
    [2, clockQualities.indexOf(reading.clock)],
    [
      3,
      [
        checksumStates.indexOf(frameStatus.checksum),
        frameStatus.decrypted,
        frameStatus.authenticated,
        frameStatus.invocationCounter ?? null,
      ],
    ],
    [9, reading.receiveTime],
    [10, reading.monotonic],
    [11, reading.frameDigest],
  ]);
  if (reading.registers !== undefined) fields.set(4, reading.registers.map(encodeRegister));
  if (reading.tags !== undefined) fields.set(5, reading.tags.map(encodeTag));
  if (reading.event !== undefined) {
    const { bizStep, disposition, bizLocation, epcs } = reading.event;
    fields.set(6, [bizStep, disposition, bizLocation, epcs]);
  }
  if (reading.files !== undefined) {
    fields.set(
      7,
      reading.files.map((file) => [file.name, file.mediaType, file.size, file.digest]),
    );
  }
  if (reading.captureTime !== undefined) fields.set(8, encodeCaptureTime(reading.captureTime));
  return encodeCbor(fields);
}

/** Faults: CBOR_*, FIELD_* with the field's path. */
export function parseReading(bytes: Uint8Array): Result<Reading, ReadingFault> {
  const decoded = decodeCbor(bytes, readingBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const contents = parseContents(fields);
  if (Object.keys(contents).length === 0) fields.refuse(4);
  return fields.finish({
    source: parseSource(fields.nested(1)),
    clock: clockQualities[fields.uint(2, clockQualities.length - 1)] ?? "unsynchronised",
    frameStatus: parseFrameStatus(fields.nested(3)),
    ...contents,
    ...(fields.has(8) ? { captureTime: parseCaptureTime(fields.nested(8)) } : {}),
    receiveTime: fields.time(9),
    monotonic: monotonicMillis(fields.uint(10, Number.MAX_SAFE_INTEGER)),
    frameDigest: fields.digest(11),
  });
}

function parseContents(
  fields: FieldReader,
): Pick<Partial<Reading>, "registers" | "tags" | "event" | "files"> {
  return {
    ...(fields.has(4)
      ? {
          registers: fields.list(4, registersPerReadingMax, (item) =>
            parseRegister(item.nested(0)),
          ),
        }
      : {}),
    ...(fields.has(5)
      ? { tags: fields.list(5, tagsPerReadingMax, (item) => parseTag(item.nested(0))) }
      : {}),
    ...(fields.has(6) ? { event: parseEvent(fields.nested(6)) } : {}),
    ...(fields.has(7)
      ? { files: fields.list(7, filesPerReadingMax, (item) => parseFile(item.nested(0))) }
      : {}),
  };
}

function encodeSource(source: ReadingSource): CborMap {
  const fields = new Map<number, CborValue>([
    [1, source.stream],
    [2, source.protocol],
    [3, source.id],
    [4, source.maker],
  ]);
  if (source.emulated) fields.set(5, true);
  return fields;
}

function parseSource(fields: FieldReader): ReadingSource {
  const emulated = fields.has(5);
  if (emulated && !fields.boolean(5)) fields.refuse(5);
  const source = {
    stream: fields.identifier(1),
    protocol: fields.identifier(2),
    id: fields.text(3),
    maker: fields.text(4),
    emulated,
  };
  fields.close();
  return source;
}

function parseFrameStatus(fields: FieldReader): FrameStatus {
  const status = {
    checksum: checksumStates[fields.uint(0, checksumStates.length - 1)] ?? "absent",
    decrypted: fields.boolean(1),
    authenticated: fields.boolean(2),
    ...(fields.given(3) ? { invocationCounter: fields.counter(3) } : {}),
  };
  fields.close();
  return status;
}

function encodeCaptureTime(time: CaptureTime): CborValue {
  return [time.at, time.offsetMinutes, captureQualities.indexOf(time.quality)];
}

function parseCaptureTime(fields: FieldReader): CaptureTime {
  const time = {
    at: fields.time(0),
    offsetMinutes: fields.int(1, -1_440, 1_440),
    quality: captureQualities[fields.uint(2, captureQualities.length - 1)] ?? "unknown",
  };
  fields.close();
  return time;
}

function encodeRegister(register: RegisterValue): CborValue {
  const { key, value } = register;
  return [
    "obis" in key ? key.obis : key.name,
    "text" in value
      ? value.text
      : [value.quantity.mantissa, value.quantity.scaler, value.quantity.unit],
    register.status ?? null,
    register.captureTime === undefined ? null : encodeCaptureTime(register.captureTime),
  ];
}

function parseRegister(fields: FieldReader): RegisterValue {
  const named = typeof fields.raw(0) === "string";
  const textual = typeof fields.raw(1) === "string";
  const register = {
    key: named ? { name: fields.text(0) } : { obis: fields.fixed(0, 6) },
    value: textual ? { text: fields.text(1) } : { quantity: parseUnit(fields.nested(1)) },
    ...(fields.given(2) ? { status: fields.counter(2) } : {}),
    ...(fields.given(3) ? { captureTime: parseCaptureTime(fields.nested(3)) } : {}),
  };
  fields.close();
  return register;
}

function parseUnit(fields: FieldReader): Quantity {
  const code = fields.uint(2, 255);
  if (!isDlmsUnit(code)) fields.refuse(2);
  const quantity = {
    mantissa: fields.signed(0),
    scaler: fields.int(1, -128, 127),
    unit: isDlmsUnit(code) ? code : (255 as const),
  };
  fields.close();
  return quantity;
}

function isDlmsUnit(code: number): code is DlmsUnit {
  return Object.hasOwn(dlmsUnits, code);
}

function encodeTag(tag: TagObservation): CborMap {
  const fields = new Map<number, CborValue>([
    [1, tagSchemes.indexOf(tag.scheme)],
    [2, tag.bits],
    [3, tag.uri],
  ]);
  if (tag.antenna !== undefined) fields.set(4, tag.antenna);
  if (tag.rssi !== undefined) fields.set(5, tag.rssi);
  if (tag.firstSeen !== undefined) fields.set(6, tag.firstSeen);
  if (tag.lastSeen !== undefined) fields.set(7, tag.lastSeen);
  if (tag.count !== undefined) fields.set(8, tag.count);
  if (tag.readPoint !== undefined) fields.set(9, tag.readPoint);
  return fields;
}

function parseTag(fields: FieldReader): TagObservation {
  const tag = {
    scheme: tagSchemes[fields.uint(1, tagSchemes.length - 1)] ?? "epc",
    bits: fields.bytes(2, 64),
    uri: fields.text(3),
    ...(fields.has(4) ? { antenna: fields.uint(4, 65_535) } : {}),
    ...(fields.has(5) ? { rssi: fields.int(5, -128, 127) } : {}),
    ...(fields.has(6) ? { firstSeen: fields.time(6) } : {}),
    ...(fields.has(7) ? { lastSeen: fields.time(7) } : {}),
    ...(fields.has(8) ? { count: fields.uint(8, 4_294_967_295) } : {}),
    ...(fields.has(9) ? { readPoint: fields.text(9) } : {}),
  };
  fields.close();
  return tag;
}

function parseEvent(fields: FieldReader): EpcisEvent {
  const event = {
    bizStep: fields.text(0),
    disposition: fields.text(1),
    bizLocation: fields.text(2),
    epcs: fields.list(3, tagsPerReadingMax, (item) => item.text(0)),
  };
  fields.close();
  return event;
}

function parseFile(fields: FieldReader): FileDigest {
  const file = {
    name: fields.text(0),
    mediaType: fields.text(1),
    size: fields.counter(2),
    digest: fields.digest(3),
  };
  fields.close();
  return file;
}
