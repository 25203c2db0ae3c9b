/**
 * Driver of the P1 port of smart meters: DSMR v2.2 … v5.0.2, ESMR 5, e-MUCS and the national
 * profiles after them, in the syntax of an IEC 62056-21 data readout.
 *
 * Rejections: P1_TRUNCATED (cut off, or overtaken by the next start), P1_TOO_LONG, P1_LINE_TOO_LONG,
 * P1_BAD_END (the line of `!` holds more than a checksum), P1_BAD_CHECKSUM, P1_CHECKSUM_MISSING,
 * P1_BAD_LINE (noise in an unprotected telegram, or one stored as text), P1_NO_REGISTERS, P1_TOO_MANY_REGISTERS,
 * P1_TEXT_TOO_LONG.
 */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type {
  CaptureTime,
  DecodedFrame,
  Driver,
  DriverOutput,
  Register,
  Rejection,
} from "../driver.ts";
import { p1RegistersMax, p1TextBytesMax } from "../limits.ts";
import type { LetterCase } from "./p1-checksum.ts";
import { isStoredAsText, verifyP1Checksum } from "./p1-checksum.ts";
import type { P1Line } from "./p1-line.ts";
import { parseP1Line } from "./p1-line.ts";
import { parseP1Registers } from "./p1-register.ts";
import type { P1Split, P1Telegram } from "./p1-splitter.ts";
import { P1Splitter } from "./p1-splitter.ts";
import { parseP1Time } from "./p1-time.ts";
import { parseP1Value } from "./p1-value.ts";

/** @property standardOffsetMinutes the meter's standard time (its letter W) from UTC; 60 is CET. */
export type DsmrP1Options = { readonly standardOffsetMinutes?: number };

type P1Fault = { readonly code: string };

export class DsmrP1Driver implements Driver {
  readonly protocol = "dsmr-p1";
  readonly #splitter = new P1Splitter();
  readonly #standardOffsetMinutes: number;
  #letterCase: LetterCase = "upper";

  constructor(options: DsmrP1Options = {}) {
    this.#standardOffsetMinutes = options.standardOffsetMinutes ?? 60;
  }

  /** Bytes held of an unfinished telegram; bounded by `p1TelegramBytesMax`. */
  get heldBytes(): number {
    return this.#splitter.heldBytes;
  }

  push(chunk: Uint8Array): DriverOutput {
    return this.#decode(this.#splitter.push(chunk));
  }

  end(): DriverOutput {
    return this.#decode(this.#splitter.end());
  }

