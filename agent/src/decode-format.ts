/** How `tamga-agent decode` prints: JSON lines, blocks for people, and the closing summary. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { formatQuantity } from "@tamga/ledger-core/wire/quantity";
import type { CaptureTime, DecodedFrame, Register, Tag } from "./driver.ts";

/** What was found in all; `rejected` counts by code. Field names are those of the printed JSON. */
export type DecodeSummary = {
  readonly frames: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly discardedBytes: number;
};

/** One line of JSON, without its line end; fields in the order of DESIGN §6. */
export function formatFrameJson(frame: DecodedFrame, frameDigest: Digest): string {
  const { checksum, decrypted, authenticated } = frame.frameStatus;
  const line = JSON.stringify({
    protocol: frame.protocol,
    source: { id: frame.source.id, maker: frame.source.maker },
    captureTime: frame.captureTime === null ? null : formatCaptureTime(frame.captureTime),
    frameDigest: toHex(frameDigest),
    frameStatus: { checksum, decrypted, authenticated },
    registers: frame.registers.map(registerFields),
    tags: frame.tags.map(tagFields),
  });
  // JSON leaves DEL and the C1 controls as they are, and a terminal would obey them.
  return line.replace(/[\u007f-\u009f]/g, escapeCharacter);
}

/** A block for people, with its line ends: a head line, then one line a register or tag. */
export function formatFrameText(frame: DecodedFrame): string {
  const source = [frame.source.maker, frame.source.id].filter((part) => part !== "").join(" ");
  const time = frame.captureTime === null ? "" : formatCaptureTime(frame.captureTime);
  const head = [frame.protocol, source, time, statusWords(frame)].filter((part) => part !== "");
  const rows = frame.registers.map(registerFields).map((register): readonly [string, string] => {
    const value = register.unit === "" ? register.value : `${register.value} ${register.unit}`;
    const at = register.captureTime === undefined ? "" : `  at ${register.captureTime}`;
    const status = register.status === undefined ? "" : `  status ${register.status}`;
    return [register.obis ?? register.name ?? "", `${value}${status}${at}`];
  });
  const width = Math.max(0, ...rows.map(([address]) => address.length));
  const lines = [
    head.join("  "),
    ...rows.map(([address, value]) => `  ${address.padEnd(width)}  ${value}`.trimEnd()),
    ...frame.tags.map((tag) => `  ${tag.scheme}  ${tag.hex}  ${tag.uri}`),
  ];
  return `${lines.map(escapeControls).join("\n")}\n\n`;
}

/** The last line on stderr, without its line end. */
export function formatSummary(summary: DecodeSummary): string {
  const { frames, rejected, discardedBytes } = summary;
  return JSON.stringify({ frames, rejected, discardedBytes });
}

/** RFC 3339 with the device's offset; milliseconds only where there are some. */
export function formatCaptureTime(time: CaptureTime): string {
  const local = new Date(time.at + time.offsetMinutes * 60_000).toISOString();
  const minutes = Math.abs(time.offsetMinutes);
  const two = (value: number) => value.toString().padStart(2, "0");
  const sign = time.offsetMinutes < 0 ? "-" : "+";
  const digits = local.replace(/(\.000)?Z$/, "");
  return `${digits}${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

type RegisterFields = {
  readonly obis?: string;
  readonly name?: string;
  readonly value: string;
  readonly unit: string;
  readonly status?: number;
  readonly captureTime?: string;
};

function registerFields(register: Register): RegisterFields {
  const { value, status, captureTime } = register;
  const named =
    register.obis === undefined ? { name: register.name ?? "" } : { obis: register.obis };
  const shown =
    "text" in value
      ? { value: value.text, unit: "" }
      : { value: formatQuantity(value.quantity, value.exponent), unit: value.unitText };
  return {
    ...named,
    ...shown,
    ...(status === undefined ? {} : { status }),
    ...(captureTime === undefined ? {} : { captureTime: formatCaptureTime(captureTime) }),
  };
}

function tagFields(tag: Tag) {
  const { scheme, hex, uri, digitalLink, antenna, rssi, firstSeen, lastSeen, count } = tag;
  return {
    scheme,
    hex,
    uri,
    digitalLink,
    antenna,
    rssi,
    firstSeen: formatInstant(firstSeen),
    lastSeen: formatInstant(lastSeen),
    count,
  };
}

function formatInstant(at: UnixMillis | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

function statusWords(frame: DecodedFrame): string {
  const { checksum, decrypted, authenticated } = frame.frameStatus;
  const words = [checksum === "ok" ? "checksum ok" : "no checksum"];
  if (decrypted) words.push("decrypted");
  if (authenticated) words.push("authenticated");
  return words.join(", ");
}

/** A device's text must not steer the terminal. */
function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
