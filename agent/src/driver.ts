/** What every field protocol driver is: a pure core from bytes to decoded frames. */

import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Quantity } from "@tamga/ledger-core/wire/quantity";

/**
 * A driver holds only bounded state of its own; the same bytes in any split give the same output.
 * No exception leaves `push` or `end`, whatever the bytes are.
 */
export interface Driver {
  readonly protocol: ProtocolId;
  /** Takes any number of bytes as they came off the line; may end mid-frame. */
  push(chunk: Uint8Array): DriverOutput;
  /** Says that the line has ended: gives out or rejects what is still held. */
  end(): DriverOutput;
}

/** Protocol ids of `tamga-agent decode`. */
export const protocolIds = ["dsmr-p1", "iso11784-stick"] as const;
export type ProtocolId = (typeof protocolIds)[number];

export type DriverOutput = {
  /** Valid frames completed by this call, oldest first. */
  readonly frames: readonly DecodedFrame[];
  readonly rejections: readonly Rejection[];
  /** Bytes of this call or held from earlier ones that belong to no frame, valid or rejected. */
  readonly discardedBytes: number;
};

/** A frame that was recognised and refused. `code` is stable, e.g. P1_BAD_CHECKSUM. */
export type Rejection = { readonly code: string; readonly bytes: number };

export type DecodedFrame = {
  readonly protocol: ProtocolId;
  /** Identity of the meter or reader as the frame gives it, "" where it gives none; FLAG manufacturer id or "". */
  readonly source: { readonly id: string; readonly maker: string };
  readonly captureTime: CaptureTime | null;
  /** The raw frame, exactly as it came off the line; the reading holds its SHA-256. */
  readonly frame: Uint8Array;
  readonly frameStatus: FrameStatus;
  readonly registers: readonly Register[];
  readonly tags: readonly Tag[];
};

export type FrameStatus = {
  readonly checksum: "ok" | "absent";
  readonly decrypted: boolean;
  readonly authenticated: boolean;
  readonly invocationCounter?: number;
};

/** Time that the device states. `offsetMinutes` is its offset from UTC, east positive. */
export type CaptureTime = {
  readonly at: UnixMillis;
  readonly offsetMinutes: number;
  readonly quality: "unknown" | "valid" | "doubtful";
};

/**
 * One register. `obis` is `A-B:C.D.E*F`, or `name` stands where the protocol has no OBIS code.
 * `quantity` is in the base unit (Wh); `exponent` (3 for kWh) and `unitText` say how the meter sent it,
 * so that `decode` prints the same. Text values (ids, messages, tariff names) have `text` instead.
 */
export type Register = {
  readonly obis?: string;
  readonly name?: string;
  readonly value:
    | { readonly quantity: Quantity; readonly exponent: number; readonly unitText: string }
    | { readonly text: string };
  readonly status?: number;
  readonly captureTime?: CaptureTime;
};

/** One tag read. `hex` is the raw identity bits, upper-case hexadecimal. */
export type Tag = {
  readonly scheme: "epc" | "iso11784" | "em4100" | "nfc-uid";
  readonly hex: string;
  readonly uri: string;
  readonly digitalLink?: string;
  readonly antenna?: number;
  readonly rssi?: number;
  readonly firstSeen?: UnixMillis;
  readonly lastSeen?: UnixMillis;
  readonly count?: number;
};