  #decode(split: P1Split): DriverOutput {
    const frames: DecodedFrame[] = [];
    const rejections: Rejection[] = [...split.rejections];
    for (const telegram of split.telegrams) {
      const decoded = this.#decodeTelegram(telegram);
      if (decoded.ok) frames.push(decoded.value);
      else rejections.push({ code: decoded.fault.code, bytes: telegram.bytes.length });
    }
    return { frames, rejections, discardedBytes: split.discardedBytes };
  }

  #decodeTelegram(telegram: P1Telegram): Result<DecodedFrame, P1Fault> {
    const protectedByChecksum = telegram.checksum !== "";
    if (protectedByChecksum) {
      const judged = verifyP1Checksum(telegram, this.#letterCase);
      if (!judged.ok) return judged;
      this.#letterCase = judged.value;
    }
    const text = splitLines(telegram);
    if (!protectedByChecksum) {
      const judged = judgeUnprotected(text);
      if (!judged.ok) return judged;
    } else if (isStoredAsText(telegram)) {
      // A flip from or to LF changes the length of what was mended, where the checksum is weak.
      const judged = judgeForm(text);
      if (!judged.ok) return judged;
    }
    const content = this.#parseContent(text.lines);
    const bounded = judgeBounds(content.registers);
    if (!bounded.ok) return bounded;
    return ok({
      protocol: this.protocol,
      source: { id: sourceId(text), maker: text.identification.slice(0, 3).toUpperCase() },
      captureTime: content.captureTime,
      frame: telegram.bytes,
      frameStatus: {
        checksum: protectedByChecksum ? "ok" : "absent",
        decrypted: false,
        authenticated: false,
      },
      registers: content.registers,
      tags: [],
    });
  }

  #parseContent(lines: readonly P1Line[]): {
    readonly captureTime: CaptureTime | null;
    readonly registers: readonly Register[];
  } {
    let captureTime: CaptureTime | null = null;
    const registers: Register[] = [];
    for (const line of lines) {
      const clock = line.obis?.text === clockObis ? line.groups[0] : undefined;
      const time =
        clock === undefined ? undefined : parseP1Time(clock, this.#standardOffsetMinutes);
      if (time !== undefined && line.groups.length === 1) captureTime = time;
      else
        registers.push(
          ...parseP1Registers(line, { standardOffsetMinutes: this.#standardOffsetMinutes }),
        );
    }
    return { captureTime, registers: withGasUnits(registers) };
  }
}

/** The lines of a telegram between the identification and `!`; `noise` counts what is no data line. */
type P1Text = {
  readonly identification: string;
  readonly lines: readonly P1Line[];
  readonly noise: number;
};

function splitLines(telegram: P1Telegram): P1Text {
  const latin1 = Array.from(telegram.bytes.subarray(1, telegram.endOffset), (byte) =>
    String.fromCharCode(byte),
  ).join("");
  const [identification = "", ...rest] = latin1.split(/\r?\n/);
  const joined: string[] = [];
  for (const line of rest) {
    // DSMR 2.2 and 3.0 break the hourly gas line before its value.
    if (line.startsWith("(") && joined.length > 0) joined[joined.length - 1] += line;
    else if (line !== "") joined.push(line);
  }
  const lines = joined.flatMap((line) => parseP1Line(line) ?? []);
  return { identification, lines, noise: joined.length - lines.length };
}

/**
 * Without a checksum only the form can tell a good telegram from a damaged one. DSMR 2 and 3 have
 * none; a telegram that states its version or its clock is of a later standard, which has, so that
 * one whose checksum was lost does not pass.
 */
function judgeUnprotected(text: P1Text): Result<null, P1Fault> {
  const codes = text.lines.map((line) => line.obis?.text);
  if (codes.some((code) => code !== undefined && checksummedSince.has(code)))
    return err({ code: "P1_CHECKSUM_MISSING" });
  const judged = judgeForm(text);
  if (!judged.ok) return judged;
  return text.lines.length > 0 ? ok(null) : err({ code: "P1_NO_REGISTERS" });
}

/** Printable ASCII throughout, and nothing but data lines. */
function judgeForm(text: P1Text): Result<null, P1Fault> {
  const printable = text.lines.every((line) =>
    [line.id, ...line.groups].every((part) => /^[\x20-\x7e]*$/.test(part)),
  );
  if (text.noise > 0 || !printable || !/^[\x20-\x7e]+$/.test(text.identification))
    return err({ code: "P1_BAD_LINE" });
  return ok(null);
}

function judgeBounds(registers: readonly Register[]): Result<null, P1Fault> {
  if (registers.length > p1RegistersMax) return err({ code: "P1_TOO_MANY_REGISTERS" });
  const tooLong = registers.some(
    (register) => "text" in register.value && utf8(register.value.text).length > p1TextBytesMax,
  );
  return tooLong ? err({ code: "P1_TEXT_TOO_LONG" }) : ok(null);
}

const clockObis = "0-0:1.0.0*255";

/** DSMR ≥ 4 version, clock (since DSMR 4), e-MUCS version: their standards demand the checksum. */
const checksummedSince: ReadonlySet<string> = new Set([
  "1-3:0.2.8*255",
  clockObis,
  "0-0:96.1.4*255",
]);

/** Where a meter states its own identity, best first: DSMR, e-MUCS, Hungary, then DIN 43863-5 ids. */
const identityObis = [
  "0-0:96.1.1*255",
  "0-0:96.1.0*255",
  "0-0:42.0.0*255",
  "0-0:96.1.255*255",
  "1-0:96.1.0*255",
  "1-0:0.0.0*255",
];

function sourceId(text: P1Text): string {
  for (const obis of identityObis) {
    const line = text.lines.find((candidate) => candidate.obis?.text === obis);
    const value = line === undefined ? undefined : parseP1Value(line.obis, line.groups[0] ?? "");
    if (value !== undefined && "text" in value && value.text !== "") return value.text;
  }
  return text.identification
    .slice(3)
    .replace(/^\d/, "")
    .replace(/[^\x20-\x7e]/g, "")
    .trim();
}

/** 0-n:24.2.1 of a gas meter (device type 3) is converted to base conditions: DLMS unit 14, not 13. */
function withGasUnits(registers: readonly Register[]): readonly Register[] {
  const gasChannels = new Set<string>();
  for (const register of registers) {
    const channel = /^(0-\d+):24\.1\.0\*255$/.exec(register.obis ?? "")?.[1];
    if (channel !== undefined && "quantity" in register.value)
      if (register.value.quantity.mantissa === 3n) gasChannels.add(`${channel}:24.2.1*255`);
  }
  return registers.map((register) =>
    gasChannels.has(register.obis ?? "") &&
    "quantity" in register.value &&
    register.value.quantity.unit === 13
      ? { ...register, value: correctedVolume(register.value) }
      : register,
  );
}

function correctedVolume(value: Extract<Register["value"], { quantity: unknown }>) {
  return { ...value, quantity: { ...value.quantity, unit: 14 as const } };
}
